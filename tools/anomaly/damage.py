"""Traces edges of parts and damage on a photo, and tells where it differs from good ones that it is shown beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy
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
KEPT, PIXELS = 8, 2_000_000
"""What was traced on so many photos is kept for each lane, as long as they have no more pixels than this together."""
NEARNESS = (1.0, 1.25)
"""Photos are looked at at so many times the model's size. All is traced at the last of them, since what is small on a
photo is larger there: small parts are told from each other. The differ looks at each; of surfaces the mean of what it
says is told, of parts what it says first, which the others do not better."""
SHOWN = (5, 2)
"""At each of them, so many good ones at most are beside it, the first ones: as many as the model learned with, and
nearer, where each costs two and a half times as much, as many as do."""
WORST = 12
"""The image score is the mean log-odds over so many places (of half the input's resolution) that look worst."""


@dataclass(frozen=True, eq=False)
class Tokens:
    """What the differ compares of one photo at one size."""

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
    """What was traced on one photo, at the photo's size."""

    edges: FloatMap
    """(H, W), probability that one part ends and another begins there."""
    parts: FloatMap
    """(H, W), probability that a place is of a part or product rather than of what it lies on."""
    items: FloatMap
    """(H, W), probability that a place is of a part that no other lies on."""
    flaws: AnomalyMap
    """Probability of damage at each place; its own unit is log-odds."""
    kinds: FloatMap
    """(C, h, w): what kind of part each place is of, alike on parts of one kind; at half the model's own size."""
    middles: FloatMap
    """(2, H, W): for each place, in pixels to the right and down, where the middle of the part that it is of lies."""
    tokens: tuple[Tokens, ...]
    """Of the photo at every `NEARNESS`, for the differ."""


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

    def beside(
        self, photo: Sequence[Tokens], good: Sequence[Sequence[Tokens]], size: tuple[int, int]
    ) -> ReferenceComparison:
        """Tells where a photo differs from good ones of the same product.

        Args:
            photo: tokens of the photo, as traced.
            good: those of one good photo or more; the first ones are looked at.
            size: (width, height) of the maps.

        Raises:
            ModelError: the weights are damaged.
        """
        logical, structural, places = self._differences(photo, good)
        surface: FloatMap = np.mean([_at_size(of_surface, size) for _, of_surface in places], axis=0)
        return ReferenceComparison(_score_map(_at_size(places[0][0], size), logical), _score_map(surface, structural))

    def left_out(self, good: Sequence[Sequence[Tokens]]) -> tuple[tuple[float, float], ...]:
        """(logical, structural) score of each good photo beside the others; none of a single one.

        Raises:
            ModelError: the weights are damaged.
        """
        if len(good) < 2:
            return ()
        found = []
        for n, photo in enumerate(good):
            others = [g for m, g in enumerate(good) if m != n]
            found.append(self._differences(photo, others)[:2])
        return tuple(found)

    def _differences(
        self, photo: Sequence[Tokens], good: Sequence[Sequence[Tokens]]
    ) -> tuple[float, float, list[Tensor]]:
        """Log-odds of the photo, logical and structural, and in this order (2, h, w) of its places at each size."""
        found = [self._compared(photo[n], [shown[n] for shown in good[:most]]) for n, most in enumerate(SHOWN)]
        said = torch.stack([s for s, _ in found])
        if not bool(torch.isfinite(said).all()):
            raise ModelError(f"{self._loaded.name}: what it tells apart is not finite; fetch the checkpoint again.")
        return float(said[0, 0]), float(said[:, 1].mean()), [places for _, places in found]

    @model_call
    def _compared(self, photo: Tokens, good: Sequence[Tokens]) -> tuple[Tensor, Tensor]:
        differ, size, sizes = self._loaded.model.differ, photo.size, tuple(g.size for g in good)

        def run(photos: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
            there = torch.cat([differ.places(*each) for each in sizes])
            found = differ(photos[:, None], size, shown, there)
            return found.photos[:, 0], found.places[:, 0]

        shown = torch.cat([g.values for g in good])[None].to(self._loaded.device)
        asked = photo.values[None].to(self._loaded.device)
        with torch.inference_mode():
            said, places = run(asked, shown)
        return said[0].float().cpu(), places[0].float().cpu()

    def _one(self, sample: Sample) -> Traces:
        if sample.digest not in self._kept:
            traces = self._traced(sample)
            most, room = KEPT, PIXELS - traces.edges.size
            while self._kept and (len(self._kept) >= most or sum(t.edges.size for t in self._kept.values()) > room):
                del self._kept[next(iter(self._kept))]
            self._kept[sample.digest] = traces
        return self._kept[sample.digest]

    def _traced(self, sample: Sample) -> Traces:
        *maps, kinds, votes, nearest = self._said(sample)
        parts, edges, flaws, items = (_mean_of_views(logits) for logits in maps)
        if not bool(torch.isfinite(flaws).all() and torch.isfinite(kinds).all()):
            raise ModelError(f"{self._loaded.name}: what it traces is not finite; fetch the checkpoint again.")
        worst = float(flaws.flatten().topk(min(WORST, flaws.numel())).values.mean())
        first, *more = (self._tokens(sample, nearness) for nearness in NEARNESS[:-1])
        own = [GRAIN * side for side in first.size]
        of_kind: FloatMap = functional.interpolate(_mean_of_views(kinds)[None], own, mode="bilinear")[0].numpy()
        at_edge, of_part, of_item = (_at_size(m.sigmoid(), sample.size) for m in (edges, parts, items))
        tokens = (first, *more, _tokens_of(nearest, flaws.shape))
        return Traces(
            at_edge,
            of_part,
            of_item,
            _score_map(_at_size(flaws, sample.size), worst, "tracer"),
            of_kind,
            _middles(_mean_of_views(votes * _ways()), sample.size),
            tokens,
        )

    @model_call
    def _said(self, sample: Sample) -> tuple[Tensor, ...]:
        """What the model says of the mirrored views at the last `NEARNESS`, (views, ...) each, and tokens there."""
        model = self._loaded.model

        def run(pixels: Tensor) -> list[Tensor]:
            views = torch.cat([pixels.flip(axes) for axes in MIRRORS])
            *said, features = model(views.contiguous(memory_format=torch.channels_last))
            by_photo = [values.unflatten(0, (len(MIRRORS), -1)).transpose(0, 1) for values in said]
            return [*by_photo, model.differ.tokens(features[: len(pixels)])]

        pixels = self._pixels(sample, NEARNESS[-1]).to(self._loaded.device, self._loaded.dtype)
        with torch.inference_mode():
            *said, tokens = run(pixels)
        return (*(values[0].float().cpu() for values in said), tokens.float().cpu())

    @model_call
    def _tokens(self, sample: Sample, nearness: float) -> Tokens:
        """A photo's tokens at so many times the model's size."""
        model = self._loaded.model
        pixels = self._pixels(sample, nearness).to(self._loaded.device, self._loaded.dtype)

        def run(pixels: Tensor) -> list[Tensor]:
            return [model.differ.tokens(model(pixels.contiguous(memory_format=torch.channels_last)).features)]

        with torch.inference_mode():
            (tokens,) = run(pixels)
        return _tokens_of(tokens.float().cpu(), [side // 2 for side in pixels.shape])

    def _pixels(self, sample: Sample, nearness: float) -> Tensor:
        """(1, 3, h, w), the longer side at so many times the model's size, both at multiples of 32."""
        width, height = sample.size
        scale = nearness * self._loaded.model.config.image_size / max(width, height)
        across, down = (max(STEP, round(v * scale / STEP) * STEP) for v in (width, height))
        resized = np.asarray(Image.fromarray(sample.image).resize((across, down), Image.Resampling.BICUBIC))
        values = torch.from_numpy(resized.copy()).permute(2, 0, 1).float() / 255
        return ((values - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1))[None]


def _mean_of_views(logits: Tensor) -> Tensor:
    """(views, ..., h, w) in the order of `MIRRORS`, each mirrored back, as their mean (..., h, w)."""
    # Axes of the photos that were mirrored, counted from the last.
    back = [view.flip([axis - 4 for axis in axes]) for view, axes in zip(logits, MIRRORS, strict=True)]
    return torch.stack(back).mean(dim=0)


def _tokens_of(values: Tensor, places: Sequence[int]) -> Tokens:
    """Tokens (1, N, D) of a map of (..., h, w) places."""
    return Tokens(values[0], (places[-2] // GRAIN, places[-1] // GRAIN))


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
    found: FloatMap = scipy.special.expit(values)
    return found
