"""VisA as published and as prepared, and VisA-D&R (Xu et al. 2025): detection and questions on VisA's test photos."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, field_validator

from evals.datasets.base import (
    LARGEST_TABLE,
    BenchmarkCase,
    Category,
    inside,
    noun,
    read_photo,
    read_records,
    references_of,
)
from evals.datasets.masks import read_mask
from evals.datasets.mvtec import open_mvtec
from evals.datasets.questions import BenchmarkQuestion, PhotoQuestions
from prompts import load_yaml
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


def _case(root: Path, row: SplitRow) -> BenchmarkCase:
    photo = inside(root, row.image, root / SPLIT)
    mask = inside(root, row.mask, root / SPLIT) if row.mask and not row.good else None
    if not row.good and not (mask and mask.is_file()):
        expected = display_text(str(mask)) if mask else f"none in {SPLIT}"
        raise InputError(f"{display_text(str(photo))}: its mask is missing ({expected}); unpack the whole data set.")
    read = read_photo(photo)
    truth = read_mask(mask, read)
    case_id = "/".join(Path(row.image).parts[-2:])
    return BenchmarkCase(
        case_id, "good" if row.good else "structural", read, truth, defect="" if row.good else "anomaly"
    )


DETECTION, REASONING = "test_data.json", "visa_dr.json"
LEFT_OUT = ("pcb2", "pcb4")
"""The benchmark leaves them out: too many boards."""
LARGEST = 200_000_000
"""Bytes of the largest of both JSON files."""


class Detected(BaseModel):
    """One record of test_data.json."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    image: str
    anomaly: bool


class Reasoned(BaseModel):
    """One record of visa_dr.json; a conversation in LLaVA's shape gives its answers as well."""

    model_config = ConfigDict(extra="allow", frozen=True)

    image: str
    questions: tuple[str, ...] = Field(min_length=1)
    answers: tuple[str, ...] = Field(
        default=(),
        validation_alias=AliasChoices("answers", "gt_answers", "ground_truths", "references", "conversations"),
    )

    @field_validator("answers", mode="before")
    @classmethod
    def _said_by_the_model(cls, value: Any) -> Any:
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return tuple(
                turn.get("value", "")
                for turn in value
                if isinstance(turn, dict) and turn.get("from") in ("gpt", "assistant")
            )
        return value


def open_visa_dr(root: Path) -> list[PhotoQuestions]:
    """The photos of the detection part, then the conversations of the reasoning part.

    `root` is the folder that holds VisA/ with the two JSON files in it, or that VisA folder. Without test_data.json
    the detection part is that of VisA's own one-class split, which is the same.

    Raises:
        tools.errors.InputError: neither part is there, a file is not what it should be, or a photo is missing.
    """
    visa = root / "VisA" if (root / "VisA").is_dir() else root
    items = _detection(visa) + _reasoning(visa)
    if not items:
        raise InputError(
            f"{root}: has neither {DETECTION} nor {SPLIT} (detection) nor {REASONING} (reasoning); put the benchmark's "
            "files into the folder of VisA."
        )
    return items


def detection_split(path: Path) -> list[Detected]:
    """The detection part by VisA's one-class split: 761 normal and 1000 anomalous test photos of ten objects.

    Raises:
        tools.errors.InputError: the file is no such split.
    """
    return [
        Detected(image=row.image, anomaly=not row.good)
        for row in read_split(path)
        if row.split == "test" and row.object not in LEFT_OUT
    ]


def topic_of(question: str) -> str:
    """The topic "complex" where cause, consequence or remedy is asked for, else "low_level".

    The words that tell are in prompts/benchmarks.yaml.

    >>> topic_of("What could have caused this?"), topic_of("Where is the defect?")
    ('complex', 'low_level')
    """
    words = " ".join(re.findall(r"[a-z]+", question.lower()))
    told = load_yaml("benchmarks")["visa_dr"]["complex"]
    return "complex" if any(re.search(rf"\b{re.escape(word)}\b", words) for word in told) else "low_level"


def _detection(visa: Path) -> list[PhotoQuestions]:
    stated = visa / DETECTION if (visa / DETECTION).is_file() else visa / SPLIT
    if not stated.is_file():
        return []
    records = (
        detection_split(stated)
        if stated.name == Path(SPLIT).name
        else read_records(list[Detected], stated, limit=LARGEST)
    )
    prompt = load_yaml("benchmarks")["visa_dr"]["detect"]
    items = []
    for record in records:
        name = _without_prefix(record.image)
        if name.split("/")[0] in LEFT_OUT:
            continue
        truth = "yes" if record.anomaly else "no"
        items.append(
            _item(
                inside(visa, name, stated),
                name,
                f"detect/{name}",
                (BenchmarkQuestion("detect", prompt, "detection", truth),),
            )
        )
    return items


def _reasoning(visa: Path) -> list[PhotoQuestions]:
    if not (visa / REASONING).is_file():
        return []
    items = []
    for record in read_records(list[Reasoned], visa / REASONING, limit=LARGEST):
        name = _without_prefix(record.image)
        if name.split("/")[0] in LEFT_OUT:
            continue
        if record.answers and len(record.answers) != len(record.questions):
            raise InputError(
                f"{visa / REASONING}: {display_text(record.image, 80)} has {len(record.questions)} questions and "
                f"{len(record.answers)} answers; copy the file from the benchmark again."
            )
        answers = record.answers or (None,) * len(record.questions)
        asked = tuple(
            BenchmarkQuestion("tell", text, topic_of(text), answer)
            for text, answer in zip(record.questions, answers, strict=True)
        )
        items.append(_item(inside(visa, name, visa / REASONING), name, f"reason/{name}", asked))
    return items


def _without_prefix(image: str) -> str:
    """A photo's path relative to VisA's folder."""
    return image.removeprefix("./").removeprefix("VisA/")


def _item(path: Path, name: str, key: str, questions: tuple[BenchmarkQuestion, ...]) -> PhotoQuestions:
    if not path.is_file():
        raise InputError(
            f"{display_text(str(path))}: is named in the benchmark but not there; unpack VisA beside the benchmark's "
            "files."
        )
    category = Path(name).parts[0]
    return PhotoQuestions(key, category, noun(category), read_photo(path), questions)
