"""Compares a photo with references on a pretrained backbone, at two scales; nothing in it is trained.

PatchCore (Roth et al. 2022) with two feature maps from one pass of the network. The coarse map (stride 16, three
stages, 3 x 3 mean) describes a patch with its surroundings, and finds missing, foreign and broken parts. The fine map
(stride 8, two stages, no mean) finds small damage. Both hold unit vectors, so that their distances have one unit and
add.

References are rotated where leave-one-out shows that the product turns: where rotated copies of the other references
bring the distance of a reference down to less than `ROTATION_GAIN` of it. A single reference is always rotated. The
fine map is then compared with the copy of each reference whose coarse map is nearest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from tools.anomaly.patchcore import check_shapes
from tools.errors import InputError, ModelError
from tools.models.memory import AdaptiveBatch
from tools.timing import model_call
from tools.types import RGB, AnomalyMap, Sample

if TYPE_CHECKING:
    from tools.models.loading import Loaded

COARSE, FINE = (1, 3, 4), (1, 3)
"""Stages of `EfficientNetLite` of each map: 1 has stride 8, 3 has stride 16, 4 has stride 32."""
ROTATIONS = 8
"""Equal steps of the full circle by which references are rotated where the product turns."""
TRIED = 4
"""References that are rotated to find out whether the product turns; all are where it does."""
ROTATION_GAIN = 0.95
"""The product turns where rotated references bring the mean leave-one-out distance below this share of what it was."""
COMPARED = 12
"""References, the first ones, that are scored against all others; where the product turns, the bank holds no others."""
TOP_SHARE = 0.002
"""Share of the fine patches, the most distant ones, whose mean distance is the fine score."""
TYPICAL_SCORE = 1.5
"""Score of a good photo where a single reference says nothing about it: good photos of 28 products score 1.1 to 1.8."""
STRIDE = 8
"""Pixels between two patches of the fine map."""
MULTIPLE = 32
"""The sides of what the network sees are multiples of this."""


class FeatureMaps(NamedTuple):
    """Patch features of photos of one size, of unit length along the last axis."""

    coarse: Tensor
    """float32 (N, h / 2, w / 2, C)."""
    fine: Tensor
    """float32 (N, h, w, D)."""


class Distances(NamedTuple):
    """How far the patches of one photo lie from the nearest ones of the references."""

    coarse: Tensor
    """float32 (P,), Euclidean, in [0, 2]."""
    fine: Tensor
    """float32 (Q,), likewise."""

    @property
    def pred_score(self) -> float:
        """The largest coarse distance plus the mean of the largest fine ones."""
        largest = self.fine.topk(max(1, round(TOP_SHARE * len(self.fine)))).values
        return float(self.coarse.max() + largest.mean())

    @property
    def median(self) -> float:
        """The median coarse distance: high where most of a photo is unlike the references."""
        return float(self.coarse.median())


@dataclass(frozen=True, eq=False)
class TwoScaleBank:
    """The memory bank of a product: patch features of its references."""

    coarse: Tensor
    """float32 (K, V, P, C): K references in V rotations, P patches."""
    fine: Tensor
    """float32 (K, V, Q, D)."""
    grid: tuple[int, int]
    """Rows and columns of the fine map."""
    model: str
    """Digest of the backbone."""
    left_out: tuple[float, ...] = ()
    """Score of each of the first references against the others, in the order given; of one alone, `TYPICAL_SCORE`."""
    medians: tuple[float, ...] = ()
    """Median distance of each reference from the others, in the order given; empty for a single one."""

    @property
    def rotates(self) -> bool:
        """Whether the references are rotated."""
        return self.coarse.shape[1] > 1

    def without(self, index: int) -> TwoScaleBank:
        """The bank without one reference."""
        rest = [k for k in range(len(self.coarse)) if k != index]
        return TwoScaleBank(self.coarse[rest], self.fine[rest], self.grid, self.model)

    def distances(self, coarse: Tensor, fine: Tensor) -> Distances:
        """Distances of the patches of one photo, (P, C) and (Q, D)."""
        by_view = _nearest(coarse, self.coarse.flatten(0, 1))
        # Rotation of each reference that is nearest to the photo.
        views = by_view.mean(1).view(self.coarse.shape[:2]).argmin(1)
        aligned = self.fine[torch.arange(len(views)), views]
        return Distances(by_view.amin(0), _nearest(fine, aligned).amin(0))

    @cached_property
    def level(self) -> float:
        """Mean score of a good photo."""
        return max(float(np.mean(self.left_out)), 1e-3)


class TwoScaleMatcher:
    """Scores photos against references at two scales."""

    def __init__(self, loaded: Loaded, *, side: int = 256, batch: int = 8) -> None:
        """Take a loaded `EfficientNetLite`.

        Args:
            loaded: the backbone.
            side: of the square that has as many pixels as what the network sees of a photo.
            batch: photos that go through the network at once.
        """
        self._loaded, self._side, self._batch = loaded, side, AdaptiveBatch(batch)

    def bank(self, samples: Sequence[Sample]) -> TwoScaleBank:
        """Build the memory bank of references.

        Of more than `COMPARED` the others are added as they lie, unless the product turns.

        Raises:
            InputError: no reference, or references whose shapes disagree.
            ModelError: the model cannot be used.
        """
        if not samples:
            raise InputError("no reference was given; a memory bank needs at least one photo of a good part.")
        check_shapes(samples)
        images = list({s.digest: s.image for s in samples}.values())
        grid = self._grid(images[0])
        small = [_resized(image, grid) for image in images]
        coarse, fine = (x.flatten(1, 2)[:, None] for x in self._maps(small))
        views = [self._maps(rotated(image)[1:]) for image in small[:TRIED]]
        if len(images) == 1 or _rotation_gain(coarse[:, 0], [v.coarse for v in views]) < ROTATION_GAIN:
            views += [self._maps(rotated(image)[1:]) for image in small[TRIED:COMPARED]]
            coarse, fine = coarse[:COMPARED], fine[:COMPARED]
            others = (torch.stack(maps).flatten(2, 3) for maps in zip(*views, strict=True))
            coarse, fine = (torch.cat(pair, dim=1) for pair in zip((coarse, fine), others, strict=True))
        bank = TwoScaleBank(coarse, fine, grid, self._loaded.digest)
        if len(images) == 1:
            return replace(bank, left_out=(TYPICAL_SCORE,))
        apart = [bank.without(k).distances(coarse[k, 0], fine[k, 0]) for k in range(min(COMPARED, len(images)))]
        unique = dict(zip(dict.fromkeys(s.digest for s in samples), apart, strict=False))
        by_sample = [unique[s.digest] for s in samples if s.digest in unique]
        scores, medians = tuple(d.pred_score for d in by_sample), tuple(d.median for d in by_sample)
        return replace(bank, left_out=scores, medians=medians)

    def score(self, sample: Sample, bank: TwoScaleBank) -> AnomalyMap:
        """Compare one photo of any size with a memory bank.

        Returns:
            A map whose `raw` is the sum of both distances of a pixel's patches, and whose `raw_score` is the largest
            coarse distance plus the mean of the largest fine ones; `values` rise with the product of both distances.

        Raises:
            ModelError: the bank was built by another model.
        """
        if bank.model != self._loaded.digest:
            raise ModelError("the memory bank was built by another model; learn the product again.")
        rows, columns = bank.grid
        maps = self._maps([_resized(sample.image, bank.grid)])
        found = bank.distances(maps.coarse[0].flatten(0, 1), maps.fine[0].flatten(0, 1))
        fine = found.fine.view(1, 1, rows, columns)
        coarse = functional.interpolate(
            found.coarse.view(1, 1, rows // 2, columns // 2), (rows, columns), mode="bilinear", align_corners=False
        )
        # The product is high where both are, which bounds a place more closely than the sum.
        grids = torch.cat([coarse + fine, coarse * fine], dim=1)
        height, width = sample.image.shape[:2]
        large = functional.interpolate(grids, (height, width), mode="bilinear", align_corners=False)[0].cpu().numpy()
        raw, score = large[0], found.pred_score
        values = (large[1] / (large[1] + bank.level**2 / 4)).astype(np.float32)
        pred_score = score / (score + bank.level)
        return AnomalyMap(values, pred_score, "reference", raw=raw, raw_score=score, median_distance=found.median)

    def leave_one_out(self, bank: TwoScaleBank) -> list[float]:
        """Score of each reference against the others; of a single one, `TYPICAL_SCORE`."""
        return list(bank.left_out)

    def median_distances(self, bank: TwoScaleBank) -> list[float]:
        """Median coarse distance of each reference from the others; empty for a single one."""
        return list(bank.medians)

    def _grid(self, image: RGB) -> tuple[int, int]:
        """Rows and columns of the fine map, for photos shaped like this one."""
        height, width = image.shape[:2]
        stretch = math.sqrt(width / height)
        rows, columns = (max(1, round(self._side * s / MULTIPLE)) for s in (1 / stretch, stretch))
        return rows * MULTIPLE // STRIDE, columns * MULTIPLE // STRIDE

    @model_call
    def _maps(self, images: Sequence[RGB]) -> FeatureMaps:
        """Feature maps of photos of one size, whose sides are multiples of `MULTIPLE`."""
        loaded = self._loaded

        def run(batch: Sequence[RGB]) -> FeatureMaps:
            pixels = torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2).to(loaded.device, loaded.dtype)
            with torch.inference_mode():
                pixels = (pixels / 127.5 - 1).contiguous(memory_format=torch.channels_last)
                stages = [stage.float() for stage in loaded.model(pixels)]
                rows, columns = stages[1].shape[-2:]
                smooth = [functional.avg_pool2d(stages[s], 3, 1, 1, count_include_pad=False) for s in COARSE]
                coarse = _joined(smooth, (rows // 2, columns // 2))
                return FeatureMaps(coarse, _joined([stages[s] for s in FINE], (rows, columns)))

        found = list(self._batch.over(images, run))
        return FeatureMaps(torch.cat([f.coarse for f in found]), torch.cat([f.fine for f in found]))


def rotated(image: RGB) -> list[RGB]:
    """The photo in `ROTATIONS` equal steps of the full circle, its border continued outwards; the first is the photo.

    Args:
        image: RGB (H, W, 3).
    """
    height, width = image.shape[:2]
    pad = max(height, width) // 2
    padded = Image.fromarray(np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="edge"))
    turned = (padded.rotate(360 / ROTATIONS * n, Image.Resampling.BILINEAR) for n in range(1, ROTATIONS))
    return [image, *(np.array(t.crop((pad, pad, pad + width, pad + height))) for t in turned)]


def _joined(stages: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """(N, h, w, C) of unit length: stages (N, C, h, w) on one grid, each with the same weight."""
    parts = []
    for stage in stages:
        x = stage
        if x.shape[-1] > size[1]:
            x = functional.adaptive_avg_pool2d(x, size)
        elif x.shape[-1] < size[1]:
            x = functional.interpolate(x, size, mode="bilinear", align_corners=False)
        parts.append(functional.normalize(x, dim=1))
    return (torch.cat(parts, dim=1) / math.sqrt(len(parts))).permute(0, 2, 3, 1).contiguous()


def _nearest(patches: Tensor, bank: Tensor) -> Tensor:
    """(B, P) distance of each of the patches (P, C) to the nearest in each picture of a bank (B, Q, C)."""
    return torch.stack([(2 - 2 * (patches @ picture.T).amax(1)).clamp_min(0).sqrt() for picture in bank])


def _rotation_gain(coarse: Tensor, views: Sequence[Tensor]) -> float:
    """Leave-one-out distance with some of the others rotated as well, over that with all as they are.

    Args:
        coarse: (K, P, C) of the references.
        views: (V, h, w, C) of the first references, rotated.
    """
    few = max(1, round(0.01 * coarse.shape[1]))
    plain, turned = 0.0, 0.0
    for k, patches in enumerate(coarse):
        apart = _nearest(patches, coarse[torch.arange(len(coarse)) != k]).amin(0)
        rotated_ones = torch.cat([v for n, v in enumerate(views) if n != k]).flatten(1, 2)
        plain += float(apart.topk(few).values.mean())
        turned += float(torch.minimum(apart, _nearest(patches, rotated_ones).amin(0)).topk(few).values.mean())
    return turned / max(plain, 1e-9)


def _resized(image: RGB, grid: tuple[int, int]) -> RGB:
    """The photo at the size that has this fine map."""
    size = grid[1] * STRIDE, grid[0] * STRIDE
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0))
