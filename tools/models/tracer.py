"""The tracer: a small U-Net that traces where parts end, which are alike, and where a surface looks damaged.

It needs neither words nor references: what an edge and what a scratch, a stain or a hole look like was learned on many
products that share nothing (U-Net: Ronneberger et al. 2015). Beside good photos its differ tells what is unlike them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional
from transformers import PretrainedConfig, PreTrainedModel

from tools.anomaly.comparison import Differ

if TYPE_CHECKING:
    from torch import Tensor


class TracerConfig(PretrainedConfig):  # type: ignore[misc]  # transformers has no types here
    """Widths at strides 2, 4, 8, 16 and 32, the side that a photo is brought to, and the size of the differ."""

    model_type = "looktwice_tracer"

    def __init__(
        self,
        image_size: int = 256,
        widths: tuple[int, ...] = (32, 64, 112, 160, 208),
        kinds: int = 24,
        differ_width: int = 128,
        differ_depth: int = 4,
        differ_heads: int = 4,
        **more: Any,
    ) -> None:
        super().__init__(**more)
        self.image_size, self.widths, self.kinds = image_size, list(widths), kinds
        self.differ_width, self.differ_depth, self.differ_heads = differ_width, differ_depth, differ_heads


DIFFER = 2
"""The differ looks at the features of this of the widths, at an eighth of the input's resolution."""
MAPS = 4
"""Logits of each place: parts, edges, flaws, items."""


class Traced(NamedTuple):
    """What is said of photos: logits at half the input's resolution (N, H / 2, W / 2), and what others build on."""

    parts: Tensor
    """Whether a place is of a part or a product rather than of what it lies on."""
    edges: Tensor
    """Whether one part ends and another begins there."""
    flaws: Tensor
    """Whether the surface is damaged there."""
    items: Tensor
    """Whether a place is of a part that no other lies on: of a nut, say, and not of the tray that holds it."""
    kinds: Tensor
    """(N, C, H / 2, W / 2): what kind of part a place is of; alike on parts of one kind, whatever that is."""
    votes: Tensor
    """(N, 2, H / 2, W / 2): how far right and down the middle of its part lies, in `trace.STRIDE`s of places."""
    features: Tensor
    """(N, C, H / 8, W / 8): what the differ's tokens are made of."""


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
        self.read_out = nn.Conv2d(widths[0], MAPS, 1)
        self.kinds = nn.Conv2d(widths[0], config.kinds, 1)
        self.votes = nn.Sequential(_layer(widths[0], widths[0]), nn.Conv2d(widths[0], 2, 1))
        self.differ = Differ(
            widths[DIFFER] + 2 * widths[0], config.differ_width, config.differ_depth, config.differ_heads
        )
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Layers start as torch starts them."""

    def forward(self, pixels: Tensor) -> Traced:
        """Photos (N, 3, H, W)."""
        x, middle = self._decoded(pixels)
        parts, edges, flaws, items = self.read_out(x).unbind(dim=1)
        return Traced(parts, edges, flaws, items, self.kinds(x), self.votes(x), _features(x, middle))

    def features(self, pixels: Tensor) -> Tensor:
        """Features alone of photos (N, 3, H, W)."""
        return _features(*self._decoded(pixels))

    def _decoded(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Maps at half and at an eighth of the input's resolution."""
        kept = [self.stem(pixels)]
        for down in self.downs:
            kept.append(down(kept[-1]))
        x = self.deep(kept.pop())
        middle = x
        for up in self.ups:
            beside = kept.pop()
            x = up(torch.cat([functional.interpolate(x, beside.shape[-2:], mode="nearest"), beside], dim=1))
            if len(kept) == DIFFER:
                middle = x
        return x, middle


def _features(x: Tensor, middle: Tensor) -> Tensor:
    fine = functional.avg_pool2d(x, 4), functional.max_pool2d(x, 4)
    return torch.cat([middle, *fine], dim=1)


def _layer(inside: int, width: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
    )
