"""Runs the inspector over a benchmark; predictions are written as they come, so that a run resumes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from evals.datasets import Category, Label
from evals.kept import keep_map, kept_map
from evals.metrics import Regions, ranking_metrics
from tools.errors import InputError

if TYPE_CHECKING:
    from agent import Inspector


class Settings(BaseModel):
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


class Results(BaseModel):
    """What results.json holds; metrics are fractions, means over the categories."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    benchmark: str
    profile: str
    shots: int
    metrics: dict[str, float]
    categories: dict[str, dict[str, float]]
    images: int
    settings: Settings


Progress = Callable[[int, int, Prediction], None]


def run(
    inspector: Inspector,
    categories: list[Category],
    settings: Settings,
    out: Path,
    progress: Progress | None = None,
) -> Results:
    """Inspects every case that has no prediction yet, and writes results.json.

    Raises:
        tools.errors.InputError: `out` holds another run.
    """
    _claim(out, settings)
    maps = out / "maps"
    maps.mkdir(exist_ok=True)
    done = _read(out / "predictions.jsonl")
    total = sum(len(c.cases) for c in categories)
    with (out / "predictions.jsonl").open("a", encoding="utf-8") as stream:
        for category in categories:
            for prediction in _inspect(inspector, category, settings, done, maps):
                stream.write(prediction.model_dump_json() + "\n")
                stream.flush()
                done[prediction.category, prediction.id] = prediction
                if progress is not None:
                    progress(len(done), total, prediction)
    results = summarise(list(done.values()), settings, maps)
    (out / "results.json").write_text(results.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return results


def _inspect(
    inspector: Inspector,
    category: Category,
    settings: Settings,
    done: Mapping[tuple[str, str], Prediction],
    maps: Path,
) -> Iterator[Prediction]:
    """Learns the category and inspects what has no prediction yet."""
    open_cases = [case for case in category.cases if (category.name, case.id) not in done]
    if not open_cases:
        return
    references = category.references(settings.shots, settings.seed) if settings.shots else []
    describe = category.normal if settings.words else ""
    product = inspector.learn(category.name, references, describe=describe, product=category.product)
    for case in open_cases:
        start = time.perf_counter()
        photo = case.photo()
        report = inspector.inspect(photo, product=product)
        seconds = time.perf_counter() - start
        keep_map(maps, category.name, case, report.glance.map.values)
        yield Prediction(
            category=category.name,
            id=case.id,
            label=case.label,
            score=report.verdict.score,
            anomalous=report.verdict.anomalous,
            looks=len(report.looks),
            seconds=round(seconds, 4),
        )


def summarise(predictions: Sequence[Prediction], settings: Settings, maps: Path) -> Results:
    """Metrics of each category, and their means over the categories that have them."""
    by_category: dict[str, list[Prediction]] = {}
    for prediction in predictions:
        by_category.setdefault(prediction.category, []).append(prediction)
    categories = {name: _metrics(found, maps) for name, found in by_category.items()}
    names = {key for metrics in categories.values() for key in metrics}
    means = {
        key: math.fsum(m[key] for m in categories.values() if key in m) / sum(key in m for m in categories.values())
        for key in sorted(names)
    }
    return Results(
        benchmark=settings.benchmark,
        profile=settings.profile,
        shots=settings.shots,
        metrics=means,
        categories=categories,
        images=len(predictions),
        settings=settings,
    )


def _metrics(found: Sequence[Prediction], maps: Path) -> dict[str, float]:
    metrics = ranking_metrics([p.label for p in found], [p.score for p in found], [p.anomalous for p in found])
    metrics["seconds_per_image"] = math.fsum(p.seconds for p in found) / len(found)
    metrics["looks_per_image"] = sum(p.looks for p in found) / len(found)
    return metrics | _region_metrics(found, maps)


def _region_metrics(found: Sequence[Prediction], maps: Path) -> dict[str, float]:
    """What the maps are worth, at the photos' own size; pixels and components of structural defects alone."""
    by_kind = {"structural": Regions(), "logical": Regions()}
    for prediction in found:
        kept = kept_map(maps, prediction.category, prediction.id)
        if kept is None:
            continue
        for kind, regions in by_kind.items():
            if prediction.label in ("good", kind):
                regions.add(kept.values, kept.truth, kept.regions)
    structural = by_kind["structural"]
    values = {"pixel_auroc": structural.pixel_auroc(), "aupro": structural.aupro()}
    values |= {f"au_spro_{kind}": regions.au_spro() for kind, regions in by_kind.items()}
    known = {name: value for name, value in values.items() if value is not None}
    overlaps = [value for name, value in known.items() if name.startswith("au_spro")]
    return {**known, "au_spro": math.fsum(overlaps) / len(overlaps)} if overlaps else known


def _claim(out: Path, settings: Settings) -> None:
    """Makes the folder this run's own, or finds that it already is."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "settings.json"
    if not path.exists():
        path.write_text(settings.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return
    try:
        before = Settings.model_validate_json(path.read_text(encoding="utf-8")).model_dump()
    except ValueError as error:
        raise InputError(f"{path}: not the settings of a run; give another --out folder.") from error
    now = settings.model_dump()
    differing = [f"{key} {before[key]} there, {now[key]} here" for key in now if before[key] != now[key]]
    if differing:
        raise InputError(f"{out} holds another run ({'; '.join(differing)}); give another --out folder.")


def _read(path: Path) -> dict[tuple[str, str], Prediction]:
    """Predictions already made; a last line that was torn by a kill is cut off and made again."""
    if not path.exists():
        return {}
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    found = (Prediction.model_validate_json(line) for line in whole.splitlines())
    return {(p.category, p.id): p for p in found}
