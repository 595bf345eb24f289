"""Ground-truth masks as people write them: palettes, classes, colours, resized and compressed ones, several files."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

import numpy as np
import scipy
from numpy.typing import NDArray
from PIL import Image

from tools.errors import InputError
from tools.image_decoding import orientation_of, upright
from tools.image_files import FORMATS, SUFFIXES
from tools.image_traits import DAMAGED
from tools.images import LARGEST_AREA
from tools.types import Mask, Sample

Grey = NDArray[np.int32]
"""(H, W) grey values of a mask, 0 is background."""
KINDS = ("", "mask", "gt", "label", "seg")
"""What a mask file may be called after its photo's name, the likeliest first."""
FEWEST_LEVELS = 32
"""Masks whose largest value is below this hold class numbers, which are never mixed."""
FAINT = 8
"""A value below the largest one divided by this, between background and defect, is no class of its own."""
ASPECT = 0.02
"""By this share of it a mask's width over height may differ from its photo's, so that it is taken as resized."""
_log = logging.getLogger("looktwice")
_told: set[str] = set()


def masks_of(photo: Path, folders: Sequence[Path], siblings: Collection[str]) -> list[Path]:
    """The mask files of a photo, in any format and letter case.

    In the first folder that has some: NAME.png, NAME_mask.png (or gt, label, seg), any of these with a number behind
    it (NAME_0.png, NAME_mask_1.png, ...), or all files of the subfolder NAME.

    Args:
        photo: whose masks are looked for.
        folders: where they may be.
        siblings: names of all photos, without ending, so that none is taken for another one's mask.
    """
    stem, others = photo.stem.lower(), {name.lower() for name in siblings} - {photo.stem.lower()}
    for folder in folders:
        files = _images(folder)
        for kind in KINDS:
            joined, number = (rf"[ _.-]?{kind}", r"([ _.-]?\d+)?") if kind else ("", r"([ _.-]\d+)?")
            named = re.compile(re.escape(stem) + joined + number)
            found = [p for p in files if named.fullmatch(p.stem.lower()) and p.stem.lower() not in others]
            if found:
                return found
        if several := _images(folder / photo.stem):
            return several
    return []


def _images(folder: Path) -> list[Path]:
    """Image files of a folder, sorted; none where it is no folder."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))


def read_mask(paths: Path | Iterable[Path] | None, photo_of: Callable[[], Sample]) -> Callable[[], Mask | None]:
    """Reads the masks of a photo when they are asked for, as one: anything but background; without a file nothing is.

    Reading raises tools.errors.InputError where a file is damaged, or has another shape than the photo.
    """
    several = () if paths is None else (paths,) if isinstance(paths, Path) else tuple(paths)

    def read() -> Mask | None:
        sample = photo_of()
        joined: Mask = np.zeros(sample.image.shape[:2], dtype=np.bool_)
        for path in several:
            joined |= fitted_mask(path, sample)
        return joined

    return read


def fitted_mask(path: Path, sample: Sample) -> Mask:
    """(H, W) of the photo: where a mask file is anomalous, turned and scaled as its photo.

    A mask that states no EXIF orientation is taken to lie on the pixels as the photo's file stores them, unless only
    the upright photo has its shape.

    Raises:
        tools.errors.InputError: the file is damaged, no image, too large, or of another shape than the photo.
    """
    grey, own, lossy = _read(path)
    mask = thresholded(grey, lossy=lossy)
    height, width = sample.image.shape[:2]
    if own != 1:
        mask = upright(mask, own)
    elif sample.orientation != 1:
        turned = upright(mask, sample.orientation)
        if _alike(turned.shape, (height, width)) or not _alike(mask.shape, (height, width)):
            _tell_once("orientation", path, "states no EXIF orientation, its photo one; it is taken as not turned yet")
            mask = turned
    if mask.shape == (height, width):
        return np.ascontiguousarray(mask)
    found = f"{mask.shape[1]} x {mask.shape[0]} pixels, its photo {width} x {height}"
    if not _alike(mask.shape, (height, width)):
        raise InputError(f"{path}: is {found}, which is another shape; take both from one copy of the data set.")
    _tell_once("size", path, f"is {found}; it is scaled")
    return _scaled(mask, width, height)


def _tell_once(what: str, path: Path, said: str) -> None:
    """Log what was done with the first mask of a folder; the others are alike."""
    if f"{what} {path.parent}" not in _told:
        _told.add(f"{what} {path.parent}")
        _log.warning("%s: %s, and so are others like it in this folder.", path, said)


def _alike(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two shapes (H, W) have the same aspect ratio, as far as rounding lets one tell."""
    (height, width), (tall, wide) = shape, other
    slack = max(ASPECT, 1 / height, 1 / width, 1 / tall, 1 / wide)
    return abs(width * tall / (height * wide) - 1) <= slack


def _scaled(mask: Mask, width: int, height: int) -> Mask:
    """The mask at another size; a defect that would vanish keeps each pixel that it touches."""
    resized = Image.fromarray(mask.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    shares = np.asarray(resized)
    found: Mask = shares >= 0.5
    return found if found.any() or not mask.any() else shares > 0


def thresholded(grey: Grey, *, lossy: bool = False) -> Mask:
    """Which pixels of a mask are anomalous.

    Anything but 0, where values are classes. Where they are mixed, as in resized and compressed masks, from half of the
    largest value on. Mixed values have no even patch of their own and lie between lower and higher ones.

    Args:
        grey: (H, W).
        lossy: whether the file was compressed so that values are mixed in any case.

    >>> thresholded(np.array([[0, 7, 3]], np.int32)).tolist(), thresholded(np.array([[0, 90, 255]] * 3)).tolist()[0]
    ([[False, True, True]], [False, False, True])
    """
    most = int(grey.max(initial=0))
    if most == 0 or lossy:
        return grey >= max(1, most / 2)
    if most < FEWEST_LEVELS:
        return grey > 0
    lowest: Grey = scipy.ndimage.minimum_filter(grey, size=3, mode="nearest")
    highest: Grey = scipy.ndimage.maximum_filter(grey, size=3, mode="nearest")
    solid = np.unique(grey[(lowest == highest) & (grey > 0)])
    loose = (grey > 0) & (grey < most) & ~np.isin(grey, solid)
    between = loose & (lowest < grey) & (highest > grey)
    if not between.any() or 2 * int(between.sum()) < int(loose.sum()):
        return grey > 0
    return (grey >= most / 2) | np.isin(grey, solid[solid * FAINT >= most])


def read_grey(path: Path) -> Grey:
    """(H, W) grey values of a mask as stored: of colours the largest channel, of a palette its colours.

    Raises:
        tools.errors.InputError: the file is damaged, is no image, or has more than 100 megapixels.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[Grey, int, bool]:
    """(grey values, EXIF orientation, whether the file is compressed with loss)."""
    if not path.is_file():
        raise InputError(f"{path}: is not a regular file; copy the mask from the data set again.")
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > LARGEST_AREA:
                raise InputError(
                    f"{path}: is {image.width} x {image.height} pixels; accepted are at most {LARGEST_AREA // 10**6} "
                    "megapixels; copy the mask from the data set again."
                )
            return _grey(image), orientation_of(image), image.format in ("JPEG", "MPO")
    except (*DAMAGED, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: is damaged or no image; copy the mask from the data set again.") from error


def _grey(image: Image.Image) -> Grey:
    """Grey values of a decoded mask, 0 is background."""
    if image.mode in ("1", "L") or image.mode.startswith("I"):
        values: Grey = np.asarray(image).astype(np.int32)
        return values
    if image.mode == "F":
        fractions = np.nan_to_num(np.asarray(image, dtype=np.float64))
        scale = 255.0 if float(fractions.max()) <= 1 else 1.0
        return np.rint(fractions * scale).astype(np.int32)
    rgba = np.asarray(image.convert("RGBA"))
    colour, alpha = rgba[..., :3].max(axis=2), rgba[..., 3]
    shown = alpha > 0 if alpha.any() else np.ones_like(alpha, dtype=np.bool_)
    if image.mode == "P" and colour[shown].min(initial=255) > 0 and alpha.min() > 0:
        # No colour is background: the colours only tell classes apart, whose numbers are the indices.
        return np.asarray(image).astype(np.int32)
    if not colour[shown].any():
        numbers: NDArray[np.uint8] = np.asarray(image) if image.mode == "P" else alpha if alpha.min() < 255 else colour
        return numbers.astype(np.int32)
    colour[~shown] = 0
    largest: Grey = colour.astype(np.int32)
    return largest
