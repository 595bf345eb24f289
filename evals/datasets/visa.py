"""VisA as published (Data/Images, Data/Masks, split_csv) and as prepared (the layout of MVTec AD)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evals.datasets.base import LARGEST_TABLE, Case, Category, inside, noun, read_mask, read_photo, references_of
from evals.datasets.mvtec import open_mvtec
from tools.display_text import display_text
from tools.errors import InputError
from tools.files import read_text

SPLIT = "split_csv/1cls.csv"
"""The official one-class split: what is for training is good, and the test has both."""


class SplitRow(BaseModel):
    """One line of the split: object, split, label, image, mask; paths are relative to the data set's root."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    object: str = Field(min_length=1)
    split: Literal["train", "test"]
    label: str
    image: str
    mask: str = ""

    @property
    def good(self) -> bool:
        """Whether the photo is of a good one."""
        return self.label == "normal"


def open_visa(root: Path, categories: list[str] | None = None) -> list[Category]:
    """The twelve objects, or those named; raw where the root has the split file, else prepared.

    Raises:
        tools.errors.InputError: neither layout, no such object, or a photo or mask of the split is not there.
    """
    if not (root / SPLIT).is_file():
        prepared = root / "1cls" if (root / "1cls").is_dir() else root
        if not any((p / "train" / "good").is_dir() for p in prepared.iterdir()):
            raise InputError(
                f"{root}: has neither {SPLIT} (VisA as published) nor folders with train/good (VisA as prepared); give "
                "the folder of either."
            )
        return open_mvtec(prepared, categories)
    rows = read_split(root / SPLIT)
    found = sorted({row.object for row in rows})
    for name in categories or []:
        if name not in found:
            raise InputError(f"category '{name}' is not in {root}; there are: {', '.join(found)}.")
    return [_category(root, name, [row for row in rows if row.object == name]) for name in categories or found]


def read_split(path: Path) -> list[SplitRow]:
    """The lines of a split file.

    Raises:
        tools.errors.InputError: it is not one.
    """
    lines = io.StringIO(read_text(path, limit=LARGEST_TABLE, what="split file"), newline="")
    try:
        return [SplitRow.model_validate(row) for row in csv.DictReader(lines, restkey="more")]
    except (ValidationError, csv.Error) as error:
        fault = str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            fault = f"column {first['loc'][0]}: {first['msg']}"
        raise InputError(
            f"{path}: {fault}; accepted are object,split,label,image,mask; copy the file from the data set again."
        ) from error


def _category(root: Path, name: str, rows: Iterable[SplitRow]) -> Category:
    test = [row for row in rows if row.split == "test"]
    pool = [inside(root, row.image, root / SPLIT) for row in rows if row.split == "train" and row.good]
    for row in [*test, *(r for r in rows if r.split == "train")]:
        if not (photo := inside(root, row.image, root / SPLIT)).is_file():
            raise InputError(
                f"{display_text(str(photo))}: is named in {SPLIT} but not there; unpack the whole data set."
            )
    return Category(name, noun(name), "", references_of(pool), tuple(_case(root, row) for row in test))


def _case(root: Path, row: SplitRow) -> Case:
    photo = inside(root, row.image, root / SPLIT)
    mask = inside(root, row.mask, root / SPLIT) if row.mask and not row.good else None
    if not row.good and not (mask and mask.is_file()):
        expected = display_text(str(mask)) if mask else f"none in {SPLIT}"
        raise InputError(f"{display_text(str(photo))}: its mask is missing ({expected}); unpack the whole data set.")
    read = read_photo(photo)
    truth = read_mask(mask, read)
    case_id = "/".join(Path(row.image).parts[-2:])
    return Case(case_id, "good" if row.good else "structural", read, truth, defect="" if row.good else "anomaly")
