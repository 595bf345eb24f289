"""Image files by their names: the formats that are decoded, those that are named and refused, and photos of folders."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from PIL import features

from tools.errors import InputError

_DECODED: dict[str, tuple[str, ...]] = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo"),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpx", ".jpf"),
    "AVIF": (".avif",),
}
_OPTIONAL = {"JPEG2000": "jpg_2000", "AVIF": "avif"}
"""Formats that some builds of Pillow lack, with Pillow's name of what decodes them."""
FORMATS = tuple(name for name in _DECODED if name not in _OPTIONAL or features.check(_OPTIONAL[name]))
"""Formats that are decoded, as Pillow names them; no other decoder is ever tried."""
_SHOWN = {"WEBP": "WebP", "PPM": "PGM/PPM", "JPEG2000": "JPEG 2000"}
ACCEPTED = " and ".join(", ".join(_SHOWN.get(name, name) for name in FORMATS).rsplit(", ", 1))
"""The same for people."""
SUFFIXES = frozenset(suffix for name in FORMATS for suffix in _DECODED[name])
"""Endings of files that are taken for photos, in lower case."""
_RAW = "dng cr2 cr3 crw nef nrw arw srf sr2 orf rw2 raf pef srw 3fr iiq rwl kdc raw"
CAMERA_RAW = frozenset(f".{name}" for name in _RAW.split())
"""Endings of camera raw files; many are TIFF files whose first page is a thumbnail."""
_OTHERS = "heic heif hif jxl jxr wdp hdp psd psb tga exr hdr dcm dicom fit fits pcx sgi ras dds xcf jls qoi bpg avifs"
_LACKING = frozenset(suffix for name, endings in _DECODED.items() if name not in FORMATS for suffix in endings)
REFUSED = CAMERA_RAW | _LACKING | frozenset(f".{name}" for name in _OTHERS.split())
"""Endings of image files that are not decoded; those of a folder are named and refused, one by one."""


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

    Image files of other formats, and a subfolder that may not be read, are given themselves, so that reading one as a
    photo says why it is refused, and the others go on.

    Args:
        directory: where to look.
        leave_out: a folder inside it that is not looked into.

    Raises:
        InputError: no such folder, or one that may not be read.
    """
    try:
        inner = folder_entries(directory)
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
        elif path.suffix.lower() in SUFFIXES | REFUSED and entry.is_file():
            yield path


def folder_entries(directory: Path) -> list[os.DirEntry[str]]:
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
