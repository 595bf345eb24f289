"""Reads photos as every tool sees them: upright, RGB, 8 bit; one sentence refuses what cannot be inspected."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import struct
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from tools.errors import InputError
from tools.types import RGB, Sample

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF")
"""Formats that are decoded, as Pillow names them; no other decoder is ever tried."""
ACCEPTED = "PNG, JPEG, BMP, TIFF, WebP and GIF"
"""The same for people."""
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif"})
"""File names that `find_images` takes for photos, in lower case."""
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
_ROWS = 256
"""Rows that are scaled at a time."""
_ORIENTATION = 0x0112
_BIT_DEPTHS = (8, 10, 12, 14, 16)
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError, struct.error)
"""What Pillow's decoders raise on a damaged file."""
_standard_error = threading.Lock()
"""Held while standard error leads nowhere, which holds for the whole process."""


def load_sample(path: Path) -> Sample:
    """Reads one photo.

    EXIF rotation is applied; of an animation the first frame is taken; transparency is laid on white; grey
    values of more than 8 bits are scaled by the bit depth that they really use.

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
                _check_bytes(path, picture)
                with _no_lines_of_libtiff(picture):
                    image = _upright_rgb(picture)
        except Image.DecompressionBombError as error:
            pixels = re.search(r"\d{7,}", str(error))
            raise _too_large(path, f"{int(pixels.group()) // 1_000_000}" if pixels else "too many") from error
        except UnidentifiedImageError as error:
            raise InputError(
                f"{path}: holds {_what(head)}, not a photo that can be read; accepted are {ACCEPTED}; "
                "export it again in one of these."
            ) from error
        except DAMAGED as error:
            raise InputError(
                f"{path}: is damaged or cut short ({_brief(error)}); copy it again from its source, or export it "
                f"again as one of {ACCEPTED}."
            ) from error
    return Sample(image, _digest(image), path)


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
            raise InputError(f"{path}: holds {_what(head)} or is damaged; accepted are {ACCEPTED}.") from error


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
    return Sample(image, _digest(image), path)


def sample_from_picture(picture: Image.Image) -> Sample:
    """Takes a PIL image of any mode; EXIF rotation, transparency and depths are treated as in a file.

    Raises:
        InputError: damaged, smaller than 16 pixels or larger than 100 megapixels.
    """
    name = f"a PIL image of mode {picture.mode}"
    _check_size(name, *picture.size)
    try:
        image = _upright_rgb(picture)
    except DAMAGED as error:
        raise InputError(f"{name}: cannot be decoded ({_brief(error)}); open its file again.") from error
    return Sample(image, _digest(image))


def find_images(directory: Path) -> list[Path]:
    """Photos in a folder and its subfolders by their names' endings, sorted by path; hidden ones are left out.

    Links to folders are not followed, so that a loop of them ends.

    Raises:
        InputError: no such folder, one that may not be read, or one without photos.
    """
    found = list(walk_images(directory))
    if not found:
        raise InputError(
            f"{directory}: holds no photos, nor do its subfolders; accepted are {ACCEPTED}; name the folder with them."
        )
    return found


def walk_images(directory: Path, leave_out: Path | None = None) -> Iterator[Path]:
    """The photos of `find_images`, in the same order, one at a time: no more than one folder's names are held.

    A subfolder that may not be read is given itself, so that reading it as a photo says why, and the others go on.

    Args:
        directory: where to look.
        leave_out: a folder inside it that is not looked into.

    Raises:
        InputError: no such folder, or one that may not be read.
    """
    try:
        inner = _entries(directory)
    except FileNotFoundError as error:
        raise InputError(f"{directory}: no such folder; check the path, or give a folder of photos.") from error
    except OSError as error:
        raise InputError(
            f"{directory}: cannot be read as a folder ({error.strerror}); give a folder of photos that you may read."
        ) from error
    for entry in inner:
        path = directory / entry.name
        if entry.is_dir(follow_symlinks=False):
            if leave_out is None or not _same(path, leave_out):
                try:
                    yield from walk_images(path, leave_out)
                except InputError:
                    yield path
        elif path.suffix.lower() in SUFFIXES and entry.is_file():
            yield path


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    """What a folder holds, sorted by name, without what is hidden.

    Raises:
        OSError: it may not be read, or what it holds may not be opened.
    """
    with os.scandir(directory) as entries:
        inner = sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: e.name)
    if inner and not os.access(directory, os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return inner


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)  # noqa: PTH121
    except OSError:
        return False


def _head(path: Path) -> bytes:
    """The first bytes of a file that exists, is a file and may be read."""
    try:
        if path.is_dir():
            _entries(path)
            raise InputError(f"{path}: is a folder, not a photo; name a file in it, such as {path}/photo.png.")
        if not path.is_file():
            kind = "is not a regular file" if path.exists() else "no such file"
            raise InputError(f"{path}: {kind}; give the path of a photo ({ACCEPTED}).")
        with path.open("rb") as stream:
            return stream.read(512)
    except (OSError, ValueError) as error:
        raise InputError(f"{path!s}: cannot be read ({_brief(error)}); check the path and its permissions.") from error


def _what(head: bytes) -> str:
    """What a file that is no photo seems to hold."""
    if not head:
        return "nothing (0 bytes)"
    for start, kind in ((b"%PDF", "a PDF"), (b"PK\x03\x04", "a ZIP archive"), (b"\x93NUMPY", "a NumPy array")):
        if head.startswith(start):
            return kind
    if head[4:8] == b"ftyp":
        return "an image or a film of the HEIF family"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character may be cut in two where the sample of the file ends.
        return "unknown data" if error.start < len(head) - 4 else "text"
    return "unknown data" if b"\x00" in head else "text"


def _check_size(name: object, width: int, height: int) -> None:
    if width * height > LARGEST_AREA:
        raise _too_large(name, f"{width} x {height} = {width * height // 1_000_000}")
    if min(width, height) < SMALLEST_SIDE:
        raise InputError(
            f"{name}: is {width} x {height} pixels, too small to inspect; accepted are at least {SMALLEST_SIDE} "
            "pixels a side; give the original photo."
        )


def _peak(picture: Image.Image) -> int:
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


def _upright_rgb(picture: Image.Image) -> RGB:
    """Decodes the first frame as (H, W, 3) uint8, turned as its EXIF says."""
    picture.load()
    orientation = _orientation(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        values, clear = np.asarray(picture), picture.info.get("transparency")
        grey = _to_8_bit(values)
        if isinstance(clear, int):
            grey[values == clear] = 255
        picture = Image.fromarray(grey)
    elif picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        over = picture.convert("RGBA")
        white = Image.new("RGBA", over.size, "white")
        picture = Image.alpha_composite(white, over)
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    rgb = picture if picture.mode == "RGB" else picture.convert("RGB")
    return np.array(rgb.transpose(turns[orientation]) if orientation in turns else rgb)


def _orientation(picture: Image.Image) -> int:
    """EXIF orientation 1 to 8; a photo whose EXIF block is damaged is taken as it lies."""
    try:
        stated = picture.getexif().get(_ORIENTATION, 1)
    except DAMAGED:
        return 1
    return stated if isinstance(stated, int) else 1


def _to_8_bit(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Scales grey values by the range that they use: whole numbers by the smallest bit depth that holds them all,
    fractions in [0, 1] by 255; anything else by its own minimum and maximum.

    A bit depth rather than the photo's own extremes, so that two photos of one camera stay comparable.

    >>> _to_8_bit(np.array([[0, 4095]], np.uint16)).tolist()
    [[0, 255]]

    Raises:
        ValueError: a value is not a finite number.
    """
    if not np.isfinite(values).all():
        raise ValueError("pixels that are not finite numbers")
    low, high = float(values.min()), float(values.max())
    if low < 0 or high >= 2 ** _BIT_DEPTHS[-1] or (values.dtype.kind == "f" and high > 255):
        top = high - low
    else:
        low = 0.0
        fractions = values.dtype.kind == "f" and high <= 1
        top = 1.0 if fractions else float(next(2**bits - 1 for bits in _BIT_DEPTHS if high < 2**bits))
    scaled: NDArray[np.uint8] = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), _ROWS):
        wide = values[start : start + _ROWS].astype(np.float64)
        scaled[start : start + _ROWS] = np.rint((wide - low) * (255.0 / (top or 1.0)))
    return scaled


def _digest(image: RGB) -> str:
    content = hashlib.sha256(struct.pack("<2Q", *image.shape[:2]))
    content.update(np.ascontiguousarray(image).data)
    return content.hexdigest()
