"""Draws findings on a photo, and places their labels where they hide nothing and are legible on any background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tools.types import RGB, AnomalyMap, Box, Mask, Region

STEP = 6
"""Pixels between the places that are tried for a plate."""
COVERS = 3.0
"""What covering a shown thing entirely costs, in plates' widths of distance."""
GAP = 3.0
"""Pixels between a plate and the box that it names."""


@dataclass(frozen=True)
class Plate:
    """One label's place."""

    box: Box
    leader: tuple[tuple[float, float], tuple[float, float]] | None
    """From the plate to what it names, where it is not right beside it."""


def placed(
    sizes: Sequence[tuple[float, float]], boxes: Sequence[Box], shown: Sequence[Box], size: tuple[int, int]
) -> list[Plate]:
    """A plate for each box, in the order given; earlier ones have the choice.

    Args:
        sizes: (width, height) of the plates, each at most that of the picture.
        boxes: what they name.
        shown: everything that is drawn and had better be seen.
        size: (width, height) of the picture.
    """
    taken: list[Box] = []
    found = []
    for (width, height), box in zip(sizes, boxes, strict=True):
        plate = _best(width, height, box, shown, taken, size)
        taken.append(plate)
        found.append(Plate(plate, _leader(plate, box)))
    return found


def _best(
    width: float, height: float, box: Box, shown: Sequence[Box], taken: Sequence[Box], size: tuple[int, int]
) -> Box:
    """The cheapest place: near its box, off the others; on a plate only where there is no other room."""
    right, bottom = max(size[0] - width, 0.0), max(size[1] - height, 0.0)
    xs = np.unique(np.clip([*np.arange(0, right + STEP, STEP), box.x0, box.x1 - width, box.x1 + GAP], 0, right))
    ys = np.unique(np.clip([*np.arange(0, bottom + STEP, STEP), box.y0 - height - GAP, box.y1 + GAP], 0, bottom))
    x, y = (v.ravel() for v in np.meshgrid(xs, ys))
    places = np.stack([x, y, x + width, y + height], axis=1)
    across = np.maximum(0, np.maximum(places[:, 0] - box.x1, box.x0 - places[:, 2]))
    down = np.maximum(0, np.maximum(places[:, 1] - box.y1, box.y0 - places[:, 3]))
    # Above is where people look first; a plate that starts with its box reads as its title.
    cost = np.hypot(across, down) + 0.05 * np.abs(places[:, 0] - box.x0) + 2.0 * (places[:, 1] > box.y0)
    area = width * height
    for other in shown:
        cost = cost + COVERS * width * _shared(places, other) / area
    for other in taken:
        cost = cost + 1e6 * _shared(places, other.grown(1.02)) / area
    return Box(*places[int(cost.argmin())].tolist())


def _shared(places: NDArray[np.float64], other: Box) -> NDArray[np.float64]:
    """(N,): area that each place has in common with a box."""
    across = np.minimum(places[:, 2], other.x1) - np.maximum(places[:, 0], other.x0)
    down = np.minimum(places[:, 3], other.y1) - np.maximum(places[:, 1], other.y0)
    found: NDArray[np.float64] = np.maximum(across, 0) * np.maximum(down, 0)
    return found


def _leader(plate: Box, box: Box) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """The shortest line between a plate and its box; None where they all but touch."""
    xs = _between(plate.x0, plate.x1, box.x0, box.x1)
    ys = _between(plate.y0, plate.y1, box.y0, box.y1)
    apart = np.hypot(xs[1] - xs[0], ys[1] - ys[0])
    return None if apart <= 2 * GAP else ((xs[0], ys[0]), (xs[1], ys[1]))


def _between(a0: float, a1: float, b0: float, b1: float) -> tuple[float, float]:
    """Nearest values of two ranges; where they overlap, the middle of what they share."""
    low, high = max(a0, b0), min(a1, b1)
    if low <= high:
        return (low + high) / 2, (low + high) / 2
    return (a1, b0) if a1 < b0 else (a0, b1)


PALETTE: tuple[tuple[int, int, int], ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (204, 121, 167),
    (0, 114, 178),
    (213, 94, 0),
)
"""Okabe and Ito (2008), without black; told apart under every common colour blindness."""
LEAST_SIDE = 640
"""Smaller photos are enlarged until their longer side has so many pixels."""
HEAT = ((255, 230, 120), (213, 94, 0), (120, 0, 60))
"""Colours of the map from its visible foot to its summit; darker is higher, also in grey."""
FOOT = 0.5
"""Of the map's height above its median: below this nothing is shown."""
DASH = 4
"""Lines' widths of a dash around what is absent, and of the gap after it."""
PAD = 4
"""Pixels around the text of a label."""
OPAQUE = 0.55
"""Share of the map's colour at its summit."""


def overlay(
    image: RGB, regions: Sequence[Region], *, labels: Sequence[str] = (), score_map: AnomalyMap | None = None
) -> RGB:
    """The photo with a map where it is high, outlines of masks, boxes and labels.

    Args:
        image: (H, W, 3).
        regions: drawn in the palette's order; the first is drawn last and so lies on top. Absent parts are dashed.
        labels: a word for each region; missing ones are left out.
        score_map: a map of the same photo, or None.

    Returns:
        (h, w, 3) in the photo's proportions, its longer side 640 pixels or more.
    """
    height, width = image.shape[:2]
    scale = max(1.0, LEAST_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    base = Image.fromarray(image).resize(size, Image.Resampling.LANCZOS)
    if score_map is not None:
        base = _heated(base, score_map)
    pen = ImageDraw.Draw(base)
    line = max(2, round(max(size) / 320))
    font = _font(max(13, round(max(size) / 46)))
    for index, region in reversed(list(enumerate(regions))):
        _draw(base, region, _scaled(region.box, scale, size), PALETTE[index % len(PALETTE)], line)
    named = [n for n, label in enumerate(labels[: len(regions)]) if label]
    boxes = [_scaled(region.box, scale, size) for region in regions]
    sizes = [_size(pen, labels[n], font, size) for n in named]
    for n, plate in zip(named, placed(sizes, [boxes[n] for n in named], boxes, size), strict=True):
        colour = PALETTE[n % len(PALETTE)]
        if plate.leader is not None:
            pen.line(plate.leader, fill=(0, 0, 0), width=line + 2)
            pen.line(plate.leader, fill=colour, width=line)
        _plate(pen, plate.box, labels[n], font, colour)
    return np.asarray(base).copy()


def _draw(base: Image.Image, region: Region, box: Box, colour: tuple[int, int, int], line: int) -> None:
    """Draws a region's box and outline; of an absent part its outline, or its box without one, dashed."""
    drawn = base.copy() if region.absent else base
    outlined = region.mask is not None and region.mask.any()
    if region.mask is not None and outlined:
        _outline(drawn, region.mask, colour, line)
    if not (region.absent and outlined):
        _rectangle(ImageDraw.Draw(drawn), box, colour, line)
    if region.absent:
        rows, columns = np.indices((base.height, base.width))
        base.paste(drawn, mask=_stencil((rows + columns) // (DASH * line) % 2 == 0))


def _font(height: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, so that a drawing is the same on every machine."""
    return ImageFont.load_default(height)


def _scaled(box: Box, scale: float, size: tuple[int, int]) -> Box:
    return Box(*(v * scale for v in box)).clipped(size[0] - 1, size[1] - 1)


def _heated(base: Image.Image, score_map: AnomalyMap) -> Image.Image:
    """Blends the map in where it is in the upper half of its own range; a flat map leaves the photo as it is."""
    values = score_map.values
    low, high = float(np.median(values)), float(values.max())
    foot = low + FOOT * (high - low)
    if high - foot < 1e-6:
        return base
    fine = Image.fromarray(values).resize(base.size, Image.Resampling.BILINEAR)
    level = np.clip((np.asarray(fine) - foot) / (high - foot), 0.0, 1.0)
    colours = np.asarray(HEAT, dtype=np.float64)
    stops = np.linspace(0.0, 1.0, len(colours))
    heat = np.stack([np.interp(level, stops, colours[:, c]) for c in range(3)], axis=-1)
    share = (OPAQUE * np.sqrt(level))[..., None]
    blended = (1 - share) * np.asarray(base) + share * heat
    return Image.fromarray(np.rint(blended).astype(np.uint8))


def _outline(base: Image.Image, mask: Mask, colour: tuple[int, int, int], line: int) -> None:
    """Draws the inner edge of a mask, with a dark seam outside it."""
    whole = Image.fromarray(mask.astype(np.uint8) * 255).resize(base.size, Image.Resampling.BILINEAR)
    fine = np.asarray(whole) > 127
    inner, outer = _eroded(fine, line), ~_eroded(~fine, 1)
    base.paste((0, 0, 0), mask=_stencil(outer & ~fine))
    base.paste(colour, mask=_stencil(fine & ~inner))


def _eroded(mask: Mask, pixels: int) -> Mask:
    eroded: NDArray[np.bool_] = scipy.ndimage.binary_erosion(mask, iterations=pixels, border_value=1)
    return eroded


def _stencil(mask: Mask) -> Image.Image:
    return Image.fromarray(mask.astype(np.uint8) * 255)


def _rectangle(pen: ImageDraw.ImageDraw, box: Box, colour: tuple[int, int, int], line: int) -> None:
    """A box in its colour between two dark seams, so that it is seen on light and on dark."""
    x0, y0, x1, y1 = (round(v) for v in box)
    pen.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=(0, 0, 0), width=line + 2)
    pen.rectangle((x0, y0, x1, y1), outline=colour, width=line)


def _size(
    pen: ImageDraw.ImageDraw, label: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, size: tuple[int, int]
) -> tuple[float, float]:
    """Width and height of a label's plate, at most those of the picture."""
    left, top, right, bottom = pen.textbbox((0, 0), label, font=font)
    return min(right - left + 2 * PAD, size[0]), min(bottom - top + 2 * PAD, size[1])


def _plate(
    pen: ImageDraw.ImageDraw,
    plate: Box,
    label: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    colour: tuple[int, int, int],
) -> None:
    """Text on a plate of the region's colour, black or white by the plate's lightness."""
    red, green, blue = colour
    text = (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 110 else (255, 255, 255)
    left, top, _, _ = pen.textbbox((0, 0), label, font=font)
    pen.rectangle(tuple(plate), fill=colour, outline=(0, 0, 0))
    pen.text(
        (plate.x0 + PAD - left, plate.y0 + PAD - top),
        _fitting(pen, label, font, plate.width - 2 * PAD),
        fill=text,
        font=font,
    )


def _fitting(
    pen: ImageDraw.ImageDraw, label: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float
) -> str:
    """The label, cut short with an ellipsis where the picture is narrower than it."""
    if pen.textlength(label, font=font) <= width + 1:
        return label
    while label and pen.textlength(label + "...", font=font) > width:
        label = label[:-1]
    return label + "..."
