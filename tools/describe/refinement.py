"""Bounds a region tightly by the photo's own colours and the anomaly maps inside of it.

The maps and the distance of each pixel's colour to the surroundings are brought to one scale and averaged
geometrically, so that what is high on all of them stays. Seeds where this mean is highest and lowest tell the colours
of the defect from those around it (as GrabCut does, Rother et al. 2004, by nearest neighbours). Thresholds of the sum
are candidates; the one that the others agree with most is taken. Notches in the product's outline are a candidate of
their own, since they show the background and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy
import skimage
from numpy.typing import NDArray
from PIL import Image

from tools.describe.outline import notch_at, product_about
from tools.parts.masks import Window, box_of, window_of
from tools.types import AnomalyMap, FloatMap, Mask, Region, Sample

LEVELS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Thresholds of the candidates, as shares of the largest mean."""
BACKGROUND, DEFECT = 0.3, 0.75
"""Pixels whose mean is below and above these shares of the largest are seeds of the background and of the defect."""
COLOUR = 0.5
"""Weight of the seeds' colours beside the mean."""
GROWN = 0.15
"""The mask may reach beyond the region by this share of its size (square root of its area)."""
PEAK = 0.8
"""A separate piece is kept where it reaches this share of the highest value."""
SURROUNDINGS = 0.4
"""Standard deviation of the blur that tells the colour of the surroundings, in sizes of the region."""
LEAST_PIXELS = 6
"""A smaller mask is no place: the region is returned as it was."""
SEEDS = 200
"""Defect seeds that are compared at most; twice as many of the background."""
LARGEST = 400
"""Pixels along the longer side at which a region with its surroundings is worked on at most."""
FLOOR = 1e-3
"""Least value of what is averaged geometrically."""
SAMPLED = 256
"""Pixels along the longer side at which a map's median is taken."""

Lab = NDArray[np.float32]


def refine_region(
    sample: Sample,
    region: Region,
    maps: Sequence[AnomalyMap],
    usual_notch: float = 0.0,
) -> Region:
    """Bound a region by what stands out in it.

    Args:
        sample: the photo.
        region: a place that stands out on one of the maps.
        maps: of all matchers; those of words are left out, since they are coarse.
        usual_notch: depth of the deepest notch in the outline of any reference, see `tools.describe.notch_depth`.

    Returns:
        The region with a mask and its box; the region as it was where nothing in it is set off.
    """
    whole = _mask_of(region, sample)
    product, _ = product_about(sample.image, whole)
    notch = notch_at(product, whole, usual_notch)
    if notch is not None:
        return _region_of(notch, region)
    rows, columns = window_of(whole, margin=round(0.5 * np.sqrt(np.count_nonzero(whole))) + 8)
    step = math.ceil(max(rows.stop - rows.start, columns.stop - columns.start) / LARGEST)
    window = slice(rows.start, rows.stop, step), slice(columns.start, columns.stop, step)
    inside, near = whole[window], product[window] | whole[window]
    if not inside.any():
        return region
    reach = _grown(inside, max(2, round(GROWN * np.sqrt(np.count_nonzero(inside)))))
    lab = skimage.color.rgb2lab(sample.image[window]).astype(np.float32)
    detailed = [m.values if m.raw is None else m.raw for m in maps if m.source != "text"]
    mean = _mean(lab, inside, near, reach, [_scaled(values, whole, product, window) for values in detailed])
    score = _smoothed(mean + COLOUR * _colour_likeness(lab, mean, reach)) * reach
    candidates = [_highest(score > level, score) for level in LEVELS]
    mask = _most_agreed(candidates)
    if np.count_nonzero(mask) < LEAST_PIXELS:
        return region
    found = np.zeros_like(whole)
    found[rows, columns] = np.kron(mask, np.ones((step, step), np.bool_))[
        : rows.stop - rows.start, : columns.stop - columns.start
    ]
    return _region_of(found, region)


def _mask_of(region: Region, sample: Sample) -> Mask:
    if region.mask is not None and region.mask.any():
        return region.mask
    mask = np.zeros(sample.image.shape[:2], np.bool_)
    box = region.box.clipped(*sample.size)
    mask[int(box.y0) : max(round(box.y1), int(box.y0) + 1), int(box.x0) : max(round(box.x1), int(box.x0) + 1)] = True
    return mask


def _region_of(mask: Mask, region: Region) -> Region:
    return Region(box_of(mask), region.score, mask)


def _scaled(values: FloatMap, inside: Mask, product: Mask, window: Window) -> FloatMap:
    """A window of a map of which the product's median outside of the region is 0 and the region's highest is 1."""
    step = max(1, round(max(values.shape) / SAMPLED))
    rest = (product & ~inside)[::step, ::step]
    return _between(values[window], inside[window], values[::step, ::step][rest])


def _between(values: FloatMap, inside: Mask, rest: NDArray[np.float32]) -> FloatMap:
    """Values of which the median of the rest is 0 and the region's highest percent is 1."""
    base = float(np.median(rest)) if rest.size else float(values.min())
    top = float(np.percentile(values[inside], 99))
    scaled: FloatMap = np.clip((values - base) / max(top - base, 1e-6), FLOOR, 1.5)
    return scaled


def _mean(lab: Lab, inside: Mask, near: Mask, reach: Mask, maps: Sequence[FloatMap]) -> FloatMap:
    """The geometric mean of the maps and of the distance to the surroundings' colour; its largest value is 1."""
    outside = near & ~inside
    distance = _from_surroundings(lab, outside, float(np.sqrt(inside.sum())))
    distance = _between(distance, inside, distance[outside])
    logs = np.mean([np.log(values) for values in (*maps, distance)], axis=0)
    mean: FloatMap = np.where(reach, np.exp(logs), 0.0).astype(np.float32)
    scaled: FloatMap = mean / max(float(mean.max()), 1e-6)
    return scaled


def _from_surroundings(lab: Lab, outside: Mask, size: float) -> FloatMap:
    """How far each pixel's colour is from the mean colour around it, that of the region left out."""
    blur = max(4.0, SURROUNDINGS * size)
    # What is blurred so much is computed on a coarser grid.
    step = max(1, round(blur / 4))
    weight = outside[::step, ::step].astype(np.float32)
    planes = []
    for c in range(3):
        sums = scipy.ndimage.gaussian_filter(lab[::step, ::step, c] * weight, blur / step, truncate=2.5)
        mean = sums / np.maximum(scipy.ndimage.gaussian_filter(weight, blur / step, truncate=2.5), 1e-4)
        size_wh = (lab.shape[1], lab.shape[0])
        around = np.asarray(Image.fromarray(mean).resize(size_wh, Image.Resampling.BILINEAR))
        planes.append(scipy.ndimage.gaussian_filter(lab[..., c], 0.8) - around)
    distance: FloatMap = np.sqrt(planes[0] ** 2 + planes[1] ** 2 + planes[2] ** 2)
    return distance


def _colour_likeness(lab: Lab, mean: FloatMap, reach: Mask) -> FloatMap:
    """In [-1, 1], above 0 where a pixel's colour is nearer to the seeds of the defect than of the background."""
    found: FloatMap = np.zeros_like(mean)
    defect, background = mean > DEFECT, _grown(reach, 8) & (mean < BACKGROUND)
    if np.count_nonzero(defect) < 5 or np.count_nonzero(background) < 20:
        return found
    smooth = np.stack([scipy.ndimage.gaussian_filter(lab[..., c], 1.0) for c in range(3)], axis=-1)
    # Equal colours are compared once: each is packed into one number.
    rounded = np.rint(smooth[reach]).astype(np.int64) + 256
    packed, owners = np.unique(rounded @ (1 << 20, 1 << 10, 1), return_inverse=True)
    colours = np.stack([packed >> 20, (packed >> 10) & 1023, packed & 1023], axis=1) - 256
    away = []
    for seeds, most in ((smooth[defect], SEEDS), (smooth[background], 2 * SEEDS)):
        some = seeds[np.linspace(0, len(seeds) - 1, min(most, len(seeds))).astype(int)]
        away.append(scipy.spatial.cKDTree(some).query(colours, k=3)[0].mean(axis=1))
    likeness = (away[1] - away[0]) / (away[0] + away[1] + 2.0)
    found[reach] = likeness[owners.ravel()]
    return found


def _smoothed(values: FloatMap) -> FloatMap:
    smooth: FloatMap = scipy.ndimage.gaussian_filter(values, 0.8)
    return smooth


def _highest(mask: Mask, score: FloatMap) -> Mask:
    """The pieces of a mask that reach nearly the highest value."""
    pieces, count = scipy.ndimage.label(mask, structure=np.ones((3, 3)))
    if count < 2:
        return mask
    summits = np.asarray(scipy.ndimage.maximum(score, pieces, range(1, count + 1)))
    kept: Mask = np.isin(pieces, 1 + np.flatnonzero(summits >= PEAK * float(score.max())))
    return kept


def _most_agreed(candidates: Sequence[Mask]) -> Mask:
    """The candidate whose mean overlap (IoU) with all of them is largest."""
    flat = np.stack([mask.ravel() for mask in candidates]).astype(np.float32)
    both = flat @ flat.T
    areas = np.diag(both)
    overlap = both / np.maximum(areas[:, None] + areas[None] - both, 1.0)
    return candidates[int(overlap.mean(axis=1).argmax())]


def _grown(mask: Mask, pixels: int) -> Mask:
    """The mask and what is up to so many pixels away."""
    grown: Mask = scipy.ndimage.distance_transform_edt(~mask) <= pixels
    return grown
