"""MVTec AD and MVTec LOCO: train/good, test/<defect>, ground_truth/<defect>."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from evals.datasets.base import Case, Category, Label, choose, read_mask, read_photo
from tools.errors import InputError
from tools.images import find_images
from tools.types import Mask, Sample


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
    cases = [_case(folder, defect.name, photo) for defect in defects for photo in find_images(defect)]

    def references(shots: int, seed: int) -> list[Sample]:
        return [read_photo(p)() for p in choose(pool, shots, seed)]

    return Category(folder.name, folder.name.replace("_", " "), "", references, tuple(cases))


def _case(folder: Path, defect: str, photo: Path) -> Case:
    label: Label = "good" if defect == "good" else "logical" if defect == "logical_anomalies" else "structural"
    read = read_photo(photo)
    return Case(f"{defect}/{photo.name}", label, read, _truth(folder, defect, photo, read))


def _truth(folder: Path, defect: str, photo: Path, read: Callable[[], Sample]) -> Callable[[], Mask | None]:
    """One mask (MVTec AD) or the union of several (LOCO); good photos have an empty one."""
    if defect == "good":
        return read_mask(None, read)
    truth = folder / "ground_truth" / defect
    single = truth / f"{photo.stem}_mask.png"
    if single.exists():
        return read_mask(single, read)
    several = sorted((truth / photo.stem).glob("*.png")) if (truth / photo.stem).is_dir() else []
    if not several:
        raise InputError(f"{photo}: its mask is missing; expected {single} or {truth / photo.stem}/000.png.")

    def union() -> Mask | None:
        import numpy as np

        masks = [read_mask(path, read)() for path in several]
        joined: Mask = np.logical_or.reduce([m for m in masks if m is not None])
        return joined

    return union
