"""A pre-activation ResNet as a backbone, whose stages may be read out on fewer channels.

No class of transformers has this order of layers (normalise, activate, convolve; He et al. 2016, "Identity mappings in
deep residual networks", figure 4e) with batch normalisation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BackboneOutput

if TYPE_CHECKING:
    from torch import Tensor


class PreActResNetConfig(PretrainedConfig):  # type: ignore[misc]  # transformers has no types here
    """Sizes of the three stages and of what is read out of the last two."""

    model_type = "looktwice_preact_resnet"

    def __init__(
        self,
        stem: int = 64,
        widths: tuple[int, ...] = (256, 512, 1024),
        depths: tuple[int, ...] = (3, 4, 6),
        components: tuple[int, ...] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(**more)
        self.stem, self.widths, self.depths = stem, list(widths), list(depths)
        self.components = None if components is None else list(components)


class Bottleneck(nn.Module):
    """A pre-activation bottleneck; the stride is that of its 3 x 3 convolution."""

    def __init__(self, inside: int, width: int, stride: int, project: bool) -> None:
        super().__init__()
        quarter = width // 4
        self.bn1, self.conv1 = nn.BatchNorm2d(inside), nn.Conv2d(inside, quarter, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(quarter)
        self.conv2 = nn.Conv2d(quarter, quarter, 3, stride, 1, bias=False)
        self.bn3, self.conv3 = nn.BatchNorm2d(quarter), nn.Conv2d(quarter, width, 1, bias=False)
        self.project = nn.Conv2d(inside, width, 1, stride, bias=False) if project else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, width, H / stride, W / stride)."""
        active = functional.relu(self.bn1(x))
        kept = x if self.project is None else self.project(active)
        inner = self.conv2(functional.relu(self.bn2(self.conv1(active))))
        out: Tensor = self.conv3(functional.relu(self.bn3(inner))) + kept
        return out


class PreActResNet(PreTrainedModel):  # type: ignore[misc]  # transformers has no types here
    """Maps of stages 2 and 3, strides 8 and 16, each on its components where the configuration names any."""

    config_class = PreActResNetConfig
    main_input_name = "pixel_values"
    config: Any

    def __init__(self, config: PreActResNetConfig) -> None:
        super().__init__(config)
        self.bn0 = nn.BatchNorm2d(3)
        self.conv0, self.bn1 = nn.Conv2d(3, config.stem, 7, 2, 3, bias=False), nn.BatchNorm2d(config.stem)
        self.stages = nn.ModuleList()
        inside = config.stem
        for number, (width, blocks) in enumerate(zip(config.widths, config.depths, strict=True)):
            stage = [Bottleneck(inside, width, 1 if number == 0 else 2, True)]
            stage += [Bottleneck(width, width, 1, False) for _ in range(blocks - 1)]
            self.stages.append(nn.Sequential(*stage))
            inside = width
        self.heads = nn.ModuleList(
            nn.Conv2d(width, count, 1, bias=False)
            for width, count in zip(config.widths[-2:], config.components or (), strict=False)
        )
        self.post_init()

    def fine(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) to the raw map of stage 2, (N, C, H / 8, W / 8)."""
        x = functional.relu(self.bn1(self.conv0(self.bn0(pixels))))
        x = self.stages[0](functional.max_pool2d(x, 3, 2, 1))
        maps: Tensor = self.stages[1](x)
        return maps

    def forward(self, pixel_values: Tensor) -> BackboneOutput:
        """Photos (N, 3, H, W) normalised with ImageNet's mean and deviation."""
        fine = self.fine(pixel_values)
        return BackboneOutput(feature_maps=self.read_out(fine, self.stages[2](fine)))

    def read_out(self, fine: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        """Both maps on their components."""
        if not self.heads:
            return fine, coarse
        return self.heads[0](fine), self.heads[1](coarse)


def unit(maps: Tensor) -> Tensor:
    """Maps (N, C, h, w) pooled over 3 x 3 places and of unit length along C, as they are compared."""
    pooled = functional.avg_pool2d(maps, 3, stride=1, padding=1, count_include_pad=False)
    return torch.nn.functional.normalize(pooled, dim=1)
