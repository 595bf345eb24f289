"""The comparer: a network that sees good photos of a product and says how another photo differs from them.

It learned to compare on many products that share nothing, so that it needs no training on a new one. Two thoughts
of others met in it: a photo is explained patch by patch out of the references, and what remains is looked at
(residuals, as in InCTRL, Zhu and Pang 2024); and the sum of what lies in a photo, wherever it lies, is held against
the same sum of the references (set features, as in SINBAD, Tzachor et al. 2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional
from transformers import PretrainedConfig, PreTrainedModel, ResNetBackbone, ResNetConfig

if TYPE_CHECKING:
    from torch import Tensor

GAIN = 8.0
"""What is left of unit vectors is small; this brings it to the size that layers expect."""
KINDS = ("normal", "structural", "logical")
"""What the three logits of a photo stand for."""


class ComparerConfig(PretrainedConfig):  # type: ignore[misc]  # transformers has no types here
    """Sizes of a comparer."""

    model_type = "looktwice_comparer"

    def __init__(
        self, image_size: int = 160, widths: tuple[int, ...] = (48, 128), depths: tuple[int, ...] = (1, 2),
        embedding: int = 96, value: int = 48, sums: int = 64, hidden: int = 64, **more: Any,
    ) -> None:  # fmt: skip
        super().__init__(**more)
        self.image_size, self.widths, self.depths = image_size, list(widths), list(depths)
        self.embedding, self.value, self.sums, self.hidden = embedding, value, sums, hidden


class Seen(NamedTuple):
    """What the network keeps of photos; enough to compare them with any others."""

    embedded: Tensor
    """(N, E, h, w)."""
    sums: Tensor
    """(N, S)."""


class Compared(NamedTuple):
    """What it says of photos."""

    logits: Tensor
    """(N, 3), for `KINDS`."""
    places: Tensor
    """(N, 2, h, w), logits of the two kinds of anomaly at each place."""


class Comparer(PreTrainedModel):  # type: ignore[misc]  # transformers has no types here
    """See the module; photos are normalised with ImageNet's mean and deviation."""

    config_class = ComparerConfig
    main_input_name = "pixels"
    config: Any

    def __init__(self, config: ComparerConfig) -> None:
        super().__init__(config)
        e, v, s, h = config.embedding, config.value, config.sums, config.hidden
        self.backbone = ResNetBackbone(
            ResNetConfig(
                embedding_size=32,
                hidden_sizes=config.widths,
                depths=config.depths,
                layer_type="basic",
                out_features=[f"stage{n + 1}" for n in range(len(config.widths))],
            )
        )
        self.embed = nn.Conv2d(sum(config.widths), e, 1)
        self.summed = nn.Sequential(nn.Conv2d(e, s, 3, padding=1), nn.ReLU(), nn.Conv2d(s, s, 1), nn.Softplus())
        self.key = nn.Conv2d(e, 2 * v, 1)
        self.own = nn.Conv2d(e, 16, 1)
        self.heat = nn.Parameter(torch.tensor([3.3, 2.8]))
        """Log of how sharply the two ways of looking attend."""
        self.there = _places(2 * v + 2 + 16, h)
        self.back = _places(2 * v + 2, h)
        self.map = nn.Conv2d(h, len(KINDS) - 1, 1)
        self.floor = nn.Parameter(torch.zeros(s))
        self.weigh = nn.Sequential(nn.Linear(2 * s, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU())
        self.judge = nn.Sequential(
            nn.LayerNorm(h * 7 + 3), nn.Linear(h * 7 + 3, h), nn.ReLU(), nn.Linear(h, len(KINDS))
        )
        self.pull = nn.Parameter(torch.tensor([0.3, 0.3]))
        """How much the worst places of each kind count directly."""
        self.post_init()

    def see(self, pixels: Tensor) -> Seen:
        """Photos (N, 3, S, S), normalised."""
        fine, coarse = self.backbone(pixels).feature_maps
        joined = torch.cat([functional.avg_pool2d(fine, 2), coarse], dim=1)
        embedded = self.embed(joined)
        return Seen(embedded, self.summed(embedded).mean(dim=(2, 3)))

    def forward(self, queries: Seen, references: Seen) -> Compared:
        """Compares each query with its own references.

        Args:
            queries: Q photos.
            references: Q * R photos, the R of the first query first.
        """
        count = queries.embedded.shape[0]
        each = references.embedded.shape[0] // count
        held = _grouped(references.embedded, count)
        gone = self._explained(queries.embedded, held)
        there = self.there(torch.cat([gone, self.own(queries.embedded)], dim=1))
        alone = queries.embedded.repeat_interleave(each, 0).unsqueeze(1)
        back = _grouped(self.back(self._explained(references.embedded, alone)), count)
        pooled = [there.amax(dim=(2, 3)), there.mean(dim=(2, 3))]
        peaks, means = back.amax(dim=(3, 4)), back.mean(dim=(3, 4))
        pooled += [peaks.mean(dim=1), peaks.amin(dim=1), means.mean(dim=1), means.amin(dim=1)]
        sums = _grouped(references.sums, count)
        middle = sums.mean(dim=1)
        spread = sums.std(dim=1) if each > 1 else torch.zeros_like(middle)
        off = (queries.sums - middle) / (middle + 0.05)
        apart = (queries.sums - middle).abs() / (spread + middle * functional.softplus(self.floor) * 0.2 + 1e-3)
        pooled.append(self.weigh(torch.cat([off.abs().clamp(max=5), apart.clamp(max=20) / 4], dim=1)))
        places = self.map(there)
        worst = places.flatten(2).logsumexp(dim=2)
        many = torch.full((count, 1), 1 / each, device=worst.device)
        judged = self.judge(torch.cat([*pooled, worst, many], dim=1))
        return Compared(judged + functional.pad(worst * self.pull, (1, 0)), places)

    def _explained(self, photos: Tensor, others: Tensor) -> Tensor:
        """What is left of photos (N, E, h, w) once explained by others (N, R, E, h, w): (N, 2 V + 2, h, w).

        Explained in two ways at once: by what is alike wherever it lies, and by what is alike and lies near.
        """
        count, each, _, high, wide = others.shape
        asked = self._keys(photos)
        keys = _grouped(self._keys(others.flatten(0, 1)), count).permute(0, 2, 1, 3, 4).flatten(2, 3)
        far = _distances(high, wide, photos.device, asked.dtype).repeat(1, each)
        cost = torch.stack([torch.zeros_like(far), far])
        heat = self.heat.exp().view(1, 2, 1, 1).to(asked.dtype)
        told = functional.scaled_dot_product_attention(asked * heat, keys, keys, attn_mask=-cost, scale=1.0)
        rest = (asked - told).abs().transpose(2, 3).flatten(1, 2)
        match = 1 - (asked * told).sum(dim=-1)
        left = torch.cat([rest, match], dim=1) * GAIN
        return left.reshape(count, -1, high, wide)

    def _keys(self, embedded: Tensor) -> Tensor:
        """Two unit vectors a cell, (N, 2, h * w, V)."""
        keys: Tensor = self.key(embedded)
        return functional.normalize(keys.reshape(len(keys), 2, -1, keys[0, 0].numel()).transpose(2, 3), dim=-1)


def _grouped(values: Tensor, count: int) -> Tensor:
    """(count * R, ...) as (count, R, ...)."""
    return values.reshape(count, -1, *values.shape[1:])


def _places(channels: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, hidden, 3, padding=1),
        nn.BatchNorm2d(hidden),
        nn.ReLU(),
        nn.Conv2d(hidden, hidden, 3, padding=1),
        nn.BatchNorm2d(hidden),
        nn.ReLU(),
    )


def _distances(high: int, wide: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Squared distances between cells, (h * w, h * w), in eighths of the height."""
    rows, columns = torch.meshgrid(torch.arange(high), torch.arange(wide), indexing="ij")
    at = torch.stack([rows.flatten(), columns.flatten()], dim=1).float() * (8 / high)
    return torch.cdist(at, at).square().to(device, dtype)
