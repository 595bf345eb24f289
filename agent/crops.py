"""Cuts the place of a hypothesis, and the same place, aligned, on the good part that is nearest to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.types import RGB, Box, FloatMap, Sample

CONTEXT = 2.0
"""A crop is so many times the size of the suspect region, so that its surroundings are seen."""
LEAST = 0.25
"""A crop is never smaller than this share of the photo's shorter side."""
SLACK = 0.15
"""A part may lie so far from where it lies on the photo, as a share of the crop's side, to either side."""
COARSE = 32
"""Pixels along a crop's side at which places are aligned."""


@dataclass(frozen=True, eq=False)
class CropPair:
    """A place on the photo, and on a reference."""

    box: Box
    crop: RGB
    reference: RGB | None
    reference_name: str | None
    other: RGB | None
    """The same place on a second reference, or on the first again: what "good beside good" looks like."""
    good: tuple[RGB, ...] = ()
    """The same place on every reference, the most alike first."""

    @property
    def beside(self) -> CropPair | None:
        """A good part beside a good part, as a pair of its own; None where no good part is known."""
        if self.reference is None or self.other is None:
            return None
        return CropPair(self.box, self.reference, self.other, self.reference_name, self.other)


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
    """The place on the photo beside the same place on the reference that is most alike there.

    On each reference the place is looked for a little to all sides, since parts do not lie on the pixel.
    """
    crop = cut(sample, box)
    if not references:
        return CropPair(box, crop, None, None, None)
    places = [cut(r, aligned(crop, r, _on(r, box, sample))) for r in references]
    small = _small(crop)
    nearest = sorted(range(len(places)), key=lambda n: float(np.abs(small - _small(places[n])).mean()))
    best, second = nearest[0], nearest[min(1, len(nearest) - 1)]
    good = tuple(places[n] for n in nearest)
    return CropPair(box, crop, places[best], references[best].name, places[second], good)


def aligned(crop: RGB, reference: Sample, box: Box) -> Box:
    """The box on a reference, moved to where it looks most like a crop: by normalised cross-correlation, coarsely.

    Args:
        crop: (h, w, 3).
        reference: a good photo.
        box: where the place should be on it.

    Returns:
        A box of the same size, in whole pixels, inside the reference.
    """
    from skimage.feature import match_template

    width, height = reference.size
    slack = round(SLACK * max(box.width, box.height))
    around = Box(box.x0 - slack, box.y0 - slack, box.x1 + slack, box.y1 + slack).clipped(width, height)
    scale = COARSE / max(box.width, box.height)
    field, wanted = _grey(cut(reference, around), scale), _grey(crop, scale, (box.width, box.height))
    if field.shape[0] < wanted.shape[0] or field.shape[1] < wanted.shape[1] or wanted.std() < 1.0:
        return box
    likeness = match_template(field, wanted)
    row, column = np.unravel_index(int(likeness.argmax()), likeness.shape)
    x0 = min(max(around.x0 + round(float(column) / scale), 0.0), width - box.width)
    y0 = min(max(around.y0 + round(float(row) / scale), 0.0), height - box.height)
    return Box(x0, y0, x0 + box.width, y0 + box.height)


def _grey(image: RGB, scale: float, size: tuple[float, float] | None = None) -> FloatMap:
    """A small grey copy; of an image that is to be as large as `size` first."""
    from PIL import Image

    width, height = size or (image.shape[1], image.shape[0])
    small = (max(3, round(width * scale)), max(3, round(height * scale)))
    grey = Image.fromarray(np.ascontiguousarray(image)).convert("L").resize(small, Image.Resampling.BOX)
    return np.asarray(grey, dtype=np.float32)


def _on(reference: Sample, box: Box, sample: Sample) -> Box:
    """The same relative place on a photo of another size."""
    sx, sy = reference.size[0] / sample.size[0], reference.size[1] / sample.size[1]
    x0, y0 = int(box.x0 * sx), int(box.y0 * sy)
    return Box(x0, y0, max(x0 + 1, int(box.x1 * sx)), max(y0 + 1, int(box.y1 * sy)))


def _small(crop: RGB, side: int = 16) -> FloatMap:
    """A crop at a coarse size, (side, side, 3) on [0, 255]."""
    from PIL import Image

    return np.asarray(Image.fromarray(crop).resize((side, side), Image.Resampling.BOX), dtype=np.float32)
