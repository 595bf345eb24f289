"""What an image file holds besides a photo's pixels: its format by its first bytes, its pages, and traits of a TIFF."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import numpy as np
from PIL import Image, TiffImagePlugin

from tools.errors import InputError
from tools.image_files import ACCEPTED, CAMERA_RAW

DAMAGED = (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError, struct.error)
"""What Pillow's decoders raise on a damaged file."""
MOST_PAGES = 100
"""Pages of a TIFF that are counted."""
_BITS, _BANDS, _SUBFILE, _PLANAR, _SUB_IFDS, _NUMBERS, _DNG_VERSION = 258, 277, 254, 284, 330, 339, 50706
"""Tags of TIFF."""
_SIGNATURES = (
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"8BPS", "a Photoshop document (PSD)"),
    (b"\x76\x2f\x31\x01", "an OpenEXR image"),
    (b"#?RADIANCE", "a Radiance HDR image"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"),
    (b"II\xbc", "a JPEG XR image"),
    (b"SIMPLE  =", "a FITS image"),
    (b"gimp xcf", "a GIMP image (XCF)"),
    (b"DDS ", "a DDS texture"),
    (b"FUJIFILMCCD-RAW", "camera raw data"),
    (b"II*\x00", "a TIFF"),
    (b"MM\x00*", "a TIFF"),
    (b"II+\x00", "a TIFF"),
    (b"MM\x00+", "a TIFF"),
    (b"IIRO", "camera raw data"),
    (b"IIU\x00", "camera raw data"),
)
_BRANDS = {
    b"avif": "an AVIF image",
    b"avis": "an AVIF image",
    b"crx ": "camera raw data (CR3)",
    b"heic": "a HEIC image (HEIF family)",
    b"heix": "a HEIC image (HEIF family)",
}


def content_of(head: bytes) -> str:
    """What a file that is no photo seems to hold, by its first bytes.

    >>> content_of(b"%PDF-1.7"), content_of(b"plain words"), content_of(bytes(16))
    ('a PDF', 'text', 'unknown data')
    """
    if not head:
        return "nothing (0 bytes)"
    for start, kind in _SIGNATURES:
        if head.startswith(start):
            return kind
    if head[4:8] == b"ftyp" or head[128:132] == b"DICM":
        return (
            _BRANDS.get(head[8:12], "an image or a film of the HEIF family")
            if head[4:8] == b"ftyp"
            else "a DICOM image"
        )
    if head[128:132] == b"DICM":
        return "a DICOM image"
    return "text" if _is_text(head) else "unknown data"


def _is_text(head: bytes) -> bool:
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character may be cut in two where the sample of the file ends.
        return error.start >= len(head) - 4
    return b"\x00" not in head


def page_note(path: Path, kind: str | None) -> tuple[str, ...]:
    """What a reader must know where only the first of several pages or frames is inspected."""
    if kind not in ("TIFF", "GIF", "WEBP", "PNG", "AVIF"):
        return ()
    count = 1
    with contextlib.suppress(*DAMAGED), Image.open(path, formats=(kind,)) as picture:
        if kind != "TIFF":
            count = 2 if getattr(picture, "is_animated", False) else 1
        while kind == "TIFF" and count < MOST_PAGES:
            picture.seek(picture.tell() + 1)
            # Smaller copies of a page and masks are no pages of their own.
            count += not int(getattr(picture, "tag_v2", {}).get(_SUBFILE, 0)) & 5
    if count == 1:
        return ()
    if kind != "TIFF":
        return ("it is an animation; only its first frame was inspected",)
    more = " or more" if count == MOST_PAGES else ""
    return (f"it has {count}{more} pages; only page 1 was inspected, save the others as files of their own",)


def refuse_raw(path: Path, picture: Image.Image) -> None:
    """Refuses camera raw files: as a TIFF they show no more than a thumbnail."""
    tags = getattr(picture, "tag_v2", {})
    thumbnail = bool(int(tags.get(_SUBFILE, 0)) & 1) and _SUB_IFDS in tags
    if path.suffix.lower() in CAMERA_RAW or _DNG_VERSION in tags or thumbnail:
        raise InputError(
            f"{path}: holds camera raw data, of which only a thumbnail could be read; accepted are {ACCEPTED}; develop "
            "it and export it as one of these, always in the same way."
        )


def refuse_bands(path: Path, picture: Image.Image) -> None:
    """Refuses 16-bit colours that are stored band by band, which Pillow cannot read."""
    tags = getattr(picture, "tag_v2", {})
    if tags.get(_PLANAR) == 2 and picture.mode != "L" and max(tags.get(_BITS, (8,))) > 8:
        raise InputError(
            f"{path}: is a TIFF of 16-bit colours stored band after band (planar); accepted are colours stored pixel "
            "by pixel; export it again so."
        )


_SAMPLE_FORMATS = {1: "unsigned whole numbers", 2: "signed whole numbers", 3: "floats", 5: "complex", 6: "complex"}


def tiff_trait(path: Path) -> str | None:
    """Bands, bits and kind of numbers of a TIFF, in words; None where its header cannot be read."""
    try:
        with path.open("rb") as stream:
            tags = TiffImagePlugin.ImageFileDirectory_v2(stream.read(8))
            stream.seek(tags.next)
            tags.load(stream)
        bits, bands = tags.get(_BITS, (1,)), int(tags.get(_BANDS, 1))
        kind = _SAMPLE_FORMATS.get(int(np.ravel(tags.get(_NUMBERS, 1))[0]), "numbers of an unknown kind")
        deepest = int(np.ravel(bits)[0])
    except DAMAGED:
        return None
    return f"{bands} band{'s' if bands != 1 else ''} of {deepest}-bit {kind}"
