"""What every data set gives: categories with references and labelled cases."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path, PureWindowsPath
from typing import Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from evals.metrics.region import TruthRegion
from prompts import load_yaml
from tools.display_text import display_text
from tools.errors import InputError
from tools.files import read_bytes
from tools.images import load_sample
from tools.types import Mask, Sample

Label = Literal["good", "logical", "structural"]
T = TypeVar("T")
LARGEST_TABLE = 50_000_000
"""Bytes of the largest CSV file or list of a data set."""


@dataclass(frozen=True, eq=False)
class BenchmarkCase:
    """One labelled photo; pixels are read when they are asked for."""

    id: str
    """Unique within its category; the key by which a run resumes."""
    label: Label
    photo: Callable[[], Sample]
    gt_mask: Callable[[], Mask | None]
    """Which pixels are anomalous, (H, W); None where the data set does not say."""
    regions: Callable[[], tuple[TruthRegion, ...]] = lambda: ()
    """Each defect with how much of it must be found; empty where the data set does not say."""
    defect: str = ""
    """The data set's name of what is wrong; empty for good ones and where it gives none."""
    template: Callable[[], Sample] | None = None
    """The good one that this very photo is to be compared with, in data sets of pairs; its only reference."""
    counts: Callable[[], Mapping[str, int]] | None = None
    """How many of each noun's parts are to be seen, those that are missing as 0; None where nobody knows."""

    def __post_init__(self) -> None:
        """Make names of files printable: they go to JSON, CSV, pages and terminals."""
        object.__setattr__(self, "id", display_text(self.id))
        object.__setattr__(self, "defect", display_text(self.defect))


@dataclass(frozen=True, eq=False)
class Category:
    """One product of a data set."""

    name: str
    product: str
    """Noun phrase that models are told."""
    normal: str
    """What good means, in words; may be empty."""
    references: Callable[[int, int], list[Sample]]
    """(shots, seed) -> that many photos of good ones, never among the cases."""
    cases: tuple[BenchmarkCase, ...]

    def __post_init__(self) -> None:
        """Make the name of a folder printable."""
        object.__setattr__(self, "name", display_text(self.name))


def choose(items: Sequence[T], count: int, seed: int) -> list[T]:
    """The same `count` items for the same seed, in their own order; all of them where there are fewer."""
    if count >= len(items):
        return list(items)
    picked = random.Random(seed).sample(range(len(items)), count)
    return [items[n] for n in sorted(picked)]


def alternating(kinds: list[tuple[Label, str]]) -> list[tuple[Label, str]]:
    """Logical and structural defects in turn, so that a short run has both."""
    logical = [k for k in kinds if k[0] == "logical"]
    structural = [k for k in kinds if k[0] == "structural"]
    if not logical or not structural:
        return kinds
    length = max(len(logical), len(structural))
    pairs = zip(islice(cycle(logical), length), islice(cycle(structural), length), strict=True)
    return [kind for pair in pairs for kind in pair]


def noun(name: str) -> str:
    """The noun phrase that models are told for a category: the known one, or the folder's name in words.

    >>> noun("pcb1"), noun("screw_bag")
    ('printed circuit board', 'screw bag')
    """
    known: dict[str, str] = load_yaml("benchmarks")["products"]
    return known.get(name, display_text(name.replace("_", " ")))


def by_stem(paths: Sequence[Path]) -> dict[str, Path]:
    """Photos of one folder by their names without ending, by which masks are joined.

    Raises:
        tools.errors.InputError: two of them have the same.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if path.stem in found:
            raise InputError(
                f"{path}: has the same name as {found[path.stem].name} but for its ending, so that a mask could belong "
                "to either; rename or remove one."
            )
        found[path.stem] = path
    return found


def read_records(kind: type[T], path: Path, *, limit: int) -> T:
    """Read a JSON file of a data set.

    Args:
        kind: what it must hold, such as `list[Record]`.
        path: the file.
        limit: largest accepted size in bytes.

    Raises:
        tools.errors.InputError: the file cannot be read, is too large, or holds something else.
    """
    try:
        return TypeAdapter(kind).validate_json(read_bytes(path, limit=limit, what="file of the data set"))
    except ValidationError as error:
        first = error.errors()[0]
        where = display_text(".".join(str(part) for part in first["loc"]), 80) or "the file"
        raise InputError(f"{path}: {where}: {first['msg']}; copy the file from the data set again.") from error


def inside(root: Path, name: str, source: Path) -> Path:
    """Return the path of a file that a data set's own list names.

    Args:
        root: folder of the data set.
        name: as the list states it, relative to `root`.
        source: the list, for messages.

    Raises:
        tools.errors.InputError: the name is absolute, holds `..`, or is a link that leads out of `root`.
    """
    stated, path = PureWindowsPath(name), root / name
    try:
        leads_out = not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))
        path.is_file()
    except (OSError, ValueError) as error:
        raise InputError(
            f"{source}: names '{display_text(name, 80)}', which no file can be called; copy the list from the data "
            "set again."
        ) from error
    if leads_out or stated.anchor or ".." in stated.parts:
        raise InputError(
            f"{source}: names '{display_text(name, 80)}', which leads out of {root}; accepted are relative paths in "
            "that folder; copy the list from the data set again, and put the photos themselves there, not links."
        )
    return path


def references_of(pool: Sequence[Path]) -> Callable[[int, int], list[Sample]]:
    """(shots, seed) -> that many photos of a pool of good ones, read when they are asked for."""
    return lambda shots, seed: [read_photo(path)() for path in choose(pool, shots, seed)]


def read_photo(path: Path) -> Callable[[], Sample]:
    """Reads a photo when it is asked for."""

    def read() -> Sample:
        return load_sample(path)

    return read


def no_mask() -> None:
    """For data sets without masks."""
