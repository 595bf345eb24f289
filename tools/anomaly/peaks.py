"""From a score map to the few places worth a second look."""

from __future__ import annotations

import math

import numpy as np
import scipy

from tools.types import AnomalyMap, Box, FloatMap, Mask, Region

PORTION = 0.5
"""A place reaches from its summit down to this fraction of the way to the map's median."""
FAINTEST = 0.35
"""A summit lower than this fraction of the highest, both above the median, is not a place of its own."""
SMALLEST = 9
"""Pixels that are looked at below which a place other than the highest is taken for noise."""
LARGEST = 512
"""Pixels along the longer side that are looked at."""


def peaks(score_map: AnomalyMap, limit: int = 3) -> list[Region]:
    """Places that stand out, best first.

    A place is what lies around its summit above a threshold half way between the summit and the map's
    median, so that a faint place beside a strong one keeps its own extent.

    Args:
        score_map: a map of any matcher.
        limit: at most so many places.

    Returns:
        Regions with box, mask (H, W) and score (the summit, in [0, 1]); always at least one, which holds the
        map's maximum.
    """
    step = stride(score_map.values.shape)
    values = score_map.values[::step, ::step]
    base = float(np.median(values))
    highest = float(values.max())
    left = values.copy()
    found: list[Region] = []
    for _ in range(max(1, limit) * 4):
        at = np.unravel_index(int(left.argmax()), values.shape)
        summit = float(left[at])
        if found and (summit == -np.inf or summit - base <= FAINTEST * (highest - base)):
            break
        mask = _around(values, (int(at[0]), int(at[1])), base + PORTION * (summit - base)) & (left > -np.inf)
        left[mask] = -np.inf
        if not found or (mask.sum() >= SMALLEST and not _touches(mask, found)):
            found.append(Region(_box(mask), min(max(summit, 0.0), 1.0), mask))
        if len(found) >= limit:
            break
    return found if step == 1 else _enlarged(found, step, score_map.values)


def stride(shape: tuple[int, ...]) -> int:
    """Every so many pixels are looked at of a map of a shape: large maps are smooth.

    >>> stride((256, 300)), stride((1200, 2000))
    (1, 4)
    """
    return math.ceil(max(shape) / LARGEST)


def _enlarged(found: list[Region], step: int, values: FloatMap) -> list[Region]:
    """Regions of every `step`-th pixel of a map as regions of the map; the first holds the map's maximum."""
    height, width = values.shape
    small = [r.mask for r in found if r.mask is not None]
    masks = [np.repeat(np.repeat(mask, step, axis=0), step, axis=1)[:height, :width] for mask in small]
    masks[0].flat[int(values.argmax())] = True
    return [Region(_box(mask), region.score, mask) for mask, region in zip(masks, found, strict=True)]


def _around(values: FloatMap, at: tuple[int, int], threshold: float) -> Mask:
    """The connected pixels at or above a threshold that hold one pixel."""
    above = values >= threshold
    above[at] = True
    components, _ = scipy.ndimage.label(above, structure=np.ones((3, 3)))
    around: Mask = components == components[at]
    return around


def _touches(mask: Mask, found: list[Region]) -> bool:
    """Whether it is but the flank of a higher place."""
    box = _box(mask)
    window = (slice(max(int(box.y0) - 1, 0), int(box.y1) + 1), slice(max(int(box.x0) - 1, 0), int(box.x1) + 1))
    grown = scipy.ndimage.binary_dilation(mask[window], structure=np.ones((3, 3)))
    return any(region.mask is not None and bool((grown & region.mask[window]).any()) for region in found)


def _box(mask: Mask) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
