"""Runs the inspector over a benchmark; predictions are written as they come, so that a run resumes."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from evals import reports
from evals.datasets import BenchmarkCase, Category
from evals.run.anomaly_maps import keep_map
from evals.run.ground_truth import judged, truth_of
from evals.run.results import (
    PREDICTIONS,
    REFUSED,
    RESULTS,
    Prediction,
    Refusal,
    Results,
    RunSettings,
    claimed,
    now,
    read_lines,
    record,
    write_lines,
)
from evals.run.summary import summarise
from tools import models
from tools.display_text import display_text
from tools.errors import InputError
from tools.files import read_bytes, write_atomic
from tools.types import Sample

if TYPE_CHECKING:
    from agent import InspectionReport, Inspector, Product

__all__ = ["Prediction", "Results", "RunSettings", "run", "summarise"]

REFERENCES = "references.json"
IN_A_ROW = 5
"""So many photos one after the other on which something broke: it is not the photos, and the run ends."""
LARGEST_REFERENCES = 50_000_000
"""Bytes of the largest references.json."""
Progress = Callable[[int, int, Prediction], None]
Key = tuple[str, str]


class Chosen(BaseModel):
    """One reference of a category."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str
    sha256: str


class Noted(BaseModel):
    """What references.json holds of a category."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int
    references: tuple[Chosen, ...]


def run(
    inspector: Inspector,
    categories: list[Category],
    settings: RunSettings,
    out: Path,
    progress: Progress | None = None,
) -> Results:
    """Inspects every case that has no prediction yet, and writes results.json.

    Images that cannot be read, or on which a model breaks or memory runs out, are written to refused.jsonl, tried again
    by the next run, and counted in the results; a fifth broken one in a row ends the run with what broke.

    Raises:
        tools.errors.InputError: `out` holds another run, or predictions of another copy of the data set, or another
            program runs in it.
    """
    with claimed(out, settings):
        return _run(inspector, categories, settings, out, progress)


def _run(
    inspector: Inspector, categories: list[Category], settings: RunSettings, out: Path, progress: Progress | None
) -> Results:
    maps, started = out / "maps", now()
    maps.mkdir(exist_ok=True)
    done = {(p.category, p.id): p for p in read_lines(out / PREDICTIONS, Prediction)}
    _same_images(out, done, categories)
    refused = {(r.category, r.id): r for r in read_lines(out / REFUSED, Refusal) if (r.category, r.id) in done}
    device = ""
    total = sum(len(c.cases) for c in categories)
    with (out / PREDICTIONS).open("a", encoding="utf-8") as stream:
        for category in categories:
            for case, found in _inspect(inspector, category, settings, done, out):
                key = (category.name, case.id)
                if isinstance(found, InputError):
                    refused[key] = Refusal(category=category.name, id=case.id, why=display_text(str(found)))
                    continue
                prediction, report = found
                device = next((m["device"] for m in report.models.values()), device)
                fault = keep_map(maps, category.name, case, report.glance.map.values)
                if fault is not None:
                    refused[key] = Refusal(
                        category=category.name, id=case.id, why=f"its mask: {display_text(str(fault))}"
                    )
                stream.write(prediction.model_dump_json() + "\n")
                stream.flush()
                done[key] = prediction
                if progress is not None:
                    progress(len(done) + sum(k not in done for k in refused), total, prediction)
    write_lines(out / REFUSED, refused.values())
    seconds = math.fsum(p.seconds for p in done.values())
    about = record(device=device, models=settings.models, seed=settings.seed, started=started, seconds=seconds)
    noted = _noted(out / REFERENCES) if (out / REFERENCES).exists() else {}
    used = {name: len(found.references) for name, found in noted.items()}
    refusals = tuple(refused.values())
    results = summarise(list(done.values()), settings, maps, refused=refusals, run=about, references=used)
    write_atomic(out / RESULTS, results.model_dump_json(indent=2) + "\n")
    _write_shown(results, categories, done, out)
    return results


def _write_shown(results: Results, categories: list[Category], done: Mapping[Key, Prediction], out: Path) -> None:
    """What people read: a page, a table, a row of a leaderboard."""
    write_atomic(out / "results.csv", reports.csv_of(results))
    write_atomic(out / "leaderboard.md", reports.leaderboard(results))
    cases = {(category.name, case.id): case for category in categories for case in category.cases}
    reports.write_page(results, list(done.values()), cases, out)


def _inspect(
    inspector: Inspector, category: Category, settings: RunSettings, done: Mapping[Key, Prediction], out: Path
) -> Iterator[tuple[BenchmarkCase, tuple[Prediction, InspectionReport] | InputError]]:
    """Learns the category and inspects what has no prediction yet."""
    open_cases = [case for case in category.cases if (category.name, case.id) not in done]
    if not open_cases:
        return
    shared = None
    if not all(case.template for case in open_cases):
        references = category.references(settings.shots, settings.seed) if settings.shots else []
        _note_references(out, category.name, settings, references)
        shared = _learned(inspector, category, settings, references)
    broken = 0
    for case in open_cases:
        start, product = time.perf_counter(), shared
        try:
            photo = case.photo()
            if case.template is not None:
                product = _learned(inspector, category, settings, [case.template()] if settings.shots else [])
            report = inspector.inspect(photo, product=product)
        except InputError as error:
            yield case, error
            continue
        except Exception as error:  # a fault of a model or a tool is this photo's alone
            broken += 1
            if broken >= IN_A_ROW:
                raise
            yield case, _broken(error)
            continue
        seconds, broken = time.perf_counter() - start, 0
        yield case, (_prediction(category, case, report, seconds), report)


def _broken(error: Exception) -> InputError:
    """What broke on a photo, in a sentence; memory that it held is given back."""
    if models.is_out_of_memory(error):
        models.free()
    found = " ".join(str(error).split())[:200]
    return InputError(f"was not inspected ({type(error).__name__}: {found}); calling again tries it again.")


def _learned(inspector: Inspector, category: Category, settings: RunSettings, references: list[Sample]) -> Product:
    """The product as the inspector may know it: name, references, and what good means where that is told."""
    describe = category.normal if settings.words else ""
    return inspector.learn(category.name, references, describe=describe, product=category.product)


def _prediction(category: Category, case: BenchmarkCase, report: InspectionReport, seconds: float) -> Prediction:
    truth = truth_of(case)
    sentences = [] if truth is None else list(judged(report, truth))
    return Prediction(
        category=category.name,
        id=case.id,
        label=case.label,
        score=report.verdict.score,
        anomalous=report.verdict.anomalous,
        looks=len(report.looks),
        seconds=round(seconds, 4),
        confidence=report.verdict.confidence,
        defect=case.defect,
        checkable=None if truth is None else len(sentences),
        false=tuple(said.text for said in sentences if not said.true),
    )


def _same_images(out: Path, done: dict[Key, Prediction], categories: list[Category]) -> None:
    """Refuses predictions of images that the data set does not have."""
    known = {(category.name, case.id) for category in categories for case in category.cases}
    foreign = [key for key in done if key not in known]
    if foreign:
        raise InputError(
            f"{out} holds predictions of {len(foreign)} images that this data set does not have, such as "
            f"{'/'.join(foreign[0])}; give another --out folder, or the data set that it was begun with."
        )


def _note_references(out: Path, category: str, settings: RunSettings, references: list[Sample]) -> None:
    """Writes down which images are references; refuses others than those that the run was begun with."""
    path = out / REFERENCES
    noted = _noted(path) if path.exists() else {}
    chosen = tuple(Chosen(image=_where(sample), sha256=sample.digest) for sample in references)
    before = noted[category].references if category in noted else chosen
    differing = [new.image for old, new in zip(before, chosen, strict=False) if old.sha256 != new.sha256]
    if differing or len(before) != len(chosen):
        changed = differing[0] if differing else f"{len(chosen)} rather than {len(before)}"
        raise InputError(
            f"{out}: {category} was begun with other references ({changed} differs); give another --out folder."
        )
    noted[category] = Noted(seed=settings.seed, references=chosen)
    write_atomic(path, json.dumps({name: n.model_dump() for name, n in noted.items()}, indent=2) + "\n")


def _noted(path: Path) -> dict[str, Noted]:
    try:
        content = read_bytes(path, limit=LARGEST_REFERENCES, what="file of references")
        return TypeAdapter(dict[str, Noted]).validate_json(content)
    except ValidationError as error:
        raise InputError(f"{path}: not the references of a run; give another --out folder.") from error


def _where(sample: Sample) -> str:
    """The last folders and the name of a reference, which say where it is in its data set."""
    return display_text("/".join(sample.path.parts[-3:])) if sample.path is not None else "rendered"
