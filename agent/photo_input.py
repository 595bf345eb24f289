"""What a caller may give as a photo, as reference photos and as a product, and what is made of it."""

from __future__ import annotations

import glob
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tools.errors import InputError
from tools.image_files import find_images
from tools.images import load_sample, sample_from_array, sample_from_picture
from tools.pixel_values import PixelValues, ValueRange, common_range
from tools.types import RGB, Sample

Photo = Path | str | bytes | BinaryIO | NDArray[Any] | Sample | Image.Image
"""A path; the bytes of a file, or a file that is open for reading bytes; a PIL image of any mode; an array (H, W),
(H, W, 1), (H, W, 3) or (H, W, 4) in grey, RGB or RGBA; a torch tensor (C, H, W); or a decoded sample. Arrays of more
than 8 bits and of fractions are scaled by the range of their product, as such files are."""
References = Photo | Iterable[Photo]
"""Reference photos: a folder, one photo, a pattern such as "good/*.png", or any of these in an iterable."""
CHANNELS = (1, 3, 4)
"""How many values a pixel of an array may have."""
_ACCEPTED = "a path, bytes, an open file, a PIL image, a NumPy array (H, W) or (H, W, C), a torch tensor (C, H, W)"


def sample_of(photo: Photo) -> Sample:
    """Decodes a photo.

    Raises:
        tools.errors.InputError: it is none, or cannot be decoded.
    """
    given = path_or_sample(photo)
    return given if isinstance(given, Sample) else load_sample(given)


def path_or_sample(photo: Photo | object) -> Path | Sample:
    """Decodes a photo, except one that is given by its path.

    Raises:
        tools.errors.InputError: as `sample_of`.
    """
    if isinstance(photo, Sample):
        return photo
    if isinstance(photo, str | Path):
        return Path(photo)
    return _decoded(photo)


def _decoded(photo: object) -> Sample:
    """Decodes a photo that is given by its pixels or by the content of its file."""
    if isinstance(photo, Image.Image):
        return sample_from_picture(photo)
    content, array = _content(photo), _array(photo)
    if content is not None:
        return _from_bytes(content)
    if array is not None:
        return _from_array(array)
    hint = " cv2.imread returns None for a file that it cannot read." if photo is None else ""
    raise InputError(f"a photo was given as {type(photo).__name__}; accepted are {_ACCEPTED} and a Sample.{hint}")


def references_of(references: References) -> list[Path | Sample]:
    """Reference photos in the order given; those of a folder and of a pattern are sorted by name.

    Raises:
        tools.errors.InputError: a folder or a pattern holds no photos, or an item is no photo.
    """
    single = isinstance(references, str | Path | bytes | bytearray | memoryview | Sample | Image.Image)
    if single or hasattr(references, "read") or getattr(references, "ndim", 4) <= 3:
        return list(_expanded(references))
    if not isinstance(references, Iterable):
        raise InputError(
            f"reference photos were given as {type(references).__name__}; give a folder, a path, a pattern such as "
            "'good/*.png', or a list of photos."
        )
    return [item for photo in references for item in _expanded(photo)]


def _expanded(photo: object) -> Iterator[Path | Sample]:
    if isinstance(photo, str | Path):
        yield from expanded_paths([Path(photo)])
    else:
        yield path_or_sample(photo)


def expanded_paths(paths: Iterable[Path], *, folders: bool = True) -> Iterator[Path]:
    """Paths as a shell would give them: a pattern that no file is named by stands for the files that match it.

    Args:
        paths: files, folders and patterns.
        folders: whether a folder stands for the photos in it and below it.

    Raises:
        tools.errors.InputError: nothing matches a pattern, or a folder holds no photos.
    """
    for path in paths:
        for found in [path] if os.path.lexists(path) else _matching(path):
            if folders and os.path.isdir(found):  # noqa: PTH112  # a Path raises where a name is too long
                yield from find_images(found)
            else:
                yield found


def _matching(path: Path) -> list[Path]:
    """The files that a pattern matches, by name; the path itself where it is no pattern."""
    if not glob.has_magic(str(path)):
        return [path]
    found = sorted(Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207
    if not found:
        raise InputError(f"{path}: no file is named so, and none matches the pattern; check the folder and the name.")
    return found


def _content(photo: object) -> bytes | None:
    """The bytes of a file that were given, or are read from an open file; None for anything else."""
    read = getattr(photo, "read", None)
    content = read() if callable(read) else photo
    if isinstance(content, str) and content is not photo:
        raise InputError("a photo was given as a file that is open for text; open it for bytes: open(path, 'rb').")
    return bytes(content) if isinstance(content, bytes | bytearray | memoryview) else None


def _from_bytes(content: bytes) -> Sample:
    """Reads the bytes of a file as the file would be read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo"
        path.write_bytes(content)
        try:
            return replace(load_sample(path), path=None)
        except InputError as error:
            raise InputError(str(error).replace(str(path), f"a photo of {len(content)} bytes")) from error


def _array(photo: object) -> NDArray[Any] | None:
    """The array that was given, or that of a tensor (C, H, W), whose channels come last; None for anything else."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(photo, torch.Tensor):
        return photo if isinstance(photo, np.ndarray) else None
    plain = photo.detach().cpu()
    values: NDArray[Any] = (plain.float() if plain.is_floating_point() else plain).numpy()
    return np.moveaxis(values, 0, -1) if values.ndim == 3 and values.shape[0] in CHANNELS else values


def _from_array(values: NDArray[Any]) -> Sample:
    """Decodes an array; one of more than 8 bits keeps its values until the range of its product is known."""
    found = f"an array of {values.dtype}, shape {values.shape}"
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in CHANNELS) or 0 in values.shape:
        raise InputError(
            f"{found} was given as a photo; accepted are (height, width), (height, width, 1), (height, width, 3) in "
            "RGB and (height, width, 4) in RGBA; give one photo at a time."
        )
    if values.dtype.kind not in "buif" or not np.isfinite(values).all():
        raise InputError(f"{found} was given as a photo; accepted are whole numbers and finite fractions.")
    if values.dtype == np.bool_:
        values = np.where(values, 255, 0).astype(np.uint8)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.dtype == np.uint8:
        return sample_from_picture(Image.fromarray(np.ascontiguousarray(values)))
    transparent = values.ndim == 3 and values.shape[2] == 4
    alpha = _scaled(PixelValues(values[..., 3]))[0][..., 0] if transparent else None
    deep = PixelValues(values[..., :3] if transparent else values, alpha)
    image, value_range = _scaled(deep)
    return replace(sample_from_array(image), values=deep, value_range=value_range)


def _scaled(values: PixelValues) -> tuple[RGB, ValueRange]:
    """Values in their own range, and that range."""
    value_range = common_range([values])
    return values.to_rgb(value_range), value_range
