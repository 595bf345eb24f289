"""A plain folder: one folder of good photos, one of bad ones, no masks."""

from __future__ import annotations

from pathlib import Path

from evals.datasets.base import Case, Category, Label, choose, no_mask, read_photo
from tools.errors import InputError
from tools.images import find_images
from tools.types import Sample

GOOD = ("good", "normal", "ok")
BAD = ("bad", "abnormal", "anomalous", "anomaly", "defect", "ng")
REFERENCE_POOL = 24
"""So many good photos, the first by name, are kept for references; the others are cases."""


def open_folder(root: Path, categories: list[str] | None = None) -> list[Category]:
    """One category named like the folder.

    Raises:
        tools.errors.InputError: there is no folder of good or of bad photos.
    """
    del categories
    good, bad = _one_of(root, GOOD), _one_of(root, BAD)
    normal = find_images(good)
    pool = normal[: min(REFERENCE_POOL, len(normal) // 2)]

    def references(shots: int, seed: int) -> list[Sample]:
        return [read_photo(p)() for p in choose(pool, shots, seed)]

    cases = [_case(p, "good") for p in normal[len(pool) :]] + [_case(p, "structural") for p in find_images(bad)]
    return [Category(root.name, root.name, "", references, tuple(cases))]


def _one_of(root: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise InputError(f"{root}: has none of the folders {', '.join(names)}; put photos into {root / names[0]}.")


def _case(path: Path, label: Label) -> Case:
    return Case(f"{path.parent.name}/{path.name}", label, read_photo(path), no_mask)
