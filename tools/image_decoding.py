"""Decodes a photo's first frame: upright, in RGB, with its values where they have more than 8 bits."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tools.errors import InputError
from tools.image_files import FORMATS
from tools.image_traits import DAMAGED
from tools.pixel_values import PixelValues, ValueRange, common_range
from tools.types import RGB, Sample

_ORIENTATION, _PHOTOMETRIC = 0x0112, 262
"""Tags of EXIF and TIFF."""


def decode(name: object, picture: Image.Image, path: Path | None = None) -> Sample:
    """Decodes the first frame, turned as its EXIF says.

    Raises:
        InputError: pixels that are no numbers.
    """
    low, declared = _second_reading(picture), _declared_range(picture)
    picture.load()
    orientation, notes = orientation_of(picture), list[str]()
    values = _grey_values(name, picture, declared) if low is None else _deep_colour(picture, *low)
    if values is None:
        rgb = _rgb(picture, notes)
        image, value_range = np.array(upright(np.asarray(rgb), orientation), order="C"), None
    else:
        if values.alpha is not None and not values.alpha.any():
            values = replace(values, alpha=None)
            notes.append(_CLEAR)
        alpha = None if values.alpha is None else upright(values.alpha, orientation)
        values = replace(values, values=upright(values.values, orientation), alpha=alpha)
        value_range = common_range([values])
        image = values.to_rgb(value_range)
    return Sample(image, digest_of(image), path, values, value_range, orientation, tuple(notes))


_CLEAR = "its alpha channel is 0 everywhere, and was ignored"


def _rgb(picture: Image.Image, notes: list[str]) -> Image.Image:
    """The photo in RGB; transparency is laid on white, unless all of it is transparent."""
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        over = picture.convert("RGBA")
        if over.getchannel("A").getextrema() == (0, 0):
            notes.append(_CLEAR)
            return over.convert("RGB")
        picture = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _declared_range(picture: Image.Image) -> ValueRange | None:
    """The range of a PGM whose largest value Pillow scales to 65535; None of other formats."""
    scaled = any(tile.codec_name == "ppm" for tile in getattr(picture, "tile", ()))
    return (0.0, 65535.0) if scaled and picture.mode == "I" else None


def _grey_values(name: object, picture: Image.Image, declared: ValueRange | None) -> PixelValues | None:
    """The values as they are stored; None of a photo of 8 bits."""
    if not (picture.mode.startswith("I") or picture.mode == "F"):
        return None
    values, clear = np.asarray(picture), picture.info.get("transparency")
    bad = int(values.size - np.isfinite(values).sum())
    if bad:
        raise InputError(
            f"{name}: is a {picture.format or 'PIL image'} of 32-bit floats, {bad} pixels are NaN or infinite; "
            "accepted are finite numbers; replace them, for instance by 0."
        )
    alpha = (values != clear).astype(np.uint8) * 255 if isinstance(clear, int) else None
    white_is_low = getattr(picture, "tag_v2", {}).get(_PHOTOMETRIC) == 0
    return PixelValues(values, alpha, white_is_low, declared)


def _second_reading(picture: Image.Image) -> tuple[str, NDArray[np.uint8]] | None:
    """How a photo of 16-bit colours is stored, and a reading of it that gives the bytes that Pillow's own drops.

    None of other photos, and of one whose file is closed.
    """
    tiles, stream = getattr(picture, "tile", []), getattr(picture, "fp", None)
    stored = {stored_as(tile.args) for tile in tiles}
    if len(stored) != 1 or not (name := stored.pop()).endswith(DEEP_COLOURS) or stream is None:
        return None
    other = "RGBA" if name == _GREY_ALPHA else name[:-1] + ("L" if name.endswith("B") else "B")
    stream.seek(0)
    again = Image.open(stream, formats=FORMATS)
    again.tile = [t._replace(args=(other, *t.args[1:]) if isinstance(t.args, tuple) else other) for t in again.tile]
    return name, np.asarray(again)


_GREY_ALPHA = "LA;16B"
DEEP_COLOURS = (*(f"{bands};16{order}" for bands in ("RGB", "RGBA", "RGBX") for order in "BLN"), _GREY_ALPHA)
"""Pillow's names of how 16-bit colours are stored: B is big endian, L little endian, N this machine's own."""


def stored_as(arguments: object) -> str:
    """Pillow's name of how pixels are stored, from the arguments of a tile's decoder; "" where they state none."""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def _deep_colour(picture: Image.Image, stored: str, second: NDArray[np.uint8]) -> PixelValues:
    """16-bit values of both readings; of grey with alpha the second has all bytes, as four bands."""
    if stored == _GREY_ALPHA:
        return PixelValues(second[..., 0].astype(np.uint16) << 8 | second[..., 1], second[..., 2])
    high, clear = np.asarray(picture), picture.info.get("transparency")
    values = high[..., :3].astype(np.uint16) << 8 | second[..., :3]
    alpha = high[..., 3] if picture.mode == "RGBA" else None
    if alpha is None and isinstance(clear, tuple):
        alpha = (values != np.array(clear, np.uint16)).any(axis=2).astype(np.uint8) * 255
    return PixelValues(values, alpha)


def orientation_of(picture: Image.Image) -> int:
    """EXIF orientation 1 to 8; a photo whose EXIF block is damaged is taken as it lies."""
    try:
        stated = picture.getexif().get(_ORIENTATION, 1)
    except DAMAGED:
        return 1
    return stated if isinstance(stated, int) else 1


def upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Pixels as EXIF's orientation wants them shown.

    Args:
        array: (H, W, ...), as stored.
        orientation: 1 to 8; anything else leaves it as it is.

    >>> upright(np.array([[1, 2], [3, 4]]), 6).tolist(), upright(np.array([[1, 2]]), 3).tolist()
    ([[3, 1], [4, 2]], [[2, 1]])
    """
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return array


def digest_of(image: RGB) -> str:
    """SHA-256 (hex) of pixels and their size."""
    content = hashlib.sha256(struct.pack("<2Q", *image.shape[:2]))
    content.update(np.ascontiguousarray(image).data)
    return content.hexdigest()
