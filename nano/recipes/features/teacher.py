"""Teachers whose dense features are distilled: ImageNet's ResNet50-v2 from raw arrays, or any timm model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import timm
import torch
from torch import nn

from tools.models.preact_resnet import PreActResNet, PreActResNetConfig

if TYPE_CHECKING:
    from torch import Tensor

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


class ResNet50V2(nn.Module):
    """Stages 1 to 3 of GluonCV's ResNet50-v2; `forward` gives the maps of stages 2 and 3."""

    def __init__(self) -> None:
        super().__init__()
        self.net = PreActResNet(PreActResNetConfig())

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) normalised -> (N, 512, H/8, W/8), (N, 1024, H/16, W/16)."""
        fine, coarse = self.net(pixels).feature_maps
        return fine, coarse

    @classmethod
    def from_arrays(cls, folder: Path, prefix: str = "resnetv24_") -> ResNet50V2:
        """Reads one .npy a layer.

        Raises:
            FileNotFoundError: an array is missing.
        """
        teacher = cls()
        model = teacher.net
        _norm(model.bn0, folder, f"{prefix}batchnorm0")
        _norm(model.bn1, folder, f"{prefix}batchnorm1")
        _conv(model.conv0, folder, f"{prefix}conv0")
        for number, stage in enumerate(model.stages, start=1):
            convs = norms = 0
            for block in stage:  # type: ignore[attr-defined]
                for norm in (block.bn1, block.bn2, block.bn3):
                    _norm(norm, folder, f"{prefix}stage{number}_batchnorm{norms}")
                    norms += 1
                for conv in (block.conv1, block.conv2, block.conv3, block.project):
                    if conv is not None:
                        _conv(conv, folder, f"{prefix}stage{number}_conv{convs}")
                        convs += 1
        return teacher.eval()


def _conv(layer: nn.Conv2d, folder: Path, name: str) -> None:
    layer.weight.data = torch.from_numpy(np.load(folder / f"{name}_weight.npy", allow_pickle=False))


def _norm(layer: nn.BatchNorm2d, folder: Path, name: str) -> None:
    layer.weight.data, layer.bias.data, mean, var = (
        torch.from_numpy(np.load(folder / f"{name}_{part}.npy", allow_pickle=False))
        for part in ("gamma", "beta", "running_mean", "running_var")
    )
    layer.running_mean, layer.running_var = mean, var


class Timm(nn.Module):
    """Two stages of any timm model with `features_only`, the ones nearest to strides 8 and 16."""

    def __init__(self, name: str) -> None:
        """Creates the model; its weights must be on disk or reachable by timm."""
        super().__init__()
        self.model = timm.create_model(name, pretrained=True, features_only=True)
        strides = self.model.feature_info.reduction()
        self.chosen = [min(range(len(strides)), key=lambda n: abs(strides[n] - s)) for s in (8, 16)]

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) normalised -> the two maps."""
        maps = self.model(pixels)
        return maps[self.chosen[0]], maps[self.chosen[1]]


def load_teacher(source: str) -> nn.Module:
    """A folder of arrays is ResNet50-v2; anything else is a timm model's name."""
    if Path(source).is_dir():
        return ResNet50V2.from_arrays(Path(source))
    return Timm(source).eval()
