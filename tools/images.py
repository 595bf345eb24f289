"""Reads photos as every tool sees them: upright, RGB, 8 bit; one sentence refuses what cannot be inspected."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from tools.errors import InputError
from tools.image_decoding import DEEP_COLOURS, decode, digest_of, stored_as
from tools.image_files import ACCEPTED, FORMATS, folder_entries
from tools.image_traits import DAMAGED, content_of, page_note, refuse_bands, refuse_raw, tiff_trait
from tools.pixel_values import ValueRange, are_fractions, common_range, unlike_references
from tools.types import RGB, Sample

SMALLEST_SIDE = 16
"""Pixels; anything smaller has nothing to inspect."""
LARGEST_AREA = 100_000_000
"""Pixels; a larger photo is refused by its header, before it is decoded."""
LARGEST_DECODED = 1_600_000_000
"""Bytes that the largest photo takes while it is decoded, all copies together."""
_BYTES = {"1": 12, "L": 12, "P": 12, "RGB": 11, "YCbCr": 15, "LAB": 15, "HSV": 15, "CMYK": 15, "I;16": 18, "F": 22}
"""By mode: bytes of one pixel in the decoded photo and in the copies that make it upright, RGB and an array."""
_BYTES_OTHERWISE = 27
"""The same for transparency and for modes that are not listed."""
_DENSEST_JPEG = 2_000
"""Pixels for each byte of a JPEG; a photo of one even colour has some 400, and one without data any number."""
_DEEP_COLOUR = 36
"""The same for colours of 16 bits, which are decoded twice."""
_standard_error = threading.Lock()
"""Held while standard error leads nowhere, which holds for the whole process."""


def load_sample(path: Path) -> Sample:
    """Reads one photo.

    EXIF rotation is applied; of an animation or a document the first page is taken; transparency is laid on white;
    values of more than 8 bits are kept, and scaled by the range that the photo itself seems to use: `in_range` scales
    them by that of a product.

    Args:
        path: a file of one of the accepted formats, whatever its name says.

    Raises:
        InputError: no such file, no photo, damaged, smaller than 16 pixels or larger than 100 megapixels.
    """
    head = _head(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path, formats=FORMATS) as picture:
                _check_size(path, *picture.size)
                refuse_raw(path, picture)
                refuse_bands(path, picture)
                _check_bytes(path, picture)
                with _no_lines_of_libtiff(picture):
                    sample = decode(path, picture, path)
                    return replace(sample, notes=(*sample.notes, *page_note(path, picture.format)))
        except Image.DecompressionBombError as error:
            pixels = re.search(r"\d{7,}", str(error))
            raise _too_large(path, f"{int(pixels.group()) // 1_000_000}" if pixels else "too many") from error
        except UnidentifiedImageError as error:
            raise _unknown(path, head) from error
        except DAMAGED as error:
            raise InputError(
                f"{path}: is damaged or cut short ({_brief(error)}); copy it again from its source, or export it "
                f"again as one of {ACCEPTED}."
            ) from error


def _unknown(path: Path, head: bytes) -> InputError:
    """What a file holds that Pillow does not read, with its trait where that is known."""
    found = content_of(head)
    trait = tiff_trait(path) if found == "a TIFF" else None
    if trait is not None:
        return InputError(
            f"{path}: is a TIFF of {trait}, which is not read; accepted are 1 band of up to 16 bits or of 32-bit "
            "numbers, and 3 or 4 bands of 8 or 16 bits; export it again so."
        )
    return InputError(
        f"{path}: holds {found}, not a photo that can be read; accepted are {ACCEPTED}; export it again in one of "
        "these."
    )


def decoded_bytes(path: Path) -> int:
    """Bytes that a photo takes while it is decoded, all copies together; its header alone is read.

    Raises:
        InputError: no such file, or no photo.
    """
    head = _head(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path, formats=FORMATS) as picture:
                return _peak(picture)
        except Image.DecompressionBombError as error:
            raise _too_large(path, "too many") from error
        except DAMAGED as error:
            raise InputError(f"{path}: holds {content_of(head)} or is damaged; accepted are {ACCEPTED}.") from error


def sample_from_array(array: NDArray[Any], path: Path | None = None) -> Sample:
    """Takes a photo that is decoded already; the array is copied.

    Args:
        array: (H, W, 3), uint8, RGB, upright.
        path: where it came from, for names in reports.

    Raises:
        InputError: another shape or type, smaller than 16 pixels or larger than 100 megapixels.
    """
    found = f"an array of {getattr(array, 'dtype', type(array).__name__)}, shape {getattr(array, 'shape', '()')}"
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise InputError(
            f"{found} was given as a photo; accepted is uint8 of shape (height, width, 3) in RGB; convert it, for "
            "instance by numpy.asarray(picture.convert('RGB'))."
        )
    _check_size(path or found, array.shape[1], array.shape[0])
    image: RGB = np.array(array, dtype=np.uint8, order="C", copy=True)
    return Sample(image, digest_of(image), path)


def sample_from_picture(picture: Image.Image) -> Sample:
    """Takes a PIL image of any mode; EXIF rotation, transparency and depths are treated as in a file.

    Raises:
        InputError: damaged, smaller than 16 pixels or larger than 100 megapixels.
    """
    name = f"a PIL image of mode {picture.mode}"
    _check_size(name, *picture.size)
    try:
        return decode(name, picture)
    except DAMAGED as error:
        raise InputError(f"{name}: cannot be decoded ({_brief(error)}); open its file again.") from error


def _head(path: Path) -> bytes:
    """The first bytes of a file that exists, is a file and may be read."""
    try:
        if path.is_dir():
            folder_entries(path)
            raise InputError(f"{path}: is a folder, not a photo; name a file in it, such as {path}/photo.png.")
        if not path.is_file():
            kind = "is not a regular file" if path.exists() else "no such file"
            raise InputError(f"{path}: {kind}; give the path of a photo ({ACCEPTED}).")
        with path.open("rb") as stream:
            return stream.read(512)
    except (OSError, ValueError) as error:
        raise InputError(f"{path!s}: cannot be read ({_brief(error)}); check the path and its permissions.") from error


def _check_size(name: object, width: int, height: int) -> None:
    if width * height > LARGEST_AREA:
        raise _too_large(name, f"{width} x {height} = {width * height // 1_000_000}")
    if min(width, height) < SMALLEST_SIDE:
        raise InputError(
            f"{name}: is {width} x {height} pixels, too small to inspect; accepted are at least {SMALLEST_SIDE} "
            "pixels a side; give the original photo."
        )


def _peak(picture: Image.Image) -> int:
    if any(stored_as(tile.args).endswith(DEEP_COLOURS) for tile in getattr(picture, "tile", ())):
        return picture.width * picture.height * _DEEP_COLOUR
    bytes_each = _BYTES_OTHERWISE if "transparency" in picture.info else _BYTES.get(picture.mode, _BYTES_OTHERWISE)
    return picture.width * picture.height * bytes_each


def _check_bytes(path: Path, picture: Image.Image) -> None:
    """Refuse by its header a photo that takes too much memory, or a JPEG that has too little data for its size."""
    pixels, peak = picture.width * picture.height, _peak(picture)
    if peak > LARGEST_DECODED:
        raise InputError(
            f"{path}: takes {peak // 1_000_000} MB while it is decoded ({picture.width} x {picture.height}, mode "
            f"{picture.mode}); accepted are at most {LARGEST_DECODED // 1_000_000}; scale it down."
        )
    size = path.stat().st_size
    if picture.format == "JPEG" and pixels > _DENSEST_JPEG * size:
        raise InputError(
            f"{path}: is damaged or cut short ({size} bytes for {picture.width} x {picture.height} pixels); copy it "
            f"again from its source, or export it again as one of {ACCEPTED}."
        )


@contextlib.contextmanager
def _no_lines_of_libtiff(picture: Image.Image) -> Iterator[None]:
    """Discard what libtiff itself writes to standard error while it decodes a damaged file."""
    if picture.format != "TIFF":
        yield
        return
    with _standard_error:
        try:
            kept = os.dup(2)
        except OSError:
            yield
            return
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _too_large(name: object, megapixels: str) -> InputError:
    return InputError(
        f"{name}: has {megapixels} megapixels; accepted are at most {LARGEST_AREA // 1_000_000}; scale it down or "
        "cut out what should be inspected."
    )


def _brief(error: Exception) -> str:
    """The first words of a library's message, without its line breaks, paths and addresses."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())[:80]


def in_range(sample: Sample, value_range: ValueRange | None, references: Sequence[Sample] = ()) -> Sample:
    """A photo of more than 8 bits scaled by its product's range, once and for all; others stay as they are.

    Args:
        sample: as it was decoded.
        value_range: of the product; None where it has none, so that the photo keeps its own.
        references: in that range; a photo that uses it unlike all of them is given a note.
    """
    values = sample.values
    if values is None:
        return sample
    own = replace(sample, values=None)
    if value_range is None:
        return own
    if values.fractions != are_fractions(value_range):
        low, high = value_range
        kind = "fractions of one" if values.fractions else "counts"
        other = f"its pixel values are {kind}, but the product's range is {low:g} to {high:g}; its own range was used"
        return replace(own, notes=(*own.notes, other))
    said = unlike_references(values, value_range, [r.image for r in references if r.value_range is not None])
    image = values.to_rgb(value_range)
    notes = (*own.notes, *([said] if said is not None else []))
    return replace(own, image=image, digest=digest_of(image), value_range=value_range, notes=notes)


def range_of(samples: Sequence[Sample]) -> ValueRange | None:
    """The range that photos of one product share; None where all have 8 bits."""
    values = [sample.values for sample in samples if sample.values is not None]
    settled = [sample.value_range for sample in samples if sample.value_range is not None]
    return common_range(values) if values else next(iter(settled), None)
