"""MVTec AD, MVTec LOCO and VisA as prepared: train/good, test/<defect>, ground_truth/<defect>."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from evals.datasets.base import (
    BenchmarkCase,
    Category,
    Label,
    by_stem,
    noun,
    read_photo,
    read_records,
    references_of,
)
from evals.datasets.masks import fitted_mask, masks_of, read_grey, read_mask
from evals.metrics.region import TruthRegion
from tools.errors import InputError
from tools.image_files import find_images
from tools.types import Sample

LARGEST_CONFIG = 1_000_000
"""Bytes of the largest defects_config.json."""


class DefectConfig(BaseModel):
    """One line of MVTec LOCO's defects_config.json."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    defect_name: str
    pixel_value: int
    """Grey value of its masks."""
    saturation_threshold: float = Field(ge=0, allow_inf_nan=False)
    """In pixels, or a share of the mask's area."""
    relative_saturation: bool


def open_mvtec(root: Path, categories: list[str] | None = None) -> list[Category]:
    """Every category folder below `root`, or those named.

    Raises:
        tools.errors.InputError: no such category, or its folders are not those of MVTec.
    """
    found = sorted(p.name for p in root.iterdir() if (p / "train" / "good").is_dir()) if root.is_dir() else []
    if not found:
        raise InputError(f"{root}: no category folders with train/good and test in it; give the data set's root.")
    for name in categories or []:
        if name not in found:
            raise InputError(f"category '{name}' is not in {root}; there are: {', '.join(found)}.")
    return [_category(root / name) for name in categories or found]


def _category(folder: Path) -> Category:
    if not (folder / "test").is_dir():
        raise InputError(f"{folder}: has no folder 'test'; the layout is train/good, test/<defect>, ground_truth.")
    pool = find_images(folder / "train" / "good")
    defects = sorted(p for p in (folder / "test").iterdir() if p.is_dir())
    photos = {defect.name: _photos(defect) for defect in defects}
    cases = [_case(folder, defect, photo, several) for defect, several in photos.items() for photo in several]
    return Category(folder.name, noun(folder.name), "", references_of(pool), tuple(cases))


def _photos(folder: Path) -> list[Path]:
    return sorted(by_stem(find_images(folder)).values())


def _case(folder: Path, defect: str, photo: Path, photos: Sequence[Path]) -> BenchmarkCase:
    label: Label = "good" if defect == "good" else "logical" if defect == "logical_anomalies" else "structural"
    read = read_photo(photo)
    masks = _masks(folder, defect, photo, photos)
    gt_mask, regions = read_mask(masks, read), _regions(folder, masks, read)
    return BenchmarkCase(f"{defect}/{photo.name}", label, read, gt_mask, regions, "" if label == "good" else defect)


def _masks(folder: Path, defect: str, photo: Path, photos: Sequence[Path]) -> list[Path]:
    """One mask (MVTec AD) or several (LOCO); good photos have none."""
    if defect == "good":
        return []
    truth = folder / "ground_truth" / defect
    found = masks_of(photo, [truth], {p.stem for p in photos})
    if not found:
        raise InputError(
            f"{photo}: its mask is missing; expected {truth / f'{photo.stem}_mask.png'} or "
            f"{truth / photo.stem / '000.png'} (any format)."
        )
    return found


def _regions(folder: Path, masks: Sequence[Path], read: Callable[[], Sample]) -> Callable[[], tuple[TruthRegion, ...]]:
    """Each mask file of LOCO with the saturation of its defect; nothing where the category has no such file."""
    config = folder / "defects_config.json"

    def regions() -> tuple[TruthRegion, ...]:
        if not config.is_file():
            return ()
        known = {line.pixel_value: line for line in _read_config(config)}
        found = []
        for path in masks:
            mask, value = fitted_mask(path, read()), int(read_grey(path).max())
            line = known.get(value)
            if line is None:
                raise InputError(f"{path}: grey value {value} is no defect of {config}; use both of one copy.")
            share = line.saturation_threshold
            found.append(TruthRegion(mask, share * mask.sum() if line.relative_saturation else share))
        return tuple(found)

    return regions


@cache
def _read_config(path: Path) -> tuple[DefectConfig, ...]:
    return read_records(tuple[DefectConfig, ...], path, limit=LARGEST_CONFIG)
