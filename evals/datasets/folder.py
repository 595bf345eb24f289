"""Plain folders: good and bad photos with masks where there are some, and pairs of a template and a test photo."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np

from evals.datasets.base import (
    LARGEST_TABLE,
    BenchmarkCase,
    Category,
    by_stem,
    no_mask,
    noun,
    read_photo,
    references_of,
)
from evals.datasets.masks import masks_of, read_mask
from tools.display_text import display_text
from tools.errors import InputError
from tools.files import read_text
from tools.image_files import SUFFIXES, find_images
from tools.types import Mask, Sample

GOOD = ("good", "normal", "ok")
BAD = ("bad", "abnormal", "anomalous", "anomaly", "defect", "ng")
MASKS = ("masks", "mask", "ground_truth")
REFERENCE_POOL = 24
"""So many good photos, the first by name, are kept for references; the others are cases."""


def open_folder(root: Path, categories: list[str] | None = None) -> list[Category]:
    """One category named like the folder; a subfolder of the bad photos names their defect.

    Masks are joined by name, in any format: photo `bad/a.png` has `masks/a.png`, `masks/a_mask.png`, several of them
    with a number behind, or a folder `masks/a`; that of `bad/scratch/a.png` may lie in `masks/scratch` as well.

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
    siblings = {path.stem for path in anomalous}
    if masks is not None:
        own = {p.parent for p in anomalous if p.parent != bad and (masks / p.parent.relative_to(bad)).is_dir()}
        by_stem([path for path in anomalous if path.parent not in own])
    cases += [_bad(path, bad, root, masks, siblings) for path in anomalous]
    return [Category(root.name, noun(root.name), "", references_of(pool), tuple(cases))]


def _one_of(root: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise InputError(f"{root}: has none of the folders {', '.join(names)}; put photos into {root / names[0]}.")


def _good(path: Path, root: Path, masks: Path | None) -> BenchmarkCase:
    read = read_photo(path)
    return BenchmarkCase(str(path.relative_to(root)), "good", read, no_mask if masks is None else read_mask(None, read))


def _bad(path: Path, bad: Path, root: Path, masks: Path | None, siblings: Collection[str]) -> BenchmarkCase:
    read, case_id = read_photo(path), str(path.relative_to(root))
    defect = path.parent.name if path.parent != bad else ""
    if masks is None:
        return BenchmarkCase(case_id, "structural", read, no_mask, defect=defect)
    folders = [masks / path.parent.relative_to(bad), *([masks] if path.parent != bad else [])]
    found = masks_of(path, folders, siblings)
    if not found:
        named = masks / f"{path.stem}.png"
        raise InputError(
            f"{path}: its mask is missing; expected {named} or {named.with_stem(f'{path.stem}_mask')} (any format), "
            f"files in {masks / path.stem}, or no folder {masks.name}."
        )
    return BenchmarkCase(case_id, "structural", read, read_mask(found, read), defect=defect)


TEMPLATE, TEST = "_temp", "_test"
DEFECTS = {1: "open", 2: "short", 3: "mouse bite", 4: "spur", 5: "copper", 6: "pin hole"}
"""DeepPCB's types by number."""
LIST = "test.txt"
"""The official test split, beside the groups; lines of a photo and its boxes."""
LARGEST_BOXES = 1_000_000
"""Bytes of the largest file of boxes."""
Boxes = tuple[tuple[tuple[int, int, int, int], int], ...]


def open_pairs(root: Path, categories: list[str] | None = None) -> list[Category]:
    """One category a group folder; only the official test split where its list is there.

    Raises:
        tools.errors.InputError: no pairs, half a pair, no such group, or a pair without its boxes.
    """
    found = sorted(p for p in root.rglob(f"*{TEST}.*") if p.suffix.lower() in SUFFIXES)
    if not found:
        raise InputError(f"{root}: holds no photos named NAME{TEST}.jpg; give the folder of the pairs (PCBData).")
    listed = _listed(root / LIST)
    if listed is not None:
        found = [p for p in found if p.stem.removesuffix(TEST) in listed]
        if not found:
            raise InputError(f"{root / LIST}: names none of the photos in {root}; use both of one copy.")
    groups: dict[str, list[Path]] = {}
    for path in found:
        groups.setdefault(_group(root, path), []).append(path)
    for name in categories or []:
        if name not in groups:
            raise InputError(f"category '{name}' is not in {root}; there are: {', '.join(groups)}.")
    return [_category(name, groups[name]) for name in categories or groups]


def _group(root: Path, path: Path) -> str:
    parts = path.relative_to(root).parts[:-1]
    return next((part for part in parts if part.startswith("group")), parts[0] if parts else root.name)


def _listed(path: Path) -> set[str] | None:
    """Names of the pairs of the official test split; None where there is no list."""
    if not path.is_file():
        return None
    text = read_text(path, limit=LARGEST_TABLE, what="list of test pairs")
    return {Path(line.split()[0]).stem for line in text.splitlines() if line.strip()}


def _category(name: str, tests: list[Path]) -> Category:
    templates = [_template(path) for path in tests]

    def references(shots: int, seed: int) -> list[Sample]:
        del shots, seed
        return []

    cases = tuple(_case(test, template) for test, template in zip(tests, templates, strict=True))
    return Category(name, "printed circuit board", "", references, cases)


def _template(test: Path) -> Path:
    name = test.stem.removesuffix(TEST) + TEMPLATE
    for suffix in (test.suffix, *sorted(SUFFIXES)):
        if (found := test.with_name(name + suffix)).is_file():
            return found
    raise InputError(f"{test}: its template is missing; expected {test.with_name(name + test.suffix)}.")


def _case(test: Path, template: Path) -> BenchmarkCase:
    boxes = _boxes(test)
    read = read_photo(test)
    defects = sorted({DEFECTS.get(kind, f"type {kind}") for _, kind in boxes})
    return BenchmarkCase(
        test.stem.removesuffix(TEST),
        "structural" if boxes else "good",
        read,
        _filled(boxes, read),
        defect=defects[0] if len(defects) == 1 else "several" if defects else "",
        template=read_photo(template),
    )


def _boxes(test: Path) -> Boxes:
    """x0 y0 x1 y1 type, a line a defect; an empty file is a good board."""
    name = f"{test.stem.removesuffix(TEST)}.txt"
    places = [test.parent.with_name(f"{test.parent.name}_not") / name, test.with_name(name)]
    for path in places:
        if path.is_file():
            lines = read_text(path, limit=LARGEST_BOXES, what="file of boxes").splitlines()
            return tuple(_box(path, number, line) for number, line in enumerate(lines, 1) if line.strip())
    raise InputError(f"{test}: its boxes are missing; expected {places[0]} or {places[1]} (empty for a good one).")


def _box(path: Path, number: int, line: str) -> tuple[tuple[int, int, int, int], int]:
    fields = re.split(r"[,\s]+", line.strip())
    try:
        x0, y0, x1, y1, kind = (int(value) for value in fields)
    except ValueError as error:
        raise InputError(
            f"{path}, line {number}: '{display_text(line.strip(), 60)}'; accepted is x0 y0 x1 y1 type."
        ) from error
    if x1 <= x0 or y1 <= y0:
        raise InputError(
            f"{path}, line {number}: the box {x0} {y0} {x1} {y1} is empty; x1 > x0 and y1 > y0 are accepted."
        )
    return (x0, y0, x1, y1), kind


def _filled(boxes: Boxes, read: Callable[[], Sample]) -> Callable[[], Mask | None]:
    """Everything inside of a box is anomalous: coarser than a mask, as the data set gives it."""

    def truth() -> Mask | None:
        mask = np.zeros(read().image.shape[:2], dtype=np.bool_)
        for (x0, y0, x1, y1), _ in boxes:
            mask[max(y0, 0) : y1, max(x0, 0) : x1] = True
        return mask

    return truth
