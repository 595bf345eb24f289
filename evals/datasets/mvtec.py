"""MVTec AD, MVTec LOCO and VisA as prepared: train/good, test/<defect>, ground_truth/<defect>."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from evals.datasets.base import (
    BenchmarkCase,
    Category,
    Label,
    by_stem,
    noun,
    read_grey,
    read_mask,
    read_photo,
    read_records,
    references_of,
)
from evals.metrics.region import TruthRegion
from tools.errors import InputError
from tools.image_files import find_images
from tools.types import Mask, Sample

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
    cases = [_case(folder, defect.name, photo) for defect in defects for photo in _photos(defect)]
    return Category(folder.name, noun(folder.name), "", references_of(pool), tuple(cases))


def _photos(folder: Path) -> list[Path]:
    return sorted(by_stem(find_images(folder)).values())


def _case(folder: Path, defect: str, photo: Path) -> BenchmarkCase:
    label: Label = "good" if defect == "good" else "logical" if defect == "logical_anomalies" else "structural"
    read = read_photo(photo)
    gt_mask, regions = _truth(folder, defect, photo, read), _regions(folder, defect, photo)
    return BenchmarkCase(f"{defect}/{photo.name}", label, read, gt_mask, regions, "" if label == "good" else defect)


def _truth(folder: Path, defect: str, photo: Path, read: Callable[[], Sample]) -> Callable[[], Mask | None]:
    """One mask (MVTec AD) or the union of several (LOCO); good photos have an empty one."""
    if defect == "good":
        return read_mask(None, read)
    truth = folder / "ground_truth" / defect
    singles = [truth / f"{photo.stem}_mask.png", truth / f"{photo.stem}.png"]
    for single in singles:
        if single.is_file():
            return read_mask(single, read)
    several = sorted((truth / photo.stem).glob("*.png")) if (truth / photo.stem).is_dir() else []
    if not several:
        raise InputError(f"{photo}: its mask is missing; expected {singles[0]} or {truth / photo.stem}/000.png.")

    def union() -> Mask | None:
        masks = [read_mask(path, read)() for path in several]
        joined: Mask = np.logical_or.reduce([m for m in masks if m is not None])
        return joined

    return union


def _regions(folder: Path, defect: str, photo: Path) -> Callable[[], tuple[TruthRegion, ...]]:
    """Each mask file of LOCO with the saturation of its defect; nothing where the category has no such file."""
    config, masks = folder / "defects_config.json", folder / "ground_truth" / defect / photo.stem

    def read() -> tuple[TruthRegion, ...]:
        if not config.is_file():
            return ()
        known = {line.pixel_value: line for line in _read_config(config)}
        found = []
        for path in sorted(masks.glob("*.png")):
            grey = read_grey(path)
            mask: Mask = grey > 0
            line = known.get(int(grey.max()))
            if line is None:
                raise InputError(
                    f"{path}: grey value {int(grey.max())} is no defect of {config}; use both of one copy."
                )
            share = line.saturation_threshold
            found.append(TruthRegion(mask, share * mask.sum() if line.relative_saturation else share))
        return tuple(found)

    return read


@cache
def _read_config(path: Path) -> tuple[DefectConfig, ...]:
    return read_records(tuple[DefectConfig, ...], path, limit=LARGEST_CONFIG)
