"""Measures a part from its mask (size, direction, place, colour), and whether two parts touch."""

from __future__ import annotations

import math
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import scipy
import skimage
from numpy.typing import NDArray

from tools.errors import InputError
from tools.parts.masks import window_of
from tools.types import RGB, Mask, Measures

LARGEST = 512
"""Of larger photos only every so many pixels are measured that about so many are left along the longer side."""
DARK = 0.3
"""Share of the pixels of a part that do not count as its light, the darkest ones."""
COLOURS = MappingProxyType(
    {
        "black": ((0.0, 0.0, 0.0), (22.0, 0.0, 0.0)),
        "grey": ((40.0, 0.0, 0.0), (54.0, 0.0, 0.0), (68.0, 0.0, 0.0), (80.0, 0.0, 0.0)),
        "white": ((100.0, 0.0, 0.0), (93.0, 0.0, 0.0)),
        "red": ((53.2, 80.1, 67.2), (45.0, 62.0, 40.0), (40.0, 50.0, 28.0)),
        "orange": ((67.3, 43.0, 74.0), (70.0, 32.0, 62.0), (62.0, 45.0, 55.0)),
        "yellow": ((97.1, -21.6, 94.5), (85.0, 0.0, 75.0), (78.0, 5.0, 62.0)),
        "green": ((87.7, -86.2, 83.2), (46.2, -51.7, 49.9), (55.0, -35.0, 25.0), (40.0, -22.0, 12.0)),
        "cyan": ((91.1, -48.1, -14.1), (65.0, -30.0, -12.0)),
        "blue": (
            (32.3, 79.2, -107.9),
            (34.0, 42.0, -75.0),
            (45.0, 10.0, -48.0),
            (58.0, -5.0, -38.0),
            (30.0, 12.0, -38.0),
        ),
        "purple": ((29.8, 58.9, -36.5), (45.0, 42.0, -36.0), (55.0, 30.0, -30.0)),
        "pink": ((75.0, 38.0, 2.0), (82.0, 24.0, 3.0), (62.0, 62.0, -6.0)),
        "brown": ((35.0, 18.0, 25.0), (45.0, 20.0, 32.0), (28.0, 12.0, 16.0), (52.0, 16.0, 26.0)),
        "beige": ((80.0, 5.0, 18.0), (72.0, 8.0, 22.0)),
    }
)
"""CIELAB prototypes (D65) of the basic colour names, several for a name that spans much."""


def measure(image: RGB, mask: Mask) -> Measures:
    """Area, extent along and across the main axis, direction, place and colour of one part.

    The main axis is that of the mask's second moments; length and width are the extents of its pixels along
    and across it, each pixel a unit square.

    Args:
        image: (H, W, 3), the photo.
        mask: (H, W), where the part is.

    Raises:
        InputError: the mask is empty or of another size than the photo.
    """
    if mask.shape != image.shape[:2]:
        raise InputError(f"a mask of {mask.shape} was given for a photo of {image.shape[:2]}; both must agree.")
    if not mask.any():
        raise InputError("an empty mask cannot be measured; leave the part out.")
    step = max(1, round(max(mask.shape) / LARGEST))
    if step > 1 and mask[::step, ::step].any():
        return scaled(measure(image[::step, ::step], mask[::step, ::step]), step)
    rows, columns = np.nonzero(mask)
    row, column = float(rows.mean()), float(columns.mean())
    angle = _angle(rows - row, columns - column)
    length, width = _extents(rows, columns, (row, column), angle)
    lab = skimage.color.rgb2lab(image[rows, columns][None])[0]
    mean = (float(lab[:, 0].mean()), float(lab[:, 1].mean()), float(lab[:, 2].mean()))
    return Measures(
        area=float(len(rows)),
        length=length,
        width=width,
        angle=angle,
        centroid=(column + 0.5, row + 0.5),
        lab=mean,
        colour=colour_name(mean),
        heading=_heading(rows, columns, lab[:, 0]),
    )


def scaled(measures: Measures, scale: float) -> Measures:
    """The same measures in pixels of a photo that is so many times as large.

    >>> scaled(measure(np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), np.bool_)), 2.0).area
    64.0
    """
    if scale == 1.0:
        return measures
    x, y = measures.centroid
    return replace(
        measures,
        area=measures.area * scale**2,
        length=measures.length * scale,
        width=measures.width * scale,
        centroid=(x * scale, y * scale),
    )


def _angle(down: NDArray[np.floating], right: NDArray[np.floating]) -> float:
    """Direction in (-90, 90] of the main axis of pixels about their middle, counter-clockwise as seen from x."""
    tall, both, wide = float((down * down).mean()), float((down * right).mean()), float((right * right).mean())
    # From the row axis; rows grow downwards, so that a quarter more is counter-clockwise as seen from x.
    angle = math.degrees(0.5 * math.atan2(2 * both, tall - wide)) + 90.0
    if tall == wide:
        angle = 135.0 if both > 0 else 45.0
    return angle - 180.0 if angle > 90.0 else angle


def _extents(
    rows: NDArray[np.intp], columns: NDArray[np.intp], centroid: tuple[float, float], angle: float
) -> tuple[float, float]:
    """(along, across) the axis at `angle` degrees, in pixels; a pixel's own extent is counted."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    x, y = columns - centroid[1], centroid[0] - rows
    along, across = x * cos + y * sin, y * cos - x * sin
    pixel = abs(cos) + abs(sin)
    return float(np.ptp(along)) + pixel, float(np.ptp(across)) + pixel


def _heading(rows: NDArray[np.intp], columns: NDArray[np.intp], lightness: NDArray[np.float64]) -> tuple[float, float]:
    """From the middle of the pixels to the middle of their light, (x, y) in square roots of their number."""
    unit = math.sqrt(len(rows))
    light = np.clip(lightness - np.quantile(lightness, DARK), 0.0, None) + 1e-3
    x, y = (float((v * light).sum() / light.sum() - v.mean()) / unit for v in (columns, rows))
    return x, y


def colour_name(lab: tuple[float, float, float]) -> str:
    """The basic colour whose prototype is nearest in CIELAB (CIE76, Euclidean).

    >>> colour_name((53.0, 78.0, 65.0))
    'red'
    >>> colour_name((60.0, 1.0, -2.0))
    'grey'
    """
    return min(COLOURS, key=lambda name: min(math.dist(lab, prototype) for prototype in COLOURS[name]))


CONTACT = 2.0
"""Pixels between the edges of two masks up to which they touch, since masks are sure to about a pixel each."""


def gap(one: Mask, other: Mask) -> float:
    """Least distance in pixels between the edges of two parts; 0 where they are side by side or overlap.

    Raises:
        InputError: a mask is empty, or they are of different sizes.
    """
    _check(one, other)
    if (one & other).any():
        return 0.0
    window = window_of(one | other)
    smaller, larger = sorted((one[window], other[window]), key=lambda m: int(m.sum()))
    return max(0.0, float(scipy.ndimage.distance_transform_edt(~larger)[smaller].min()) - 1.0)


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
