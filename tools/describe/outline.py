"""Finds where a product's outline lacks a piece, or has one too many."""

from __future__ import annotations

import numpy as np
import scipy
import skimage

from tools.parts.masks import filled
from tools.parts.pose import find_mask
from tools.types import RGB, Mask

DEEPEST_GOOD = 1.5
"""A notch is so many times as deep as the deepest one of any reference."""
LEAST_DEPTH = 0.06
"""It is at least so deep, in square roots of the product's area."""
OVERLAP = 0.25
"""A region is at a notch of which it holds at least this share, or that holds as much of it."""
MOSTLY = 0.6
"""A region lies outside of an outline where at least this share of it does."""
ALL = 0.85
"""A region that holds more than this share of what was found as the product is not on a product of its own."""
SMALL = 128
"""Pixels along the longer side at which hulls are drawn."""


def product_about(image: RGB, region: Mask) -> tuple[Mask, bool]:
    """The product's mask (H, W) and whether it fills the photo, as it does where only the region stands out from it.

    Args:
        image: RGB (H, W, 3).
        region: (H, W).
    """
    product, fills = find_mask(image)
    if np.count_nonzero(product & region) > ALL * np.count_nonzero(product):
        return np.ones_like(product), True
    return product, fills


def notch_at(product: Mask, region: Mask, usual: float = 0.0) -> Mask | None:
    """The notch in a product's outline that a region overlaps, or None.

    Args:
        product: (H, W), True on the product.
        region: (H, W), not empty.
        usual: depth of the deepest notch of good products, see `notch_depth`.
    """
    if product.all() or not product.any():
        return None
    step = _step(product.shape)
    inside = region[::step, ::step]
    area = max(int(np.count_nonzero(inside)), 1)
    best: tuple[int, Mask] | None = None
    for notch, depth in _notches(product):
        shared = int(np.count_nonzero(notch & inside))
        held = shared >= OVERLAP * min(int(np.count_nonzero(notch)), area)
        if depth >= max(LEAST_DEPTH, DEEPEST_GOOD * usual) and held and (best is None or shared > best[0]):
            best = shared, notch
    if best is None:
        return None
    found: Mask = _enlarged(best[1], product.shape) & ~product
    return found


def notch_depth(product: Mask) -> float:
    """Depth of the deepest notch of a product's outline, in square roots of the product's area."""
    if product.all() or not product.any():
        return 0.0
    return max((depth for _, depth in _notches(product)), default=0.0)


def is_notch(mask: Mask, product: Mask) -> bool:
    """Whether a mask mostly shows the background where the hull of the product's outline reaches."""
    if product.all() or not product.any():
        return False
    area = int(np.count_nonzero(mask))
    step = _step(product.shape)
    hull = _enlarged(skimage.morphology.convex_hull_image(_main(product[::step, ::step])), product.shape)
    return bool(min(np.count_nonzero(mask & ~product), np.count_nonzero(mask & hull)) >= MOSTLY * area)


def is_added(mask: Mask, product: Mask, reference: Mask) -> bool:
    """Whether a mask is mostly product where the aligned reference's product mask is not."""
    if product.all() or reference.all():
        return False
    return bool(np.count_nonzero(mask & product & ~reference) >= MOSTLY * np.count_nonzero(mask))


def _main(product: Mask) -> Mask:
    """The largest piece of a product's mask, its holes filled."""
    pieces, count = scipy.ndimage.label(product)
    if count < 2:
        return filled(product)
    return filled(np.equal(pieces, 1 + int(np.bincount(pieces.ravel())[1:].argmax())))


def _notches(product: Mask) -> list[tuple[Mask, float]]:
    """Each piece of the convex hull that the product lacks, on a small copy, with its depth."""
    step = _step(product.shape)
    small = _main(product[::step, ::step])
    unit = float(np.sqrt(np.count_nonzero(small)))
    hull = skimage.morphology.convex_hull_image(small)
    depth = scipy.ndimage.distance_transform_edt(np.pad(hull, 1))[1:-1, 1:-1] / unit
    pieces, count = scipy.ndimage.label(hull & ~small)
    deepest = [float(depth[pieces == number].max()) for number in range(1, count + 1)]
    return [(pieces == n, deep) for n, deep in enumerate(deepest, start=1) if deep >= LEAST_DEPTH / DEEPEST_GOOD]


def _step(shape: tuple[int, ...]) -> int:
    """Every so many pixels are kept of a photo of a shape."""
    return max(1, round(max(shape, default=0) / SMALL))


def _enlarged(small: Mask, shape: tuple[int, ...]) -> Mask:
    step = _step(shape)
    large: Mask = np.repeat(np.repeat(small, step, axis=0), step, axis=1)[: shape[0], : shape[1]]
    return large
