"""What a run writes and reads again: settings, predictions, results, and what it was made with."""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evals.datasets.base import Label
from tools.errors import InputError
from tools.files import cut_torn_line, exclusive, read_bytes, write_atomic, write_once

LIBRARIES = (
    "looktwice",
    "torch",
    "torchvision",
    "transformers",
    "open_clip_torch",
    "langgraph",
    "numpy",
    "scipy",
    "scikit-learn",
    "scikit-image",
    "pillow",
)
"""Whose versions can change a figure."""


class RunRecord(BaseModel):
    """One session of a run; a resumed run keeps that of its last."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    python: str
    platform: str
    processor: str
    cores: int
    device: str
    versions: dict[str, str]
    models: dict[str, str]
    """SHA-256 of each role's checkpoint."""
    seed: int
    started: str
    """ISO 8601, UTC."""
    seconds: float
    """Spent on images over all sessions, by their own clocks."""


def record(*, device: str, models: dict[str, str], seed: int, started: str, seconds: float) -> RunRecord:
    """The record of this process."""
    return RunRecord(
        python=platform.python_version(),
        platform=platform.platform(),
        processor=_processor(),
        cores=os.cpu_count() or 1,
        device=device,
        versions={name: found for name in LIBRARIES if (found := _version(name))},
        models=models,
        seed=seed,
        started=started,
        seconds=round(seconds, 3),
    )


def now() -> str:
    """The time, in ISO 8601 and UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _processor() -> str:
    """The processor's own name where the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
            named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        named = []
    return named[0] if named else platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


PREDICTIONS, SETTINGS, RESULTS, REFUSED = "predictions.jsonl", "settings.json", "results.json", "refused.jsonl"
BATCH_LINES = "results.jsonl"
"""A file that a batch of `looktwice inspect` writes, and no run."""
LARGEST_LINE, LARGEST_LINES = 1_000_000, 1_000_000_000
"""Bytes of the longest line and of the largest file of lines."""
LARGEST_SETTINGS, LARGEST_RESULTS = 1_000_000, 50_000_000
"""Bytes of the largest settings.json and results.json."""
Line = TypeVar("Line", bound=BaseModel)


class RunSettings(BaseModel):
    """What a run is; a folder that holds another run is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    benchmark: str
    profile: str
    shots: int
    seed: int
    limit: int | None
    split: str
    style: str
    categories: tuple[str, ...]
    looks: int
    words: bool
    """Whether the data set's sentence on what good means was given."""
    by: str = "agent"
    """Who answers: the whole "agent", or the bare "language model" on benchmarks of questions."""
    models: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of each role's checkpoint; empty in runs of before they were recorded."""


class Prediction(BaseModel):
    """One line of predictions.jsonl."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    category: str
    id: str
    label: Label
    score: float
    anomalous: bool
    looks: int
    seconds: float
    confidence: float | None = None
    """The verdict's own, in [0, 1]; None in runs of before it was recorded."""
    defect: str = ""
    """The data set's name of what is wrong; empty where it gives none."""
    checkable: int | None = None
    """Sentences of the explanation that the truth can be held against; None where nobody knows it."""
    false: tuple[str, ...] = ()
    """Those of them that are false."""


class Refusal(BaseModel):
    """An image that could not be used: counted and named, never left out in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    category: str
    id: str
    why: str


class Results(BaseModel):
    """What results.json holds; metrics are fractions, means over the categories."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    benchmark: str
    profile: str
    shots: int
    """References of each category that were used; of several numbers the largest, and the notes say which had fewer."""
    metrics: dict[str, float]
    categories: dict[str, dict[str, float]]
    images: int
    settings: RunSettings
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Bootstrap 95 % intervals of the means, for the metrics that are made of one number an image."""
    refused: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()
    """What is not in the metrics, and why."""
    run: RunRecord | None = None
    """Where, when and with what; None in runs of before it was recorded."""


@contextlib.contextmanager
def claimed(out: Path, settings: RunSettings) -> Iterator[None]:
    """Make a folder a run's own, or find that it already is; no other program may run in it meanwhile.

    Raises:
        tools.errors.InputError: another program runs in it, or it holds another run, which the message tells apart
            from this one.
    """
    out.mkdir(parents=True, exist_ok=True)
    with exclusive(out / SETTINGS, seconds=0):
        _claim(out, settings)
        yield


def _claim(out: Path, settings: RunSettings) -> None:
    if (out / BATCH_LINES).exists():
        raise InputError(
            f"{out}: holds the results of a batch ({BATCH_LINES}); give --out a folder of the run's own, such as "
            f"{out / settings.benchmark}."
        )
    path = out / SETTINGS
    content = settings.model_dump_json(indent=2) + "\n"
    held = write_once(path, content, limit=LARGEST_SETTINGS, what="settings file")
    if held is None:
        return
    try:
        before = RunSettings.model_validate_json(held)
    except ValidationError as error:
        raise InputError(f"{path}: not the settings of a run; give another --out folder.") from error
    differing = _differing(before, settings)
    if differing:
        raise InputError(f"{out} holds another run ({'; '.join(differing)}); give another --out folder.")


def _differing(before: RunSettings, now: RunSettings) -> list[str]:
    """What differs, setting by setting; of models only those that both know."""
    told = []
    for name in RunSettings.model_fields:
        there, here = getattr(before, name), getattr(now, name)
        if name == "models":
            changed = sorted(role for role in there.keys() & here.keys() if there[role] != here[role])
            told += [f"the {role}'s weights {there[role][:12]} there, {here[role][:12]} here" for role in changed]
        elif there != here:
            told.append(f"{name} {there} there, {here} here")
    return told


def read_lines(path: Path, kind: type[Line]) -> list[Line]:
    """The lines of a file that is written as a run goes; a last line that a kill has torn is cut off.

    Raises:
        tools.errors.InputError: another line is not what a run writes or is too long, or the file is too large.
    """
    if not path.exists():
        return []
    content = read_bytes(path, limit=LARGEST_LINES, what="file of a run's lines")
    if content and not content.endswith(b"\n"):
        with path.open("r+b") as stream:
            content = content[: cut_torn_line(stream.fileno())]
    found = []
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        if len(line) > LARGEST_LINE:
            raise InputError(
                f"{path}, line {number}: has {len(line)} bytes; at most {LARGEST_LINE} are accepted; "
                "give another --out folder."
            )
        try:
            found.append(kind.model_validate_json(line))
        except ValidationError as error:
            raise InputError(
                f"{path}, line {number}: {error.errors()[0]['msg']}; not what a run writes; give another --out folder."
            ) from error
    return found


def read_results(folder: Path) -> Results:
    """The results of a finished run, old or new.

    Raises:
        tools.errors.InputError: there are none, or the file is not readable as such.
    """
    path = folder if folder.is_file() else folder / RESULTS
    if not path.is_file():
        begun = (folder / SETTINGS).exists()
        todo = "finish that run first, by the same call" if begun else "give the --out folder of a `looktwice eval`"
        raise InputError(f"{folder}: holds no {RESULTS}; {todo}.")
    try:
        return Results.model_validate_json(read_bytes(path, limit=LARGEST_RESULTS, what="results file"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{path}: {where}: {first['msg']}; give the --out folder of a `looktwice eval`.") from error


def write_lines(path: Path, lines: Iterable[BaseModel]) -> None:
    """Writes a file of lines whole or not at all."""
    write_atomic(path, "".join(line.model_dump_json() + "\n" for line in lines))
