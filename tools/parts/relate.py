"""How two parts lie to each other: apart, touching, one inside another, joined by a third, left, right, above, below.

Pure functions of masks (bool (H, W) of one photo) and of places in product coordinates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tools.errors import InputError
from tools.types import Mask, Measures

CONTACT = 2.0
"""Pixels between the edges of two masks up to which they touch, since masks are sure to about a pixel each."""
RIM = 0.02
"""Share of a content's rows at its top and bottom that do not tell its level: drops, meniscus, noise."""


def gap(one: Mask, other: Mask) -> float:
    """Least distance in pixels between the edges of two parts; 0 where they are side by side or overlap.

    Raises:
        InputError: a mask is empty, or they are of different sizes.
    """
    from scipy.ndimage import distance_transform_edt

    _check(one, other)
    if (one & other).any():
        return 0.0
    smaller, larger = sorted((one, other), key=lambda m: int(m.sum()))
    return max(0.0, float(distance_transform_edt(~larger)[smaller].min()) - 1.0)


def touching(one: Mask, other: Mask, within: float = CONTACT) -> bool:
    """Whether no more than `within` pixels lie between two parts.

    Raises:
        InputError: a mask is empty, or they are of different sizes.
    """
    return gap(one, other) <= within


def inside(one: Mask, other: Mask) -> float:
    """Share of the first part that lies within the outline of the second, in [0, 1]; holes belong to the inside.

    Raises:
        InputError: a mask is empty, or they are of different sizes.
    """
    from scipy.ndimage import binary_fill_holes

    _check(one, other)
    return float((one & binary_fill_holes(other)).sum() / one.sum())


def connected(one: Mask, other: Mask, via: Sequence[Mask], within: float = CONTACT) -> bool:
    """Whether a chain of touching parts leads from one part to another.

    Args:
        one: where the chain begins.
        other: where it ends.
        via: parts that the chain may be made of, such as cables; none where the two touch directly.
        within: pixels that may lie between two links.

    Raises:
        InputError: a mask is empty, or they are of different sizes.
    """
    if touching(one, other, within):
        return True
    reached = {n for n, link in enumerate(via) if touching(one, link, within)}
    fresh = set(reached)
    while fresh:
        fresh = {
            n for n in range(len(via)) if n not in reached and any(touching(via[m], via[n], within) for m in fresh)
        }
        reached |= fresh
    return any(touching(via[n], other, within) for n in reached)


def fill_level(content: Mask, vessel: Mask, down: tuple[float, float] = (0.0, 1.0)) -> float:
    """How high a content stands in its vessel, in [0, 1] of the vessel's extent along `down`.

    Args:
        content: for instance the juice.
        vessel: for instance the bottle; its outline counts, not its holes.
        down: the direction of the vessel's bottom in the photo's pixels (x, y), any length above 0.

    Raises:
        InputError: a mask is empty, they are of different sizes, or `down` has no length.
    """
    _check(content, vessel)
    norm = math.hypot(*down)
    if not (norm > 0 and math.isfinite(norm)):
        raise InputError(f"the direction down must have a finite length above 0; found {down}.")
    depth_of = [_along(mask, (down[0] / norm, down[1] / norm)) for mask in (content, vessel)]
    surface = float(np.quantile(depth_of[0], RIM))
    top, bottom = float(depth_of[1].min()), float(depth_of[1].max())
    return float(np.clip((bottom - surface) / max(bottom - top, 1.0), 0.0, 1.0))


def left_of(one: Measures, other: Measures) -> float:
    """How far the first part's middle lies to the left of the second's, as the product stands; below 0 to its right.

    In units of the product where both are known in product coordinates, else in pixels of the photo.
    """
    return offset(one, other)[0]


def right_of(one: Measures, other: Measures) -> float:
    """How far the first part's middle lies to the right of the second's; see `left_of`."""
    return -offset(one, other)[0]


def above(one: Measures, other: Measures) -> float:
    """How far the first part's middle lies above the second's; see `left_of`."""
    return offset(one, other)[1]


def below(one: Measures, other: Measures) -> float:
    """How far the first part's middle lies below the second's; see `left_of`."""
    return -offset(one, other)[1]


def offset(one: Measures, other: Measures) -> tuple[float, float]:
    """(right, down) from the first part's middle to the second's; units as in `left_of`."""
    if one.place is not None and other.place is not None:
        return other.place[0] - one.place[0], other.place[1] - one.place[1]
    return other.centroid[0] - one.centroid[0], other.centroid[1] - one.centroid[1]


def _along(mask: Mask, direction: tuple[float, float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    rows, columns = np.nonzero(mask)
    found: np.ndarray[tuple[int], np.dtype[np.float64]] = columns * direction[0] + rows * direction[1]
    return found


def _check(one: Mask, other: Mask) -> None:
    if one.shape != other.shape:
        raise InputError(f"masks of {one.shape} and {other.shape} were given; both must be of one photo.")
    if not (one.any() and other.any()):
        raise InputError("an empty mask lies nowhere; leave the part out.")
