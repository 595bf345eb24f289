"""MMAD (Jiang et al. 2025): multiple-choice questions about photos of four data sets, with a good one beside each."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from evals.datasets.base import inside, noun, read_photo, read_records
from evals.datasets.questions import BenchmarkQuestion, PhotoQuestions
from tools.display_text import display_text
from tools.errors import InputError

FILE = "mmad.json"
LARGEST = 200_000_000
"""Bytes of the largest mmad.json; the published one has some 40 MB."""
MERGED = {"Object Structure": "Object Analysis", "Object Details": "Object Analysis"}
"""Types that the benchmark's own tables count as another."""


class MmadQuestion(BaseModel):
    """One question of a photo's conversation."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    Question: str
    Answer: str
    Options: dict[str, str] = Field(min_length=2)
    type: str


class Record(BaseModel):
    """What mmad.json holds of a photo."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    image_path: str = ""
    conversation: tuple[MmadQuestion, ...]
    similar_templates: tuple[str, ...] = ()
    random_templates: tuple[str, ...] = ()


def open_mmad(root: Path, shots: int = 1) -> list[PhotoQuestions]:
    """Every photo with its questions; each question is asked on its own.

    Args:
        root: holds mmad.json and the folders of its data sets.
        shots: so many of each photo's own random templates are shown, as the benchmark's tables do with one.

    Raises:
        tools.errors.InputError: the file is not there or not what it should be, a photo or template is missing, or
            there are fewer templates than shots.
    """
    path = root / FILE
    if not path.is_file():
        raise InputError(
            f"{root}: has no {FILE}; give the folder that holds it beside DS-MVTec, MVTec-LOCO, VisA, GoodsAD."
        )
    records = read_records(dict[str, Record], path, limit=LARGEST)
    return [_item(root, name, record, shots) for name, record in records.items()]


def _item(root: Path, name: str, record: Record, shots: int) -> PhotoQuestions:
    if len(record.random_templates) < shots:
        raise InputError(
            f"{root / FILE}: {display_text(name, 80)} has {len(record.random_templates)} random_templates, {shots} are "
            "asked for; lower --shots."
        )
    used = record.random_templates[:shots]
    photos = [inside(root, file, root / FILE) for file in (name, *used)]
    for path in photos:
        if not path.is_file():
            raise InputError(f"{display_text(str(path))}: is named in {FILE} but not there; unpack all four data sets.")
    parts = Path(name).parts
    product = noun(parts[1]) if len(parts) > 2 else "object"
    questions = tuple(_question(root, name, asked) for asked in record.conversation)
    shown, *templates = (read_photo(path) for path in photos)
    return PhotoQuestions(name, parts[0], product, shown, questions, tuple(templates))


def _question(root: Path, name: str, asked: MmadQuestion) -> BenchmarkQuestion:
    letter = asked.Answer.strip().rstrip(".:)").upper()
    options = {key.strip().upper(): text for key, text in asked.Options.items()}
    if letter not in options:
        raise InputError(
            f"{root / FILE}: {display_text(name, 80)}: the answer '{display_text(asked.Answer, 40)}' is none of the "
            f"options {display_text(', '.join(options), 80)}; copy the file from the benchmark again."
        )
    return BenchmarkQuestion("choose", asked.Question, MERGED.get(asked.type, asked.type), letter, options)
