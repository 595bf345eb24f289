"""Embeds a region: the mean features of a backbone inside its mask, on a crop about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from tools.anomaly.features import input_format, stages, to_pixels
from tools.defects.lessons import Embedding
from tools.errors import InputError, ModelError
from tools.timing import model_call

if TYPE_CHECKING:
    from torch import Tensor

    from tools.models.loading import Loaded
    from tools.types import RGB, Mask, Sample

CONTEXT = 1.5
"""Side of the crop about a region, over the longer side of the region."""
LEAST = 32
"""Longer side of the smallest region that a crop is cut about, in pixels of the photo."""
SIDE = 192
"""Side at which a crop goes through a backbone that takes any size, in pixels."""
STRIDE = 16
"""Only stages of at least this stride are read, where there are any: finer ones hardly tell types apart."""


class RegionEmbedder:
    """Embeds regions with one backbone by masked pooling."""

    def __init__(self, loaded: Loaded) -> None:
        """Take a backbone with stages, or an open_clip model."""
        self._loaded = loaded

    @property
    def model(self) -> str:
        """Digest of the backbone; embeddings of different ones cannot be compared."""
        return self._loaded.digest

    @model_call
    def embed(self, sample: Sample, mask: Mask) -> Embedding:
        """The embedding of a region.

        Args:
            sample: the photo.
            mask: (H, W) of the photo; the region.

        Raises:
            InputError: the mask is empty or of another size than the photo.
            ModelError: the backbone has no stages, or its features are not numbers.
        """
        if mask.shape != sample.image.shape[:2] or not mask.any():
            size = f"{mask.shape[1]} x {mask.shape[0]} with {int(mask.sum())} pixels marked"
            raise InputError(
                f"{sample.name}: its region is {size}; give a mask of the photo's size {sample.size[0]} x "
                f"{sample.size[1]} that marks the defect."
            )
        image, inside = crop_about(sample.image, mask)
        pooled = [functional.normalize(_mean_inside(level, inside), dim=0) for level in self._levels(image)]
        found: Embedding = torch.cat(pooled).cpu().numpy().astype(np.float32)
        if not np.isfinite(found).all():
            raise ModelError(
                f"{self._loaded.name}: its features are not finite numbers; fetch the checkpoint again, or choose "
                "another profile."
            )
        return found

    def _levels(self, image: RGB) -> list[Tensor]:
        """Feature maps (C, h, w) of a crop."""
        form = input_format(self._loaded, SIDE if getattr(self._loaded.model, "any_size", False) else None)
        with torch.inference_mode():
            maps = [level[0].float() for level in stages(self._loaded, to_pixels([image], form, self._loaded))]
        coarse = [level for level in maps if level.shape[-1] * STRIDE <= form.size[1]]
        return coarse or maps


def crop_about(image: RGB, mask: Mask) -> tuple[RGB, Mask]:
    """A square of the photo about a region, and the region on it; cut short where the photo ends."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    side = round(min(CONTEXT * max(bottom - top, right - left, LEAST), *mask.shape))
    y, x = (
        int(np.clip(round((first + last - side) / 2), 0, whole - side))
        for first, last, whole in ((top, bottom, mask.shape[0]), (left, right, mask.shape[1]))
    )
    # A region that is longer than the photo is high keeps its ends: the crop is then no square.
    y1, x1 = max(y + side, int(bottom)), max(x + side, int(right))
    y, x = min(y, int(top)), min(x, int(left))
    return image[y:y1, x:x1], mask[y:y1, x:x1]


def _mean_inside(level: Tensor, mask: Mask) -> Tensor:
    """(C,) mean of a feature map (C, h, w), each place weighed by how much of it lies inside the region."""
    inside = torch.from_numpy(np.ascontiguousarray(mask, dtype=np.float32))[None, None].to(level.device)
    weights = functional.interpolate(inside, level.shape[-2:], mode="area")[0, 0]
    return (level * weights).sum(dim=(1, 2)) / weights.sum().clamp_min(1e-9)
