"""A plain folder: one folder of good photos, one of bad ones, and masks of the bad ones where there are any."""

from __future__ import annotations

from pathlib import Path

from evals.datasets.base import Case, Category, by_stem, no_mask, noun, read_mask, read_photo, references_of
from tools.errors import InputError
from tools.images import find_images

GOOD = ("good", "normal", "ok")
BAD = ("bad", "abnormal", "anomalous", "anomaly", "defect", "ng")
MASKS = ("masks", "mask", "ground_truth")
REFERENCE_POOL = 24
"""So many good photos, the first by name, are kept for references; the others are cases."""


def open_folder(root: Path, categories: list[str] | None = None) -> list[Category]:
    """One category named like the folder; a subfolder of the bad photos names their defect.

    Masks are joined by name: photo `bad/a.png` has `masks/a.png` or `masks/a_mask.png`.

    Raises:
        tools.errors.InputError: there is no folder of good or of bad photos, another category is asked for, or there
            are masks and one is missing.
    """
    for name in categories or []:
        if name != root.name:
            raise InputError(f"category '{name}' is not in {root}; a plain folder is one category, '{root.name}'.")
    good, bad = _one_of(root, GOOD), _one_of(root, BAD)
    masks = next((root / name for name in MASKS if (root / name).is_dir()), None)
    normal = find_images(good)
    pool = normal[: min(REFERENCE_POOL, len(normal) // 2)]
    cases = [_good(path, root, masks) for path in normal[len(pool) :]]
    anomalous = find_images(bad)
    if masks is not None:
        by_stem(anomalous)
    cases += [_bad(path, bad, root, masks) for path in anomalous]
    return [Category(root.name, noun(root.name), "", references_of(pool), tuple(cases))]


def _one_of(root: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise InputError(f"{root}: has none of the folders {', '.join(names)}; put photos into {root / names[0]}.")


def _good(path: Path, root: Path, masks: Path | None) -> Case:
    read = read_photo(path)
    return Case(str(path.relative_to(root)), "good", read, no_mask if masks is None else read_mask(None, read))


def _bad(path: Path, bad: Path, root: Path, masks: Path | None) -> Case:
    read, case_id = read_photo(path), str(path.relative_to(root))
    defect = path.parent.name if path.parent != bad else ""
    if masks is None:
        return Case(case_id, "structural", read, no_mask, defect=defect)
    tried = [masks / f"{path.stem}{end}.png" for end in ("", "_mask")]
    found = next((mask for mask in tried if mask.is_file()), None)
    if found is None:
        raise InputError(f"{path}: its mask is missing; expected {tried[0]} or {tried[1]}, or no folder {masks.name}.")
    return Case(case_id, "structural", read, read_mask(found, read), defect=defect)
