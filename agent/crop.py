"""Cuts the place of a hypothesis, and the same place on the good part that is nearest to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.types import RGB, Box, Sample

CONTEXT = 2.0
"""A crop is so many times the size of the suspect region, so that its surroundings are seen."""
LEAST = 0.25
"""A crop is never smaller than this share of the photo's shorter side."""


@dataclass(frozen=True, eq=False)
class CropPair:
    """A place on the photo, and on a reference."""

    box: Box
    crop: RGB
    reference: RGB | None
    reference_name: str | None
    other: RGB | None
    """The same place on a second reference, or on the first again: what "good beside good" looks like."""


def crop_box(box: Box, sample: Sample) -> Box:
    """A square about a region, with context, whole pixels, moved inside the photo."""
    width, height = sample.size
    side = max(CONTEXT * max(box.width, box.height), LEAST * min(width, height))
    side = float(round(min(side, width, height)))
    cx, cy = box.centre
    x0 = float(round(min(max(cx - side / 2, 0.0), width - side)))
    y0 = float(round(min(max(cy - side / 2, 0.0), height - side)))
    return Box(x0, y0, x0 + side, y0 + side)


def cut(sample: Sample, box: Box) -> RGB:
    """The pixels of a box."""
    return sample.image[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)]


def crop_pair(sample: Sample, box: Box, references: tuple[Sample, ...]) -> CropPair:
    """The place on the photo beside the same place on the reference that is most alike there."""
    crop = cut(sample, box)
    if not references:
        return CropPair(box, crop, None, None, None)
    places = [cut(r, _on(r, box, sample)) for r in references]
    nearest = sorted(range(len(places)), key=lambda n: _difference(crop, places[n]))
    best, second = nearest[0], nearest[min(1, len(nearest) - 1)]
    return CropPair(box, crop, places[best], references[best].name, places[second])


def _on(reference: Sample, box: Box, sample: Sample) -> Box:
    """The same relative place on a photo of another size."""
    sx, sy = reference.size[0] / sample.size[0], reference.size[1] / sample.size[1]
    x0, y0 = int(box.x0 * sx), int(box.y0 * sy)
    return Box(x0, y0, max(x0 + 1, int(box.x1 * sx)), max(y0 + 1, int(box.y1 * sy)))


def _difference(a: RGB, b: RGB, side: int = 16) -> float:
    """Mean absolute difference of two crops at a coarse size, on [0, 255]."""
    from PIL import Image

    small = [
        np.asarray(Image.fromarray(x).resize((side, side), Image.Resampling.BOX), dtype=np.float32) for x in (a, b)
    ]
    return float(np.abs(small[0] - small[1]).mean())
