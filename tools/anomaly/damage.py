"""Traces edges of parts and damage on a photo, and tells where it differs from good ones that it is shown beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from tools.anomaly.features import upsampled
from tools.errors import ModelError
from tools.timing import model_call
from tools.types import AnomalyMap, FloatMap, Sample, Source

if TYPE_CHECKING:
    from tools.models.loading import Loaded

FLAWS = 2
"""Place of the logits of damage in `tools.models.tracer.Traced`."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's photos, by channel."""
MIRRORS: tuple[list[int], ...] = ([], [2], [3], [2, 3])
"""Axes along which a photo is mirrored; what the views say is averaged, which is steadier than any of them."""
GRAIN = 4
"""Places of a map along each side of what the differ takes as one."""
STRIDE = 16
"""Places of a map that one unit of a vote stands for."""
STEP = 32
"""Sides are brought to multiples of this."""
WORKING = 256
"""Pixels along the longer side at which parts are looked for; photos that have fewer keep their own size."""
KEPT = 13
"""What was traced on so many photos is kept."""
NEARNESS = 1.25
"""Photos are traced at so many times the model's size, since what is small on a photo is larger there: small parts are
told from each other. The differ looks at them at the model's size."""
SHOWN = 5
"""So many good ones at most are beside a photo, the first ones: as many as the model learned with."""
WORST = 12
"""The image score is the mean log-odds over so many places (of half the input's resolution) that look worst."""


@dataclass(frozen=True, eq=False)
class Tokens:
    """What the differ compares of one photo."""

    values: Tensor
    """(h * w, D)."""
    size: tuple[int, int]
    """(h, w)."""


@dataclass(frozen=True, eq=False)
class ReferenceComparison:
    """What a photo looks like beside good ones; scores are log-odds in their own unit."""

    logical: AnomalyMap
    """Whether and where its parts are other than those of the good ones."""
    structural: AnomalyMap
    """Whether and where its surfaces are."""


@dataclass(frozen=True, eq=False)
class Traces:
    """What was traced on one photo, at its `working_size` (h, w)."""

    edges: FloatMap
    """(h, w), probability that one part ends and another begins there."""
    parts: FloatMap
    """(h, w), probability that a place is of a part or product rather than of what it lies on."""
    items: FloatMap
    """(h, w), probability that a place is of a part that no other lies on."""
    damage: Tensor
    """(h', w') log-odds of damage, at half the size at which the photo was traced."""
    size: tuple[int, int]
    """(width, height) of the photo."""
    kinds: FloatMap
    """(C, h', w'): what kind of part each place is of, alike on parts of one kind; at half the model's own size."""
    middles: FloatMap
    """(2, h, w): for each place, in pixels to the right and down, where the middle of the part that it is of lies."""
    tokens: Tokens
    """For the differ."""
    uncertainty: float = 0.0
    """Mean of 4 p (1 - p) over `items`, in [0, 1]: high on photos unlike those that the tracer learned from."""

    @property
    def score(self) -> float:
        """Mean log-odds of damage over the places that look worst."""
        return float(self.damage.flatten().topk(min(WORST, self.damage.numel())).values.mean())

    @property
    def flaws(self) -> AnomalyMap:
        """(H, W) of the photo: probability of damage at each place; its own unit is log-odds. Made when it is read."""
        return _score_map(_at_size(self.damage, self.size), self.score, "tracer")


def working_size(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) at which parts of a photo of (width, height) are looked for."""
    scale = min(1.0, WORKING / max(size))
    return max(8, round(size[1] * scale)), max(8, round(size[0] * scale))


class PhotoTracer:
    """Traces photos, and compares one with good ones by the tokens of each."""

    def __init__(self, loaded: Loaded) -> None:
        """Takes a loaded tracer."""
        self._loaded = loaded
        self._kept: dict[str, Traces] = {}

    def trace(self, samples: Sequence[Sample]) -> tuple[Traces, ...]:
        """Traces photos of any sizes, each brought to the model's size along its longer side.

        Several steps ask for the same photos one after the other, so what was traced last is kept.

        Raises:
            ModelError: the weights are damaged.
        """
        return tuple(self._one(sample) for sample in samples)

    def damage(self, sample: Sample) -> FloatMap:
        """Log-odds of damage (H, W) of a photo, without all else that `trace` reads; not kept.

        Raises:
            ModelError: the weights are damaged.
        """
        flaws = _mean_of_views(self._said(sample)[FLAWS])
        if not bool(torch.isfinite(flaws).all()):
            raise ModelError(f"{self._loaded.name}: what it traces is not finite; fetch the checkpoint again.")
        return _at_size(flaws, sample.size)

    def beside(self, photo: Tokens, good: Sequence[Tokens], size: tuple[int, int]) -> ReferenceComparison:
        """Tells where a photo differs from good ones of the same product.

        Args:
            photo: tokens of the photo, as traced.
            good: those of one good photo or more; the first ones are looked at.
            size: (width, height) of the maps.

        Raises:
            ModelError: the weights are damaged.
        """
        said, places = self._compared(photo, good)
        logical, structural = (_score_map(_at_size(p, size), float(s)) for s, p in zip(said, places, strict=True))
        return ReferenceComparison(logical, structural)

    def left_out(self, good: Sequence[Tokens]) -> tuple[tuple[float, float], ...]:
        """(logical, structural) score of each good photo beside the others; none of a single one.

        Raises:
            ModelError: the weights are damaged.
        """
        if len(good) < 2:
            return ()
        found = []
        for n, photo in enumerate(good):
            said, _ = self._compared(photo, [g for m, g in enumerate(good) if m != n])
            found.append((float(said[0]), float(said[1])))
        return tuple(found)

    @model_call
    def _compared(self, photo: Tokens, good: Sequence[Tokens]) -> tuple[Tensor, Tensor]:
        """Log-odds of the photo, logical and structural, and in this order (2, h, w) of its places."""
        differ, shown = self._loaded.model.differ, good[:SHOWN]
        values = torch.cat([g.values for g in shown])[None].to(self._loaded.device)
        asked = photo.values[None, None].to(self._loaded.device)
        with torch.inference_mode():
            there = torch.cat([differ.places(*g.size) for g in shown])
            found = differ(asked, photo.size, values, there)
            said, places = found.photos[0, 0].float().cpu(), found.places[0, 0].float().cpu()
        if not bool(torch.isfinite(said).all()):
            raise ModelError(f"{self._loaded.name}: what it tells apart is not finite; fetch the checkpoint again.")
        return said, places

    def _one(self, sample: Sample) -> Traces:
        if sample.digest not in self._kept:
            while len(self._kept) >= KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[sample.digest] = self._traced(sample)
        return self._kept[sample.digest]

    def _traced(self, sample: Sample) -> Traces:
        *maps, kinds, votes = self._said(sample)
        parts, edges, flaws, items = (_mean_of_views(logits) for logits in maps)
        if not bool(torch.isfinite(flaws).all() and torch.isfinite(kinds).all()):
            raise ModelError(f"{self._loaded.name}: what it traces is not finite; fetch the checkpoint again.")
        tokens = self._tokens(sample)
        own = [GRAIN * side for side in tokens.size]
        of_kind: FloatMap = functional.interpolate(_mean_of_views(kinds)[None], own, mode="bilinear")[0].numpy()
        small = working_size(sample.size)[::-1]
        at_edge, of_part, of_item = (_at_size(m.sigmoid(), small) for m in (edges, parts, items))
        return Traces(
            at_edge,
            of_part,
            of_item,
            flaws,
            sample.size,
            of_kind,
            _middles(_mean_of_views(votes * _ways()), small),
            tokens,
            float((4 * of_item * (1 - of_item)).mean()),
        )

    @model_call
    def _said(self, sample: Sample) -> tuple[Tensor, ...]:
        """What the model says of the mirrored views, (views, ...) each; all of `Traced` but the features."""
        pixels = self._pixels(sample, NEARNESS)
        with torch.inference_mode():
            views = torch.cat([pixels.flip(axes) for axes in MIRRORS])
            *said, _ = self._loaded.model(views.contiguous(memory_format=torch.channels_last))
        return tuple(values.float().cpu() for values in said)

    @model_call
    def _tokens(self, sample: Sample) -> Tokens:
        """What the differ compares of a photo."""
        model, pixels = self._loaded.model, self._pixels(sample, 1.0)
        with torch.inference_mode():
            features = model.features(pixels.contiguous(memory_format=torch.channels_last))
            tokens = model.differ.tokens(features)
        return Tokens(tokens[0].float().cpu(), tuple(features.shape[-2:]))

    def _pixels(self, sample: Sample, nearness: float) -> Tensor:
        """(1, 3, h, w), the longer side at so many times the model's size, both at multiples of 32."""
        width, height = sample.size
        scale = nearness * self._loaded.model.config.image_size / max(width, height)
        across, down = (max(STEP, round(v * scale / STEP) * STEP) for v in (width, height))
        photo = Image.fromarray(sample.image)
        resized = np.asarray(photo.resize((across, down), Image.Resampling.BICUBIC, reducing_gap=2.0))
        values = torch.from_numpy(resized.copy()).permute(2, 0, 1).float() / 255
        normal = (values - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1)
        return normal[None].to(self._loaded.device, self._loaded.dtype)


def _mean_of_views(logits: Tensor) -> Tensor:
    """(views, ..., h, w) in the order of `MIRRORS`, each mirrored back, as their mean (..., h, w)."""
    # Axes of the photos that were mirrored, counted from the last.
    back = [view.flip([axis - 4 for axis in axes]) for view, axes in zip(logits, MIRRORS, strict=True)]
    return torch.stack(back).mean(dim=0)


def _ways() -> Tensor:
    """(views, 2, 1, 1): whether right and down are still so on a mirrored view."""
    return torch.tensor([[-1.0 if 3 in axes else 1.0, -1.0 if 2 in axes else 1.0] for axes in MIRRORS])[..., None, None]


def _middles(votes: Tensor, size: tuple[int, int]) -> FloatMap:
    """(2, H, W) where votes (2, h, w) point to, in pixels of a photo of (width, height)."""
    scale = np.array(size, np.float32)[:, None, None] / np.array(votes.shape[:0:-1], np.float32)[:, None, None]
    away = np.stack([_at_size(vote, size) for vote in votes]) * scale * STRIDE
    there: FloatMap = np.mgrid[: size[1], : size[0]][::-1].astype(np.float32) + away
    return there


def _score_map(raw: FloatMap, score: float, source: Source = "differ") -> AnomalyMap:
    """A map of log-odds (H, W) at the photo's size."""
    return AnomalyMap(_sigmoid(raw), float(_sigmoid(np.float32(score))), source, raw=raw, raw_score=score)


def _at_size(grid: Tensor, size: tuple[int, int]) -> FloatMap:
    return upsampled(grid, size)


def _sigmoid(values: FloatMap | np.float32) -> FloatMap:
    found: FloatMap = torch.as_tensor(values).sigmoid().numpy()
    return found
