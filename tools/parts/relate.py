"""Whether two parts touch: the distance between their masks."""

from __future__ import annotations

from tools.errors import InputError
from tools.types import Mask

CONTACT = 2.0
"""Pixels between the edges of two masks up to which they touch, since masks are sure to about a pixel each."""


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


def _check(one: Mask, other: Mask) -> None:
    if one.shape != other.shape:
        raise InputError(f"masks of {one.shape} and {other.shape} were given; both must be of one photo.")
    if not (one.any() and other.any()):
        raise InputError("an empty mask lies nowhere; leave the part out.")
