"""VisA-D&R (Xu et al. 2025): is there a defect, and what, where, why; on VisA's test photos less pcb2 and pcb4."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator

from evals.datasets.base import inside, noun, read_photo, read_records
from evals.datasets.questions import Item, Question
from evals.datasets.visa import SPLIT, read_split
from prompts import load_yaml
from tools.display_text import display_text
from tools.errors import InputError

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


def open_visa_dr(root: Path) -> list[Item]:
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


def _detection(visa: Path) -> list[Item]:
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
            _item(inside(visa, name, stated), name, f"detect/{name}", (Question("detect", prompt, "detection", truth),))
        )
    return items


def _reasoning(visa: Path) -> list[Item]:
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
            Question("tell", text, topic_of(text), answer)
            for text, answer in zip(record.questions, answers, strict=True)
        )
        items.append(_item(inside(visa, name, visa / REASONING), name, f"reason/{name}", asked))
    return items


def _without_prefix(image: str) -> str:
    """A photo's path relative to VisA's folder."""
    return image.removeprefix("./").removeprefix("VisA/")


def _item(path: Path, name: str, key: str, questions: tuple[Question, ...]) -> Item:
    if not path.is_file():
        raise InputError(
            f"{display_text(str(path))}: is named in the benchmark but not there; unpack VisA beside the benchmark's "
            "files."
        )
    category = Path(name).parts[0]
    return Item(key, category, noun(category), read_photo(path), questions)
