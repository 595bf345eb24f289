"""The typed values that tools take and return; layouts are stated once, here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tools.display_text import display_text
from tools.pixel_values import PixelValues, ValueRange

RGB = NDArray[np.uint8]
"""An upright colour image: uint8, (H, W, 3), values in [0, 255]."""

Mask = NDArray[np.bool_]
"""Which pixels belong: bool, (H, W)."""

FloatMap = NDArray[np.float32]
"""A value for each pixel: float32, (H, W)."""

Source = Literal["text", "reference", "tracer", "differ", "together"]
"""What a patch matcher compares with: words, the references patch by patch, what damage looks like on any product, the
references as a whole, or all of these."""


class Box(NamedTuple):
    """A box in pixels of the upright image, x to the right and y down; x1 and y1 are exclusive."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """Width in pixels, never negative."""
        return max(0.0, self.x1 - self.x0)

    @property
    def height(self) -> float:
        """Height in pixels, never negative."""
        return max(0.0, self.y1 - self.y0)

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return self.width * self.height

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of the middle, in pixels."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def clipped(self, width: float, height: float) -> Box:
        """This box cut to an image of that size."""
        return Box(
            min(max(self.x0, 0.0), width),
            min(max(self.y0, 0.0), height),
            min(max(self.x1, 0.0), width),
            min(max(self.y1, 0.0), height),
        )

    def grown(self, factor: float) -> Box:
        """This box scaled about its centre; 2.0 doubles each side."""
        cx, cy = self.centre
        w, h = self.width * factor / 2, self.height * factor / 2
        return Box(cx - w, cy - h, cx + w, cy + h)

    def iou(self, other: Box) -> float:
        """Intersection over union with another box, in [0, 1].

        >>> Box(0, 0, 2, 2).iou(Box(1, 0, 3, 2))
        0.3333333333333333
        """
        w = min(self.x1, other.x1) - max(self.x0, other.x0)
        h = min(self.y1, other.y1) - max(self.y0, other.y0)
        shared = max(0.0, w) * max(0.0, h)
        union = self.area + other.area - shared
        return shared / union if union > 0 else 0.0


@dataclass(frozen=True, eq=False)
class Sample:
    """One photo as every tool sees it."""

    image: RGB
    """Upright, RGB, uint8, (H, W, 3)."""
    digest: str
    """SHA-256 (hex) of the decoded pixels and their size: the key of every cache."""
    path: Path | None = None
    """Where it was read from; None for an array handed over in Python."""
    values: PixelValues | None = None
    """What `image` was scaled from, until the range of its product is known; None of a photo of 8 bits."""
    value_range: ValueRange | None = None
    """The pixel values that became black and white in `image`; None of a photo of 8 bits."""
    orientation: int = 1
    """EXIF orientation that was undone: 1 as stored, to 8."""
    notes: tuple[str, ...] = ()
    """What a reader of a report must know of how the photo was read, each without its name and full stop."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.image.shape[1], self.image.shape[0]

    @property
    def name(self) -> str:
        """File name in characters that can be shown, or the first digits of the digest."""
        return display_text(self.path.name) if self.path else self.digest[:12]


@dataclass(frozen=True, eq=False)
class Region:
    """A place on a photo with how much it stands out."""

    box: Box
    score: float
    """In [0, 1] for a map's region, a detection confidence for a part."""
    mask: Mask | None = None
    """(H, W) of the whole photo, or None where only the box is known."""
    absent: bool = False
    """Whether it is the place of a part that is missing; the mask is then the outline that the part should have."""

    def highest(self, values: FloatMap) -> float:
        """Return the largest value inside the mask, or inside the box where there is no mask.

        Args:
            values: (H, W) of the photo; a region without a pixel counts as the pixel nearest to its corner.

        >>> Region(Box(1.4, 0.2, 1.8, 0.9), 0.5).highest(np.array([[0, 5], [0, 0]], dtype=np.float32))
        5.0
        >>> Region(Box(2.0, 2.0, 2.0, 2.0), 0.5).highest(np.array([[0, 5], [0, 3]], dtype=np.float32))
        3.0
        """
        if len(self._inside):
            return float(values.ravel()[self._inside].max())
        height, width = values.shape
        x0, y0, x1, y1 = self.box.clipped(width, height)
        left, top = min(int(x0), width - 1), min(int(y0), height - 1)
        right, bottom = max(math.ceil(x1), left + 1), max(math.ceil(y1), top + 1)
        return float(values[top:bottom, left:right].max())

    @cached_property
    def _inside(self) -> NDArray[np.intp]:
        """Pixels of the mask, counted row by row; none where there is no mask."""
        return np.flatnonzero(() if self.mask is None else self.mask)


@dataclass(frozen=True, eq=False)
class AnomalyMap:
    """How anomalous each pixel looks to one matcher."""

    values: FloatMap
    """(H, W) of the photo, in [0, 1]; higher is more anomalous."""
    image_score: float
    """One number for the photo, in [0, 1]."""
    source: Source
    """Which matcher made it."""
    raw: FloatMap | None = None
    """(H, W) in the matcher's own unit before it was squeezed into [0, 1]: for "reference" the cosine distance above
    the photo's own level, below 0 for most of it; None for "text", whose values are its own unit."""
    raw_score: float | None = None
    """The matcher's own image score, in the unit of `raw`; None where `image_score` is that."""
    of_worst: float = 1.0
    """By how much the matcher's own image score falls when its worst place does, in [0, 1]."""
    median_distance: float | None = None
    """Median distance of the photo's patches from the nearest ones of the references; None where it is not measured."""

    @property
    def own_score(self) -> float:
        """The image score in the matcher's own unit."""
        return self.image_score if self.raw_score is None else self.raw_score

    def own_score_at(self, region: Region) -> float:
        """What the image score, in the matcher's own unit, would be if a region were the worst place."""
        return self.own_score - self.of_worst * (self._highest - self.raw_in(region))

    @cached_property
    def _highest(self) -> float:
        return float((self.values if self.raw is None else self.raw).max())

    def raw_in(self, region: Region) -> float:
        """The largest raw value inside a region's mask, or inside its box where it has no mask.

        Args:
            region: a place on the same photo; one without a pixel counts as the pixel nearest to its middle.
        """
        return region.highest(self.values if self.raw is None else self.raw)


@dataclass(frozen=True)
class Measures:
    """What can be measured of one part; lengths in pixels of the photo."""

    area: float
    """Mask area in square pixels."""
    length: float
    """Extent along the main axis."""
    width: float
    """Extent across the main axis."""
    angle: float
    """Of the main axis against the x axis, degrees in (-90, 90], counter-clockwise as seen."""
    centroid: tuple[float, float]
    """(x, y) in pixels."""
    lab: tuple[float, float, float]
    """Mean CIELAB colour: L in [0, 100], a and b about [-128, 127]."""
    colour: str
    """The nearest basic colour name."""
    place: tuple[float, float] | None = None
    """Centroid in product coordinates: from the middle of the product's mask, x to the product's own right, y down,
    axes turned with the product, in units of the square root of the product's area; None without a product mask."""
    turn: float | None = None
    """Of the main axis against the product's, degrees in (-90, 90], counter-clockwise as seen; None likewise."""
    relative_area: float | None = None
    """Area as a share of the product's; None likewise."""
    relative_length: float | None = None
    """Length in the units of `place`; None likewise."""
    heading: tuple[float, float] | None = None
    """From the part's middle to the middle of its light, (x, y) in units of the square root of its area; along the axes
    of the photo, or of the product where `place` is known. Tells which way round a part lies whose outline does not."""


@dataclass(frozen=True, eq=False)
class Part:
    """One thing that the grounder found, with its mask and measures once known."""

    label: str
    """The phrase it was found by."""
    region: Region
    measures: Measures | None = None
