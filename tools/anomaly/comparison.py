"""The differ: looks at a photo beside a few good ones and tells where it differs from what they have in common.

Every place of the photo attends to all places of all good ones, so that parts are found again wherever they lie, and
two verdicts, one of parts and one of surfaces, attend to all of them. It was never told what a product is; what good
ones may differ by it reads off those that it is shown (attention: Vaswani et al. 2017).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

VERDICTS = 2
"""Logical and structural, in this order."""
WAVES = 8
"""Sines and cosines along either axis by which a place is coded, the slowest half a wave over the photo."""


class Differences(NamedTuple):
    """Logits of photos beside good ones."""

    photos: Tensor
    """(G, Q, 2): whether a photo has a logical and a structural anomaly."""
    places: Tensor
    """(G, Q, 2, h, w): where."""


class Differ(nn.Module):
    """See the module."""

    def __init__(self, inside: int, width: int, depth: int, heads: int) -> None:
        """Takes channels of the features, and width, number of layers and heads of its own."""
        super().__init__()
        self.enter = nn.Linear(inside, width)
        self.place = nn.Linear(4 * WAVES, width)
        self.own = _Layer(width, heads, beside=False)
        self.layers = nn.ModuleList(_Layer(width, heads, beside=True) for _ in range(depth))
        self.verdicts = nn.Parameter(torch.randn(VERDICTS, width) / 2)
        self.norm = nn.LayerNorm(width)
        self.per_place = nn.Linear(width, VERDICTS)
        self.per_photo = nn.Linear(width, 1)
        self.loudest = nn.Parameter(torch.full((VERDICTS,), 0.1))

    def tokens(self, features: Tensor) -> Tensor:
        """(N, h * w, width) of features (N, C, h, w): places that have seen the rest of their own photo."""
        height, width = features.shape[-2:]
        found: Tensor = self.own(self.enter(features.flatten(2).transpose(1, 2)), self.places(height, width))
        return found

    def places(self, height: int, width: int) -> Tensor:
        """(height * width, width of the layers) codes of places: the same for the same share of the longer side."""
        like = self.place.weight
        longer = max(height, width)
        y, x = ((torch.arange(n, device=like.device) + 0.5 - n / 2) * (2 / longer) for n in (height, width))
        waves = torch.pi / 2 * 2 ** (torch.arange(WAVES, device=like.device) * 0.75)
        down, right = (torch.cat([(v[:, None] * waves).sin(), (v[:, None] * waves).cos()], dim=1) for v in (y, x))
        codes = torch.cat([down[:, None].expand(-1, width, -1), right[None].expand(height, -1, -1)], dim=-1)
        found: Tensor = self.place(codes.flatten(0, 1).to(like.dtype))
        return found

    def forward(self, photos: Tensor, size: tuple[int, int], good: Tensor, there: Tensor) -> Differences:
        """Photos beside good ones of the same product.

        Args:
            photos: (G, Q, h * w, width) tokens of Q photos of each of G products.
            size: (h, w).
            good: (G, K, width) tokens of all good ones of each product.
            there: (K, width) codes of their places.
        """
        groups, count = photos.shape[:2]
        at = self.places(*size)
        at = torch.cat([torch.zeros_like(at[:VERDICTS]), at])
        x = torch.cat([self.verdicts.expand(groups, count, -1, -1).to(photos.dtype), photos], dim=2).flatten(0, 1)
        for layer in self.layers:
            x = layer(x, at, good, there)
        x = self.norm(x).unflatten(0, (groups, count))
        places = self.per_place(x[:, :, VERDICTS:]).float()
        loudest = (4 * places).logsumexp(dim=2) / 4
        said = self.per_photo(x[:, :, :VERDICTS]).float().squeeze(-1) + self.loudest * loudest
        return Differences(said, places.transpose(2, 3).unflatten(-1, size))


class _Layer(nn.Module):
    """Attention within the photo, attention to the good ones, and a perceptron; each normalised before and added."""

    def __init__(self, width: int, heads: int, *, beside: bool) -> None:
        super().__init__()
        self.within = _Attention(width, heads)
        self.beside = _Attention(width, heads) if beside else None
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width)
        )

    def forward(self, x: Tensor, at: Tensor, shown: Tensor | None = None, there: Tensor | None = None) -> Tensor:
        x = x + self.within(x, at, x, at)
        if self.beside is not None and shown is not None and there is not None:
            # All photos of a product look at the same good ones: one attention of many questions.
            groups = len(shown)
            asked = x.reshape(groups, -1, x.shape[-1])
            places = at.repeat(len(x) // groups, 1)
            x = x + self.beside(asked, places, shown, there).reshape(x.shape)
        found: Tensor = x + self.perceptron(x)
        return found


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.asking, self.asked = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor, at: Tensor, shown: Tensor, there: Tensor) -> Tensor:
        mine, theirs = self.asking(x), self.asked(shown)
        q, k, v = (
            t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for t in (self.query(mine + at), self.key(theirs + there), self.value(theirs))
        )
        found: Tensor = self.out(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return found
