"""Compares whole photos with references by a network that learned comparing: how, and where, is this one different?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.errors import InputError, ModelError
from tools.patches.pixels import upsampled
from tools.types import RGB, Sample, ScoreMap

if TYPE_CHECKING:
    from torch import Tensor

    from tools.loading import Loaded
    from tools.patches.comparer import Seen

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's photos, by channel."""


@dataclass(frozen=True, eq=False)
class Difference:
    """How a photo differs from the references."""

    structural: float
    """Log-odds of a flaw in a part or a surface against "good", as the network says them."""
    logical: float
    """Log-odds of something missing, extra, exchanged or misplaced against "good"."""
    places: ScoreMap
    """Where; its values are the network's probability of a difference at each place."""


class PhotoComparer:
    """One verb: compare a photo with references that were seen before."""

    def __init__(self, loaded: Loaded, *, batch: int = 16) -> None:
        """Takes a loaded comparer; `batch` photos are seen at once."""
        self._loaded = loaded
        self._batch = batch

    def see(self, samples: Sequence[Sample]) -> Seen:
        """What the network keeps of photos of any sizes.

        Raises:
            InputError: no photo.
            ModelError: the weights are damaged.
        """
        import torch

        from tools.patches.comparer import Seen

        if not samples:
            raise InputError("no photo was given to compare; give at least one.")
        found = []
        for start in range(0, len(samples), self._batch):
            pixels = as_pixels([s.image for s in samples[start : start + self._batch]], self._side)
            with torch.inference_mode():
                found.append(self._loaded.model.see(pixels.to(self._loaded.device, self._loaded.dtype)))
        seen = Seen(*(torch.cat(parts) for parts in zip(*found, strict=True)))
        if not bool(torch.isfinite(seen.embedded).all()):
            raise ModelError(f"{self._loaded.name}: what it sees is not finite; fetch the checkpoint again.")
        return seen

    def compare(self, sample: Sample, references: Seen) -> Difference:
        """Compares one photo with references.

        Args:
            sample: a photo of any size.
            references: at least one, as `see` returned them.
        """
        import torch

        query = self.see([sample])
        with torch.inference_mode():
            said = self._loaded.model(query, references)
        normal, structural, logical = said.logits[0].float().tolist()
        grid = said.places[0].float().amax(dim=0).sigmoid()
        places = ScoreMap(upsampled(grid, sample.size), float(grid.max()), "comparer")
        return Difference(structural - normal, logical - normal, places)

    @property
    def _side(self) -> int:
        return int(self._loaded.model.config.image_size)


def as_pixels(images: Sequence[RGB], side: int) -> Tensor:
    """Photos of any sizes as a comparer takes them, float32 (N, 3, side, side), shrunk by areas and not cropped."""
    import numpy as np
    import torch
    from PIL import Image

    shrunk = [np.asarray(Image.fromarray(i).resize((side, side), Image.Resampling.BOX)) for i in images]
    pixels = torch.from_numpy(np.stack(shrunk)).permute(0, 3, 1, 2).float() / 255
    return (pixels - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(DEVIATION).view(1, 3, 1, 1)
