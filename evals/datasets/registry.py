"""Which benchmarks there are, by the name given on the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from evals.datasets.base import Category
from evals.datasets.folder import open_folder, open_pairs
from evals.datasets.mvtec import open_mvtec
from evals.datasets.visa import open_visa
from evals.datasets.world import Split, open_medleys, open_world
from nano.world import FAMILIES, HELDOUT, TRAINED
from tools.errors import InputError

Benchmark = Literal["world", "medleys", "mvtec-ad", "mvtec-loco", "visa", "pairs", "folder"]
BENCHMARKS: tuple[Benchmark, ...] = get_args(Benchmark)
READERS: dict[str, Callable[[Path, list[str] | None], list[Category]]] = {
    "mvtec-ad": open_mvtec,
    "mvtec-loco": open_mvtec,
    "visa": open_visa,
    "pairs": open_pairs,
    "folder": open_folder,
}
"""Of those that are on disk."""
Questioned = Literal["visa-dr", "mmad"]
QUESTIONED: tuple[Questioned, ...] = get_args(Questioned)
"""Benchmarks of questions and answers."""
MEDLEY_CASES = 8
"""Cases of each medley."""
WORLD_CASES = 240
"""Cases of the world over all its families where no limit is given."""


def open_benchmark(
    name: str,
    *,
    root: Path | None,
    categories: list[str] | None,
    split: Split,
    seed: int,
    limit: int | None,
    style: str = "plain",
) -> list[Category]:
    """The categories of a benchmark; `limit` bounds the cases over all categories, evenly.

    Raises:
        tools.errors.InputError: no such benchmark, its root is missing, or its layout is not what it should be.
    """
    if name == "world":
        count = len(categories or {"trained": TRAINED, "heldout": HELDOUT, "all": FAMILIES}[split])
        per_category = max(2, (limit or WORLD_CASES) // max(1, count))
        return open_world(split=split, seed=seed, per_category=per_category, style=style, categories=categories)
    if name == "medleys":
        count = max(1, (limit or WORLD_CASES) // MEDLEY_CASES)
        return open_medleys(first=seed, count=count, per_category=MEDLEY_CASES)
    if name not in BENCHMARKS:
        known = ", ".join((*BENCHMARKS, *QUESTIONED))
        raise InputError(f"benchmark '{name}' is not known; there are: {known}.")
    opened = READERS[name](data_folder(name, root), categories)
    return [_limited(c, limit, len(opened)) for c in opened]


def data_folder(name: str, root: Path | None) -> Path:
    """The folder of a data set.

    Raises:
        tools.errors.InputError: none was given, or it is no folder.
    """
    if root is None:
        raise InputError(f"benchmark '{name}' needs its data set; give its folder by --root (see docs/benchmarks).")
    if not root.is_dir():
        raise InputError(f"benchmark '{name}': --root {root} is not a folder; give the folder of the data set.")
    return root


def _limited(category: Category, limit: int | None, categories: int) -> Category:
    """At most an even share of `limit`, spread over the whole category so that every label stays."""
    share = max(2, limit // categories) if limit else len(category.cases)
    if share >= len(category.cases):
        return category
    step = len(category.cases) / share
    return replace(category, cases=tuple(category.cases[int(n * step)] for n in range(share)))
