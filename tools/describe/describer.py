"""Describes a region: its shape, size, colour, edge, texture and position, measured without a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tools.describe.appearance import measure_appearance
from tools.describe.counterpart import Alignment, ReferenceAligner
from tools.describe.description import Attribute, RegionDescription
from tools.describe.outline import is_added, is_notch, product_about
from tools.describe.position import measure_border, measure_part, measure_position
from tools.describe.refinement import refine_region
from tools.describe.shape import MeasuredShape, measure_shape
from tools.errors import InputError
from tools.parts.pose import find_mask
from tools.types import RGB, AnomalyMap, Box, Mask, Part, Region, Sample

ALIKE = 0.6
"""A reference is compared with where its surroundings correlate with the photo's at least so much once aligned."""
SURE_OUTLINE = 0.85
"""Confidence of a notch and of added material."""


@dataclass(frozen=True, eq=False)
class DescribedRegion:
    """A region with its tight mask, what it looks like, and where it is on the best matching reference."""

    region: Region
    description: RegionDescription
    alignment: Alignment | None
    """None without references."""
    reference: Sample | None
    """The best matching reference; None likewise."""

    def counterpart(self, box: Box) -> RGB | None:
        """A place of the photo on the best matching reference, turned and scaled as the photo.

        None without a reference, and where the two are unlike about the region even when they are aligned.
        """
        if self.alignment is None or self.reference is None or self.alignment.likeness < ALIKE:
            return None
        return self.alignment.crop(self.reference, box)


class RegionDescriber:
    """Describes regions on photos of one product."""

    def __init__(self, references: Sequence[Sample]) -> None:
        """Find the product on each reference.

        Args:
            references: photos of good parts; may be none.
        """
        self._references = tuple(references)
        self._aligner = ReferenceAligner(references)

    def describe(
        self,
        sample: Sample,
        region: Region,
        maps: Sequence[AnomalyMap],
        *,
        mm_per_px: float | None = None,
        parts: Sequence[Part] = (),
    ) -> DescribedRegion:
        """Bound a region tightly, align the best matching reference with it, and describe it.

        Args:
            sample: the photo.
            region: a place that stands out on one of the maps.
            maps: of all matchers.
            mm_per_px: scale of the photo, where it is known.
            parts: named parts of the photo, with masks.

        Raises:
            InputError: the region lies outside of the photo, or the scale is not above 0.
        """
        refined = refine_region(sample, region, maps, self._aligner.usual_notch)
        alignment = self._aligner.align(sample, refined)
        reference = None if alignment is None else self._references[alignment.reference]
        found = describe(sample, refined, reference, alignment, mm_per_px=mm_per_px, parts=parts)
        return DescribedRegion(refined, found, alignment, reference)


def describe(
    sample: Sample,
    region: Region,
    reference: Sample | None = None,
    alignment: Alignment | None = None,
    *,
    mm_per_px: float | None = None,
    parts: Sequence[Part] = (),
) -> RegionDescription:
    """Describe a region of a photo.

    Args:
        sample: the photo.
        region: its mask is described; its box where it has none.
        reference: the reference that the alignment leads to.
        alignment: from `ReferenceAligner.align`; without it, or where the reference is unlike the photo about the
            region, the region is compared with its surroundings.
        mm_per_px: scale of the photo, where it is known.
        parts: named parts; the region lies on the one whose mask holds most of it.

    Raises:
        InputError: the region lies outside of the photo, or the scale is not above 0.
    """
    if mm_per_px is not None and not (math.isfinite(mm_per_px) and mm_per_px > 0):
        raise InputError(f"mm_per_px is {mm_per_px}; give millimetres for each pixel of the photo, such as 0.05.")
    mask = _mask_of(region, sample)
    product, fills = product_about(sample.image, mask)
    product_area = float(np.count_nonzero(product))
    unit = math.sqrt(product_area)
    other = None
    if reference is not None and alignment is not None and alignment.likeness >= ALIKE:
        width, height = sample.size
        other = alignment.crop(reference, Box(0, 0, width, height))
    shape = _with_outline(measure_shape(mask, unit), mask, product, None if other is None else find_mask(other)[0])
    appearance = measure_appearance(sample.image, mask, product, other)
    return RegionDescription(
        length_px=shape.length,
        width_px=shape.width,
        area_percent=100 * shape.area / product_area,
        compared_with=appearance.compared_with,
        length_mm=None if mm_per_px is None else shape.length * mm_per_px,
        width_mm=None if mm_per_px is None else shape.width * mm_per_px,
        shape=shape.shape,
        orientation=shape.orientation,
        course=shape.course,
        brightness=appearance.brightness,
        tint=appearance.tint,
        edge=appearance.edge,
        texture=appearance.texture,
        count=shape.count,
        position=measure_position(mask, product),
        border=None if fills else measure_border(mask, product, unit),
        part=measure_part(mask, parts),
    )


def _mask_of(region: Region, sample: Sample) -> Mask:
    if region.mask is not None and region.mask.any():
        return region.mask
    mask = np.zeros(sample.image.shape[:2], np.bool_)
    box = region.box.clipped(*sample.size)
    mask[int(box.y0) : math.ceil(box.y1), int(box.x0) : math.ceil(box.x1)] = True
    if not mask.any():
        raise InputError(
            f"the region {tuple(region.box)} lies outside of the photo of {sample.size[0]} x {sample.size[1]} pixels; "
            "give a box inside of it."
        )
    return mask


def _with_outline(shape: MeasuredShape, mask: Mask, product: Mask, reference: Mask | None) -> MeasuredShape:
    """The shape, which is a notch or added material where the region changes the product's outline."""
    if is_notch(mask, product) and (reference is None or reference.all() or (mask & reference).sum() * 2 > mask.sum()):
        return replace(shape, shape=Attribute("notch", SURE_OUTLINE), course=None)
    if reference is not None and is_added(mask, product, reference):
        return replace(shape, shape=Attribute("added_material", SURE_OUTLINE), course=None)
    return shape
