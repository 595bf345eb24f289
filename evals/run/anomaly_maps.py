"""Maps and truths of a run on disk, so that a run that was stopped still has its pixel metrics."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from evals.metrics import TruthRegion
from tools.errors import InputError
from tools.types import FloatMap, Mask

if TYPE_CHECKING:
    from evals.datasets import BenchmarkCase

LONGER = 256
"""Longer side, in pixels, of a kept map; a matcher's own grid is coarser."""


@dataclass(frozen=True, eq=False)
class StoredMap:
    """A map beside its truth, both at the photo's size."""

    values: FloatMap
    """(H, W) in [0, 1]."""
    truth: Mask | None
    """(H, W); None where the data set does not say."""
    regions: tuple[TruthRegion, ...]


def keep_map(folder: Path, category: str, case: BenchmarkCase, values: FloatMap) -> InputError | None:
    """Keeps the map of a case, beside its truth where that is known.

    Returns:
        What is wrong with the truth, where it cannot be read; the map is then kept without it.
    """
    path = _file(folder, category, case.id)
    try:
        truth, regions = case.gt_mask(), case.regions()
    except InputError as error:
        np.savez_compressed(path, map=_shrunk(values), size=np.array(values.shape))
        return error
    if truth is None:
        np.savez_compressed(path, map=_shrunk(values), size=np.array(values.shape))
        return None
    np.savez_compressed(
        path,
        map=_shrunk(values),
        truth=truth,
        masks=np.stack([r.mask for r in regions]) if regions else np.zeros((0, *truth.shape), dtype=np.bool_),
        saturations=np.array([r.saturation for r in regions], dtype=np.float64),
    )
    return None


def kept_map(folder: Path, category: str, case_id: str) -> StoredMap | None:
    """What `keep_map` kept of a case, or None."""
    path = _file(folder, category, case_id)
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as kept:
        if "truth" not in kept:
            return StoredMap(_at_size(kept["map"], tuple(kept["size"].tolist())), None, ())
        truth = kept["truth"]
        regions = zip(kept["masks"], kept["saturations"].tolist(), strict=True)
        return StoredMap(_at_size(kept["map"], truth.shape), truth, tuple(TruthRegion(m, s) for m, s in regions))


def _file(folder: Path, category: str, case_id: str) -> Path:
    return folder / f"{hashlib.sha256(f'{category}/{case_id}'.encode()).hexdigest()[:16]}.npz"


def _shrunk(values: FloatMap) -> FloatMap:
    height, width = values.shape
    scale = min(1.0, LONGER / max(height, width))
    return _at_size(values, (max(1, round(height * scale)), max(1, round(width * scale))))


def _at_size(values: FloatMap, shape: tuple[int, ...]) -> FloatMap:
    """The map at (height, width), bilinear, and each pixel the mean of what it covers where it shrinks."""
    height, width = shape
    if values.shape == (height, width):
        return values.astype(np.float32)
    resized = Image.fromarray(values.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.float32)
