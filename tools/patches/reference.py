"""Scores patches against good parts: how far is a place from the most similar place on any reference?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tools.errors import InputError, ModelError
from tools.patches.augment import augmented
from tools.patches.bank import Bank
from tools.patches.features import patch_features
from tools.patches.pixels import input_format, smoothed, to_pixels, upsampled
from tools.patches.shelf import Shelf
from tools.types import RGB, Sample, ScoreMap

if TYPE_CHECKING:
    from torch import Tensor

    from tools.loading import Loaded

CHUNK = 16384
"""Remembered patches that are compared at once; bounds memory at (patches of a photo) x this floats."""
LEVEL = 0.9
"""Quantile of a photo's own patch distances that counts as its level."""
LEAST = 1e-3
"""Distance that maps to a half where references do not differ at all."""

__all__ = ["Bank", "PatchMemory"]


class PatchMemory:
    """A memory of the patches of good parts (PatchCore, Roth et al. 2022, without its coreset).

    A photo in another light, or on another bench, is a little further from the memory everywhere. What is scored
    is therefore how far its worst patch stands out of its own level, which nine tenths of its patches stay below.

    A patch's distance is the cosine distance to the nearest remembered patch, in [0, 2], lightly smoothed over the
    patches; a photo's raw score is its largest distance less its level. A map's values are d / (d + level + s), where
    s is the largest raw score of a reference against the others: 0.5 means "stands out as far as a good part ever
    does".
    """

    def __init__(self, loaded: Loaded, *, side: int | None = None, batch: int = 8, shelf: Path | None = None) -> None:
        """Takes a backbone with stages, or an open_clip model.

        Args:
            loaded: the model and, where there is one, its image processor, which states the input size.
            side: input side in pixels; by default what the checkpoint states, else 256.
            batch: photos that go through the model at once.
            shelf: folder where banks are kept, so that the same references are encoded once; none by default.
        """
        self._loaded = loaded
        self._shelf = Shelf(shelf)
        self._side = side
        self._batch = batch
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
            InputError: no reference.
            ModelError: the model cannot be used.
        """
        import torch

        if not samples:
            raise InputError("no reference was given; a patch memory needs at least one photo of a good part.")
        digests = tuple(s.digest for s in samples)
        kept = self._shelf.find(self._loaded.digest, self._side, digests, self._loaded.device)
        if kept is not None:
            return kept
        unique = {s.digest: s for s in samples}
        features = self.encode(list(unique.values()))
        if len(unique) > 1:
            scores = dict(zip(unique, _left_out(features), strict=True))
        else:
            copies = self._features(list(augmented(samples[0].image)))
            scores = {samples[0].digest: max(_contrast(_distances(c, features))[0] for c in copies)}
            features = torch.cat([features, copies])
        bank = Bank(features, digests, tuple(scores[d] for d in digests), self._loaded.digest, self._side)
        self._shelf.keep(bank)
        return bank

    def score(self, sample: Sample, bank: Bank) -> ScoreMap:
        """Compares one photo of any size with a bank.

        Returns:
            A map with `raw` and `raw_score` in cosine distance above the photo's own level.

        Raises:
            ModelError: the bank was made by another model or at another input size.
        """
        if (bank.model, bank.side) != (self._loaded.digest, self._side):
            raise ModelError(
                f"the bank was made by model {bank.model[:12]} at side {bank.side}, but {self._loaded.name} "
                f"({self._loaded.digest[:12]}) at side {self._side} is loaded; learn the product again."
            )
        features = self.encode([sample])[0]
        grid = _distances(features, bank.features)
        distance = upsampled(grid, sample.size)
        half = max(*bank.left_out, LEAST)
        score, level = _contrast(grid)
        values = distance / (distance + level + half)
        return ScoreMap(values, score / (score + half), "reference", raw=distance - level, raw_score=score)

    def leave_one_out(self, bank: Bank) -> list[float]:
        """Raw image score of each reference against the others (equal photos count as one).

        Of a single reference: the largest score of its copies against it, as one number.
        """
        return list(bank.left_out)

    def _features(self, images: Sequence[RGB]) -> Tensor:
        """(N, h, w, C) of unit length."""
        import torch

        batches = (images[i : i + self._batch] for i in range(0, len(images), self._batch))
        return torch.cat([patch_features(self._loaded, to_pixels(b, self._form, self._loaded)) for b in batches])


def _distances(features: Tensor, known: Tensor) -> Tensor:
    """Cosine distance of each patch to the nearest known one, smoothed: (h, w, C) and (K, h, w, C) to (h, w)."""
    import torch

    patches = features.flatten(0, 1)
    nearest = torch.full((len(patches),), -1.0, device=patches.device)
    for chunk in torch.split(known.flatten(0, 2), CHUNK):
        nearest = torch.maximum(nearest, (patches @ chunk.T).amax(dim=1))
    return smoothed((1 - nearest).clamp(min=0).reshape(features.shape[:2]))


def _contrast(grid: Tensor) -> tuple[float, float]:
    """(largest distance less the level, level) of one photo's distances (h, w)."""
    level = float(grid.float().quantile(LEVEL))
    return float(grid.max()) - level, level


def _left_out(features: Tensor) -> list[float]:
    """Image score of each of K >= 2 pictures against the others; each pair is compared once, for both."""
    import torch

    count, height, width, _ = features.shape
    patches = features.flatten(1, 2)
    nearest = torch.full((count, height * width), -1.0, device=features.device)
    for i in range(count - 1):
        for others in range(i + 1, count):
            likeness = patches[i] @ patches[others].T
            nearest[i] = torch.maximum(nearest[i], likeness.amax(dim=1))
            nearest[others] = torch.maximum(nearest[others], likeness.amax(dim=0))
    grids = (1 - nearest).clamp(min=0).reshape(count, height, width)
    return [_contrast(smoothed(grid))[0] for grid in grids]
