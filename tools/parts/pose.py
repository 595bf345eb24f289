"""Finds the product on its photo and its pose: the frame in which parts have their places."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import scipy
import skimage
from numpy.typing import NDArray
from PIL import Image

from tools.parts.masks import enlarged, filled, grown, shrunk
from tools.types import RGB, Mask, Measures

SMALL = 256
"""Pixels along the longer side at which the background is looked for."""
KEPT = 16
"""Foregrounds that are kept, at that size."""
RIM = 0.04
"""Share of the sides that counts as the photo's border."""
LEAST_AREA, MOST = 0.04, 0.92
"""A product covers at least and at most these shares of the photo; else the photo is all product, as cloth is."""
LONE = 0.05
"""Pieces smaller than this share of the largest are dust, not product."""
APART = 3.0
"""A pixel is not background where its colour differs by more than so many robust standard deviations of it."""
FAINT = 4.0
"""CIELAB distance below which no pixel differs from the background, however even that is."""


@dataclass(frozen=True, eq=False)
class ProductPose:
    """The product's mask and pose; places in its frame stay when it is moved, turned or photographed nearer."""

    mask: Mask
    """(H, W), holes filled."""
    origin: tuple[float, float]
    """The mask's middle, (x, y) in pixels."""
    turn: float
    """How far it is turned counter-clockwise as seen, in degrees."""
    unit: float
    """Square root of the mask's area, in pixels."""
    fills: bool
    """Whether it fills the photo, so that nothing of the background is seen."""

    def place(self, point: tuple[float, float]) -> tuple[float, float]:
        """A point of the photo (x, y) in product coordinates: right and down of the middle, in units."""
        x, y = self._turned(point[0] - self.origin[0], point[1] - self.origin[1])
        return x / self.unit, y / self.unit

    def point(self, place: tuple[float, float]) -> tuple[float, float]:
        """The inverse of `place`."""
        cos, sin = math.cos(math.radians(self.turn)), math.sin(math.radians(self.turn))
        x, y = place[0] * cos + place[1] * sin, place[1] * cos - place[0] * sin
        return x * self.unit + self.origin[0], y * self.unit + self.origin[1]

    def placed(self, measures: Measures) -> Measures:
        """The same measures with place, turn and relative sizes filled in."""
        return replace(
            measures,
            place=self.place(measures.centroid),
            turn=half_turn(measures.angle - self.turn),
            relative_area=measures.area / self.unit**2,
            relative_length=measures.length / self.unit,
            heading=None if measures.heading is None else self._turned(*measures.heading),
        )

    def _turned(self, x: float, y: float) -> tuple[float, float]:
        """A direction of the photo along the product's axes."""
        cos, sin = math.cos(math.radians(self.turn)), math.sin(math.radians(self.turn))
        return x * cos - y * sin, x * sin + y * cos


def half_turn(degrees: float) -> float:
    """The direction of an axis in (-90, 90].

    >>> half_turn(100.0), half_turn(-90.0)
    (-80.0, 90.0)
    """
    return 90.0 - (90.0 - degrees) % 180.0


def find_product(image: RGB) -> ProductPose:
    """The product as what differs from the photo's border; all of the photo where hardly anything or all does.

    The border's colours are fitted by a plane of second order (light falls off unevenly), and pixels that differ
    clearly from it are the product's; holes count as the product.

    Args:
        image: (H, W, 3).
    """
    mask, fills = find_mask(image)
    return pose_of(mask, fills=fills)


def find_mask(image: RGB) -> tuple[Mask, bool]:
    """The product's mask (H, W) alone, as `find_product` finds it, and whether the product fills the photo."""
    mask = _foreground(image)
    if LEAST_AREA <= float(mask.mean()) <= MOST:
        return mask, False
    return np.ones(image.shape[:2], np.bool_), True


def pose_of(mask: Mask, *, fills: bool = False) -> ProductPose:
    """Pose of a mask that is not empty: turned as its smallest enclosing rectangle, by 45 degrees at most."""
    along, across = mask.sum(axis=0), mask.sum(axis=1)
    area = int(along.sum())
    x, y = (float(of @ np.arange(len(of))) / area + 0.5 for of in (along, across))
    return ProductPose(mask, (x, y), 0.0 if fills else _turn(mask), math.sqrt(area), fills)


def _foreground(image: RGB) -> Mask:
    height, width = image.shape[:2]
    scale = min(1.0, SMALL / max(height, width))
    shape = (max(8, round(height * scale)), max(8, round(width * scale)))
    if shape != (height, width):
        photo = Image.fromarray(np.ascontiguousarray(image))
        image = np.asarray(photo.resize(shape[::-1], Image.Resampling.BILINEAR, reducing_gap=2.0))
    return enlarged(_small_foreground(image.tobytes(), shape), (width, height))


@lru_cache(maxsize=KEPT)
def _small_foreground(pixels: bytes, shape: tuple[int, int]) -> Mask:
    """(h, w) of an RGB image of that shape; several steps ask for the same photo."""
    lab = skimage.color.rgb2lab(np.frombuffer(pixels, np.uint8).reshape(*shape, 3))
    planes = np.stack([scipy.ndimage.gaussian_filter(lab[..., c], 0.7, mode="nearest") for c in range(3)], axis=-1)
    distance = _from_border(planes)
    # A blurred edge is the product's from half of its height on.
    differs = (distance > 1.0) & (distance >= scipy.ndimage.maximum_filter(distance, 3) / 2)
    mask = whole(grown(shrunk(filled(shrunk(grown(differs))))))
    mask.setflags(write=False)
    return mask


def _from_border(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """(h, w): how far each pixel is from the background that the border shows; above 1 it is something else."""
    height, width = lab.shape[:2]
    basis, border = _second_order(height, width)
    terms, values = basis[border], lab[border]
    kept = np.ones(len(terms), np.bool_)
    for _ in range(4):
        some = terms[kept]
        weights = np.linalg.solve(some.T @ some, some.T @ values[kept])
        off = _length(values - terms @ weights)
        spread = 1.4826 * float(np.median(off))
        kept = off <= APART * max(spread, FAINT / APART)
    ground = (basis.reshape(-1, basis.shape[-1]) @ weights).reshape(lab.shape)
    found: NDArray[np.float64] = _length(lab - ground) / max(APART * spread, FAINT)
    return found


@lru_cache(maxsize=4)
def _second_order(height: int, width: int) -> tuple[NDArray[np.float64], Mask]:
    """Terms (h, w, 6) of a plane of second order over a photo, and the photo's border (h, w)."""
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    rim = max(2, round(RIM * min(height, width)))
    border = np.ones((height, width), np.bool_)
    border[rim:-rim, rim:-rim] = False
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=-1), border


def _length(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """(...) of vectors (..., 3)."""
    found: NDArray[np.float64] = np.sqrt(vectors[..., 0] ** 2 + vectors[..., 1] ** 2 + vectors[..., 2] ** 2)
    return found


def whole(mask: Mask) -> Mask:
    """A mask without pieces that are small beside its largest."""
    pieces, count = scipy.ndimage.label(mask)
    if not count:
        return mask
    sizes = np.bincount(pieces.ravel())[1:]
    kept: Mask = np.isin(pieces, 1 + np.flatnonzero(sizes >= LONE * sizes.max()))
    return kept


def _turn(mask: Mask) -> float:
    """Degrees in (-45, 45], counter-clockwise as seen, by which the smallest enclosing rectangle is turned."""
    points = _ends(mask)
    try:
        corners = points[scipy.spatial.ConvexHull(points).vertices]
    except scipy.spatial.QhullError:
        return 0.0
    edges = np.roll(corners, -1, axis=0) - corners
    angles = np.unique(np.round(np.degrees(np.arctan2(-edges[:, 1], edges[:, 0])) % 90.0, 2))
    best = min(angles.tolist(), key=lambda angle: _enclosed(corners, angle))
    return float(best - 90.0 if best > 45.0 else best)


def _ends(mask: Mask) -> NDArray[np.float64]:
    """(x, y) of the first and the last pixel of each row: no other can be a corner of what encloses the mask."""
    rows = np.flatnonzero(mask.any(axis=1))
    some = mask[rows]
    first, last = some.argmax(axis=1), mask.shape[1] - 1 - some[:, ::-1].argmax(axis=1)
    return np.stack([np.concatenate([first, last]), np.concatenate([rows, rows])], axis=1).astype(np.float64)


def _enclosed(corners: NDArray[np.float64], degrees: float) -> float:
    """Area of the rectangle around points whose sides are turned by so much."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    along = corners[:, 0] * cos - corners[:, 1] * sin
    across = corners[:, 0] * sin + corners[:, 1] * cos
    return float(np.ptp(along) * np.ptp(across))
