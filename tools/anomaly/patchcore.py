"""Scores patches against good parts: how far is a place from what references show, and how far do good ones lie?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tools.anomaly.bank_cache import BankCache
from tools.anomaly.features import input_format, patch_features, to_pixels, upsampled
from tools.anomaly.memory_bank import Bank, augmented, k_centre, laid
from tools.anomaly.pairwise_distance import excess, learn_among, stands_out, within
from tools.errors import InputError, ModelError
from tools.models.memory import AdaptiveBatch
from tools.parts.pose import find_mask
from tools.profiles.specification import Metric, Turns
from tools.timing import model_call
from tools.types import RGB, AnomalyMap, Sample

if TYPE_CHECKING:
    from tools.models.loading import Loaded

LEAST = 1e-3
"""Score that maps to a half where references do not differ at all."""
ASPECT = 1.3
"""References may differ by this factor in width over height, but not by more."""
COVERED = 0.5
"""A cell is the product's where at least this share of it is."""
VIEWS: dict[Turns, int] = {"none": 1, "quarters": 4, "quarters and mirrored": 8}
"""In how many ways each reference is laid."""

__all__ = ["Bank", "MemoryOptions", "PatchMemory"]


class ReferenceMatcher(Protocol):
    """What compares photos with references: `PatchMemory`, or `TwoScaleMatcher` on a pretrained backbone."""

    def bank(self, samples: Sequence[Sample]) -> Any:
        """Build the memory bank of references."""

    def score(self, sample: Sample, bank: Any) -> AnomalyMap:
        """Compare one photo with a memory bank that `bank` built."""

    def leave_one_out(self, bank: Any) -> list[float]:
        """Score of each reference against the others."""

    def median_distances(self, bank: Any) -> list[float]:
        """Median distance of each reference's patches from those of the others; empty where it is not measured."""


@dataclass(frozen=True)
class MemoryOptions:
    """How a memory compares."""

    metric: Metric = "mahalanobis"
    """Euclidean distance of unit vectors as they are ("cosine"), or after the differences among good patches."""
    neighbours: int = 3
    """Known patches, the nearest ones, whose distances are averaged."""
    foreground: bool = True
    """What lies outside of the product, where it does not fill its photos, counts as no more than usual."""
    turns: Turns = "none"
    """Ways in which a part may lie: references are remembered in all of them."""
    memory_mb: int = 512
    """What the remembered patches may take, in MiB; more are thinned out by greedy k-centre."""

    @property
    def recipe(self) -> str:
        """All of it in one line, for files."""
        return json.dumps(asdict(self), sort_keys=True)


class PatchMemory:
    """A memory of the patches of good parts, after PatchCore (Roth et al. 2022).

    How far a patch may lie from good ones differs from place to place: print and grain vary, a plain face does not. A
    patch's score is therefore its distance (Euclidean, between features under the learned metric) to what explains it,
    less the distance at which good patches like it usually lie from each other. A photo's raw score is the mean of its
    worst hundredth of patches less its own level, which nine tenths of its patches stay below. A map's values are
    t / (t + 2 s) with t = max(raw + s, 0), where s is the largest raw score of a reference against the others: 0.5
    means "stands out as far as a good part ever does".
    """

    def __init__(
        self,
        loaded: Loaded,
        *,
        side: int | None = None,
        batch: int = 8,
        cache: Path | None = None,
        options: MemoryOptions | None = None,
    ) -> None:
        """Takes a backbone with stages, or an open_clip model.

        Args:
            loaded: the model and, where there is one, its image processor, which states the input size.
            side: input side in pixels; by default what the checkpoint states, else 256.
            batch: photos that go through the model at once.
            cache: folder where banks are kept, so that the same references are encoded once; none by default.
            options: how it compares.
        """
        self._loaded = loaded
        self._cache = BankCache(cache)
        self._side = side
        self._batch = AdaptiveBatch(batch)
        self._options = options or MemoryOptions()
        self._form = input_format(loaded, side)

    def encode(self, samples: Sequence[Sample]) -> Tensor:
        """Features of photos of any sizes.

        Returns:
            float32 (N, h, w, C), unit length along C, on the model's device.

        Raises:
            ModelError: the model cannot be used.
        """
        return self._features([s.image for s in samples])

    def bank(self, samples: Sequence[Sample]) -> Bank:
        """Remembers good parts; of a single one also slightly moved, turned and relit copies.

        Raises:
            InputError: no reference, or references whose shapes disagree.
            ModelError: the model cannot be used.
        """
        if not samples:
            raise InputError("no reference was given; a patch memory needs at least one photo of a good part.")
        check_shapes(samples)
        digests = tuple(s.digest for s in samples)
        recipe = self._options.recipe
        kept = self._cache.find(self._loaded.digest, self._side, recipe, digests, self._loaded.device)
        if kept is not None:
            return kept
        unique = {s.digest: s for s in samples}
        images = self._views([s.image for s in unique.values()])
        features = self._features([view for views in images for view in views])
        views = features.reshape(len(images), -1, *features.shape[1:])
        inside = self._inside([view for views in images for view in views], views.shape[2], views.shape[3])
        inside = inside.reshape(views.shape[:-1])
        options = self._options
        among = learn_among(views, inside, mahalanobis=options.metric == "mahalanobis", neighbours=options.neighbours)
        scores = dict(zip(unique, among.left_out, strict=True))
        features, usual = self._thinned(views.flatten(0, 1), among.usual.flatten(), among.metric)
        left_out = tuple(scores[d] for d in digests)
        bank = Bank(features, among.metric, usual, digests, left_out, self._loaded.digest, self._side, recipe)
        self._cache.keep(bank)
        return bank

    def score(self, sample: Sample, bank: Bank) -> AnomalyMap:
        """Compares one photo of any size with a bank.

        Returns:
            A map with `raw` and `raw_score` as the class says.

        Raises:
            ModelError: the bank was made by another model, at another input size or by another recipe.
        """
        made, here = (bank.model, bank.side, bank.recipe), (self._loaded.digest, self._side, self._options.recipe)
        if made != here:
            raise ModelError(
                f"the bank was made by model {bank.model[:12]} at side {bank.side} ({bank.recipe}), but "
                f"{self._loaded.name} ({self._loaded.digest[:12]}) at side {self._side} ({self._options.recipe}) is "
                "loaded; learn the product again."
            )
        features = self.encode([sample])[0] @ bank.metric
        grid = excess(features, bank.known, bank.usual, self._options.neighbours)
        grid = within(grid, self._inside([sample.image], *grid.shape)[0])
        score, level = stands_out(grid)
        half = max(*bank.left_out, LEAST)
        raw = upsampled(grid, sample.size) - level
        above = (raw + half).clip(min=0)
        fraction = max(score + half, 0.0)
        values = (above / (above + 2 * half)).astype(raw.dtype)
        return AnomalyMap(values, fraction / (fraction + 2 * half), "reference", raw=raw, raw_score=score)

    def leave_one_out(self, bank: Bank) -> list[float]:
        """Raw image score of each reference against the others (equal photos count as one).

        Of a single reference: the largest score of its copies against it, as one number.
        """
        return list(bank.left_out)

    def median_distances(self, bank: Bank) -> list[float]:
        """None: its scores leave a photo's own level out."""
        del bank
        return []

    def _views(self, images: Sequence[RGB]) -> list[list[RGB]]:
        """Each photo, laid in the ways of the options; of a single one its copies too."""
        shown = [laid(image, VIEWS[self._options.turns]) for image in images]
        if len(images) == 1:
            shown[0] += augmented(images[0])
        return shown

    def _inside(self, images: Sequence[RGB], height: int, width: int) -> Tensor:
        """Cells that the product covers, bool (N, height, width) on the CPU; all where it fills its photo."""
        inside = torch.ones(len(images), height, width, dtype=torch.bool)
        for number, image in enumerate(images if self._options.foreground else ()):
            mask = Image.fromarray(find_mask(image)[0].astype(np.float32))
            share = np.asarray(mask.resize((width, height), Image.Resampling.BOX))
            inside[number] = torch.from_numpy(share >= COVERED)
        return inside

    def _thinned(self, pictures: Tensor, usual: Tensor, metric: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (K, h, w, C) and their `usual`, or so many of their patches as memory holds."""
        patches = pictures.flatten(0, 2)
        fits = max(1, self._options.memory_mb * 2**20 // (4 * patches.shape[1]))
        if len(patches) <= fits:
            return pictures, usual
        chosen = k_centre(patches @ metric, fits)
        return patches[chosen][None, None], usual[chosen]

    @model_call
    def _features(self, images: Sequence[RGB]) -> Tensor:
        """(N, h, w, C) of unit length."""
        loaded = self._loaded

        def features(batch: Sequence[RGB]) -> Tensor:
            pixels = to_pixels(batch, self._form, loaded)
            return patch_features(loaded, pixels)

        return torch.cat(list(self._batch.over(images, features)))


def check_shapes(samples: Sequence[Sample]) -> None:
    """Refuses references of which one is upright and another lying, or one is cut much narrower.

    Raises:
        InputError: two of them differ so.
    """
    by_aspect = sorted(samples, key=lambda s: s.size[0] / s.size[1])
    narrow, wide = by_aspect[0], by_aspect[-1]
    ratio = (wide.size[0] * narrow.size[1]) / (wide.size[1] * narrow.size[0])
    if ratio > ASPECT:
        raise InputError(
            f"references disagree in shape: {narrow.name} has {narrow.size[0]} x {narrow.size[1]} pixels, {wide.name} "
            f"{wide.size[0]} x {wide.size[1]}; give photos that are cut alike (any size, width over height within a "
            f"factor of {ASPECT})."
        )
