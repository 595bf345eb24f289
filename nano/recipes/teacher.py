"""Teachers whose dense features are distilled: ImageNet's ResNet50-v2 from raw arrays, or any timm model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
BLOCKS = (3, 4, 6)
"""Bottlenecks of stages 1 to 3; stage 4 is not used."""


class _Bottleneck(nn.Module):
    """A pre-activation bottleneck (He et al. 2016, "Identity mappings", figure 4e)."""

    def __init__(self, inside: int, width: int, stride: int, project: bool) -> None:
        super().__init__()
        quarter = width // 4
        self.bn1, self.conv1 = nn.BatchNorm2d(inside), nn.Conv2d(inside, quarter, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(quarter)
        self.conv2 = nn.Conv2d(quarter, quarter, 3, stride, 1, bias=False)
        self.bn3, self.conv3 = nn.BatchNorm2d(quarter), nn.Conv2d(quarter, width, 1, bias=False)
        self.project = nn.Conv2d(inside, width, 1, stride, bias=False) if project else None

    def forward(self, x: Tensor) -> Tensor:
        active = functional.relu(self.bn1(x))
        kept = x if self.project is None else self.project(active)
        inner = self.conv2(functional.relu(self.bn2(self.conv1(active))))
        out: Tensor = self.conv3(functional.relu(self.bn3(inner))) + kept
        return out


class ResNet50V2(nn.Module):
    """Stages 1 to 3 of GluonCV's ResNet50-v2; `forward` gives the maps of stages 2 and 3."""

    def __init__(self) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(3)
        self.conv0, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.stages = nn.ModuleList()
        inside = 64
        for number, blocks in enumerate(BLOCKS):
            width = 256 * 2**number
            stage = [_Bottleneck(inside, width, 1 if number == 0 else 2, True)]
            stage += [_Bottleneck(width, width, 1, False) for _ in range(blocks - 1)]
            self.stages.append(nn.Sequential(*stage))
            inside = width

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) normalised -> (N, 512, H/8, W/8), (N, 1024, H/16, W/16)."""
        x = functional.relu(self.bn1(self.conv0(self.bn0(pixels))))
        x = self.stages[0](functional.max_pool2d(x, 3, 2, 1))
        second = self.stages[1](x)
        return second, self.stages[2](second)

    @classmethod
    def from_arrays(cls, folder: Path, prefix: str = "resnetv24_") -> ResNet50V2:
        """Reads one .npy a layer.

        Raises:
            FileNotFoundError: an array is missing.
        """
        model = cls()
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
        return model.eval()


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
        import timm

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


def embed(teacher: nn.Module, pixels: Tensor) -> Tensor:
    """Both stages, each pooled 3 x 3 and of unit length, on the finer grid: (N, C, H/8, W/8)."""
    with torch.inference_mode():
        fine, coarse = teacher(pixels)
        maps = []
        for stage in (fine, coarse):
            pooled = functional.avg_pool2d(stage, 3, 1, 1, count_include_pad=False)
            same = functional.interpolate(pooled, fine.shape[-2:], mode="bilinear", align_corners=False)
            maps.append(functional.normalize(same, dim=1))
        joined = torch.cat(maps, dim=1) / 2**0.5
    return joined.clone()
