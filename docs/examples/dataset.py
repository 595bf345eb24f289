"""A data set: a folder with a table `photos.csv` of file, label and split, as cases that every eval understands."""

import csv
from pathlib import Path
from typing import cast, get_args

from evals.datasets.base import BenchmarkCase, Category, Label, no_mask, read_photo, references_of
from tools.errors import InputError


def open_table(root: Path) -> list[Category]:
    """One product: good photos of the split "train" are references, all others are cases.

    Raises:
        InputError: there is no table, or a label that is none.
    """
    table = root / "photos.csv"
    if not table.is_file():
        raise InputError(f"{root}: has no photos.csv with the columns file, label, split; give the folder that has it.")
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for number, row in enumerate(rows, start=2):
        if row["label"] not in get_args(Label):
            known = ", ".join(get_args(Label))
            raise InputError(f"{table}: line {number}: label '{row['label']}'; accepted are {known}.")
    pool = [root / row["file"] for row in rows if row["split"] == "train"]
    cases = tuple(
        BenchmarkCase(row["file"], cast(Label, row["label"]), read_photo(root / row["file"]), no_mask)
        for row in rows
        if row["split"] == "test"
    )
    return [Category(root.name, root.name.replace("_", " "), "", references_of(pool), cases)]
