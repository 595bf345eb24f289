"""Aligns a photo with its best matching reference, so that a place can be shown and compared on both.

A product that does not fill its photo is found on both, which gives shift and scale; the turn is where the polar images
about its middle correlate most (Reddy and Chatterji 1996). A product that fills its photo keeps its turn and scale. The
shift is then refined about the region in question by normalised cross-correlation.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
import skimage
from numpy.typing import NDArray
from PIL import Image

from tools.describe.outline import notch_depth
from tools.parts.pose import ProductPose, find_product
from tools.types import RGB, Box, FloatMap, Region, Sample

ANGLES, RADII = 120, 32
"""Steps of the full circle, and of the radius, of polar images."""
REACH = 0.65
"""Radius of polar images, in square roots of the product's area."""
TURN_PRICE = 0.1
"""A turn must correlate by so much more than none, so that a round product is not turned at random."""
CONTEXT = 2.0
"""The place that is refined is so many times the region."""
LEAST = 0.25
"""It is never smaller than this share of the photo's shorter side."""
SLACK, PRODUCT_SLACK = 0.12, 0.04
"""It may lie so far away: as a share of its side, and of the product's size where the outline of both is known."""
GRID = 48
"""Pixels along its side at which it is looked for."""
SMALLEST_GAIN = 0.03
"""A shift is taken where the correlation rises by at least so much."""

LIGHT = 0.3
"""Weight of lightness beside a and b in polar images: light from one side does not turn with the product."""

Channels = NDArray[np.float64]


@dataclass(frozen=True)
class Alignment:
    """The similarity that takes points of a photo, x + iy in pixels, to those of a reference."""

    reference: int
    """Index of the reference."""
    turn: complex
    """Turn and scale."""
    shift: complex
    likeness: float
    """Normalised cross-correlation about the region, the region left out, in [-1, 1]."""
    agreement: float = 0.0
    """Correlation of the polar images of both products, in [-1, 1]; 0 where the product fills the photo."""

    @property
    def scale(self) -> float:
        """Pixels of the reference for one of the photo."""
        return abs(self.turn)

    @property
    def degrees(self) -> float:
        """Turn of the product from the photo to the reference, clockwise as seen, in (-180, 180]."""
        return math.degrees(cmath.phase(self.turn))

    def crop(self, reference: Sample, box: Box) -> RGB:
        """The place of the reference that corresponds to a box of the photo, turned and scaled as the photo.

        Args:
            reference: the one that `reference` is the index of.
            box: in pixels of the photo.

        Returns:
            RGB of the box's size in whole pixels; what lies outside of the reference continues its border.
        """
        x0, y0 = math.floor(box.x0), math.floor(box.y0)
        width, height = max(1, math.ceil(box.x1) - x0), max(1, math.ceil(box.y1) - y0)
        origin = self.turn * complex(x0, y0) + self.shift
        image, pad = reference.image, 0
        corners = [origin + self.turn * complex(x, y) for x in (0, width) for y in (0, height)]
        beyond = [max(-c.real, -c.imag, c.real - image.shape[1], c.imag - image.shape[0]) for c in corners]
        if max(beyond) > 0:
            pad = math.ceil(max(beyond)) + 2
            image = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
        a, b = self.turn.real, self.turn.imag
        affine = (a, -b, origin.real + pad, b, a, origin.imag + pad)
        moved = Image.fromarray(image).transform(
            (width, height), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR
        )
        return np.asarray(moved)


@dataclass(frozen=True, eq=False)
class ProductView:
    """A photo with its product."""

    sample: Sample
    pose: ProductPose

    @property
    def unit(self) -> float:
        """Size of the product, or of the photo where it fills that, in pixels."""
        width, height = self.sample.size
        return math.sqrt(width * height) if self.pose.fills else self.pose.unit

    @property
    def middle(self) -> complex:
        """Middle of the product, or of the photo where it fills that."""
        width, height = self.sample.size
        return complex(width / 2, height / 2) if self.pose.fills else complex(*self.pose.origin)

    @cached_property
    def polar(self) -> Channels:
        """(ANGLES, RADII, 3), CIELAB about the product's middle; each circle has mean 0, all together length 1."""
        angles = np.arange(ANGLES) * (2 * np.pi / ANGLES)
        radii = (np.arange(RADII) + 0.5) / RADII * REACH * self.unit
        x = self.middle.real + np.cos(angles)[:, None] * radii
        y = self.middle.imag + np.sin(angles)[:, None] * radii
        scale = min(1.0, 2 * RADII / (2 * REACH * self.unit))
        small = _resized(self.sample.image, scale)
        sampled = np.stack(
            [
                scipy.ndimage.map_coordinates(
                    small[..., c].astype(float), [y * scale, x * scale], order=1, mode="nearest"
                )
                for c in (0, 1, 2)
            ],
            axis=-1,
        )
        lab = skimage.color.rgb2lab(sampled / 255) * np.sqrt(radii)[None, :, None] * (LIGHT, 1.0, 1.0)
        # What is the same all around says nothing of the turn.
        lab = lab - lab.mean(axis=0)
        return np.asarray(lab / max(float(np.linalg.norm(lab)), 1e-9))


class ReferenceAligner:
    """Aligns photos with the references of one product."""

    def __init__(self, references: Sequence[Sample]) -> None:
        """Find the product on each reference.

        Args:
            references: photos of good parts; may be none.
        """
        self._references = [ProductView(reference, find_product(reference.image)) for reference in references]

    @cached_property
    def usual_notch(self) -> float:
        """Depth of the deepest notch in the outline of any reference, in square roots of the product's area."""
        return max((notch_depth(reference.pose.mask) for reference in self._references), default=0.0)

    def align(self, sample: Sample, region: Region) -> Alignment | None:
        """Align a photo with the reference that matches it best about a region; None without references."""
        photo = ProductView(sample, find_product(sample.image))
        place = _place(region.box, sample)
        aligned = [_refined(photo, view, number, place, region) for number, view in enumerate(self._references)]
        return max(aligned, key=lambda a: a.likeness + a.agreement, default=None)


def _refined(photo: ProductView, reference: ProductView, number: int, place: Box, region: Region) -> Alignment:
    """The alignment of the products, shifted to where the surroundings of the region correlate most."""
    turn, shift, agreement = _of_products(photo, reference)
    start = Alignment(number, turn, shift, 0.0, agreement)
    outlined = not (photo.pose.fills or reference.pose.fills)
    slack = PRODUCT_SLACK * photo.unit if outlined else SLACK * max(place.width, place.height)
    around = Box(place.x0 - slack, place.y0 - slack, place.x1 + slack, place.y1 + slack)
    scale = min(1.0, GRID / max(place.width, place.height))
    crop = photo.sample.image[int(place.y0) : int(place.y1), int(place.x0) : int(place.x1)]
    mine = _without_region(crop, place, region)
    wanted, field = _grey(mine, scale), _grey(start.crop(reference.sample, around), scale)
    if wanted.std() < 1.0 or any(f < w for f, w in zip(field.shape, wanted.shape, strict=True)):
        return start
    correlation = skimage.feature.match_template(field, wanted)
    middle = tuple(side // 2 for side in correlation.shape)
    best = np.unravel_index(int(correlation.argmax()), correlation.shape)
    if correlation[best] < correlation[middle] + SMALLEST_GAIN:
        best = middle
    moved = complex(float(best[1] - middle[1]), float(best[0] - middle[0])) / scale
    return Alignment(number, turn, shift + turn * moved, float(correlation[best]), agreement)


def _of_products(photo: ProductView, reference: ProductView) -> tuple[complex, complex, float]:
    """(turn, shift, agreement) that lay the product of a photo over that of a reference."""
    agreement = 0.0
    if photo.pose.fills or reference.pose.fills:
        turn = complex(reference.sample.size[0] / photo.sample.size[0])
    else:
        spectra = [np.fft.rfft(view.polar, axis=0) for view in (photo, reference)]
        # Highest where the photo, turned by so many steps, is like the reference.
        correlation = np.fft.irfft((spectra[1] * spectra[0].conj()).sum(axis=(1, 2)), ANGLES)
        step = int(correlation.argmax())
        if correlation[step] < correlation[0] + TURN_PRICE:
            step = 0
        turn, agreement = cmath.rect(reference.unit / photo.unit, 2 * math.pi * step / ANGLES), float(correlation[step])
    return turn, reference.middle - turn * photo.middle, agreement


def _place(box: Box, sample: Sample) -> Box:
    """A square about a region, in whole pixels inside the photo."""
    width, height = sample.size
    side = min(max(CONTEXT * max(box.width, box.height), LEAST * min(width, height)), width, height)
    x0, y0 = (
        float(round(min(max(middle - side / 2, 0.0), most - side)))
        for middle, most in zip(box.centre, (width, height), strict=True)
    )
    return Box(x0, y0, x0 + math.floor(side), y0 + math.floor(side))


def _without_region(crop: RGB, place: Box, region: Region) -> RGB:
    """A crop whose region has the median colour of the rest, so that a defect does not decide the alignment."""
    inside = np.zeros(crop.shape[:2], np.bool_)
    if region.mask is not None:
        inside = region.mask[int(place.y0) : int(place.y1), int(place.x0) : int(place.x1)]
    else:
        x0, y0 = max(int(region.box.x0 - place.x0), 0), max(int(region.box.y0 - place.y0), 0)
        inside[y0 : int(region.box.y1 - place.y0), x0 : int(region.box.x1 - place.x0)] = True
    if not inside.any() or inside.mean() > 0.7:
        return crop
    found = crop.copy()
    found[inside] = np.median(crop[~inside], axis=0).astype(np.uint8)
    return found


def _resized(image: RGB, scale: float) -> RGB:
    height, width = image.shape[:2]
    size = max(3, round(width * scale)), max(3, round(height * scale))
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(size, Image.Resampling.BOX))


def _grey(image: RGB, scale: float) -> FloatMap:
    grey: FloatMap = np.asarray(Image.fromarray(_resized(image, scale)).convert("L"), dtype=np.float32)
    return grey
