"""The tracer: a small U-Net that traces where parts end, and where a surface looks damaged, on any product.

It needs neither words nor references: what an edge and what a scratch, a stain or a hole look like was learned on many
products that share nothing (U-Net: Ronneberger et al. 2015).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional
from transformers import PretrainedConfig, PreTrainedModel

if TYPE_CHECKING:
    from torch import Tensor


class TracerConfig(PretrainedConfig):  # type: ignore[misc]  # transformers has no types here
    """Widths at strides 2, 4, 8, 16 and 32, and the side that a photo is brought to."""

    model_type = "looktwice_tracer"

    def __init__(self, image_size: int = 256, widths: tuple[int, ...] = (24, 48, 88, 128, 160), **more: Any) -> None:
        super().__init__(**more)
        self.image_size, self.widths = image_size, list(widths)


class Traced(NamedTuple):
    """Logits at half the input's resolution, each (N, H / 2, W / 2)."""

    parts: Tensor
    """Whether a place is of a part or a product rather than of what it lies on."""
    edges: Tensor
    """Whether one part ends and another begins there."""
    flaws: Tensor
    """Whether the surface is damaged there."""
    items: Tensor
    """Whether a place is of a part that no other lies on: of a nut, say, and not of the tray that holds it."""


class Tracer(PreTrainedModel):  # type: ignore[misc]  # transformers has no types here
    """See the module; photos are normalised with ImageNet's mean and deviation, sides are multiples of 32."""

    config_class = TracerConfig
    main_input_name = "pixels"
    config: Any

    def __init__(self, config: TracerConfig) -> None:
        super().__init__(config)
        widths = config.widths
        self.stem = _layer(3, widths[0], 2)
        self.downs = nn.ModuleList(
            nn.Sequential(_layer(inside, width, 2), _layer(width, width)) for inside, width in pairwise(widths)
        )
        self.deep = _layer(widths[-1], widths[-1])
        self.ups = nn.ModuleList(
            nn.Sequential(_layer(below + width, width), _layer(width, width))
            for below, width in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.read_out = nn.Conv2d(widths[0], len(Traced._fields), 1)
        self.post_init()

    def forward(self, pixels: Tensor) -> Traced:
        """Photos (N, 3, H, W)."""
        kept = [self.stem(pixels)]
        for down in self.downs:
            kept.append(down(kept[-1]))
        x = self.deep(kept.pop())
        for up in self.ups:
            beside = kept.pop()
            x = up(torch.cat([functional.interpolate(x, beside.shape[-2:], mode="nearest"), beside], dim=1))
        return Traced(*self.read_out(x).unbind(dim=1))


def _layer(inside: int, width: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
    )
