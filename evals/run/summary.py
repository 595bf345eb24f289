"""Makes results of predictions: metrics of each category, their means, intervals, and what could not be measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from evals import metrics as measures
from evals.metrics import Regions
from evals.metrics.bootstrap import Scored, intervals, resampled
from evals.metrics.calibration import ece
from evals.run.anomaly_maps import kept_map
from evals.run.results import Prediction, Refusal, Results, RunRecord, RunSettings


def summarise(
    predictions: Sequence[Prediction],
    settings: RunSettings,
    maps: Path,
    *,
    refused: Sequence[Refusal] = (),
    run: RunRecord | None = None,
    references: Mapping[str, int] | None = None,
) -> Results:
    """Metrics of each category, and their means over the categories that have them.

    Args:
        predictions: of the images that were inspected.
        settings: of the run.
        maps: folder of the kept maps.
        refused: images that were not inspected.
        run: when and with what it was made.
        references: how many were used, by category; as asked where nothing is said.
    """
    used = references or {}
    groups = by_category(predictions)
    categories = {name: _metrics(found, maps) for name, found in groups.items()}
    metrics = means(categories)
    calibration = _calibration(predictions)
    return Results(
        benchmark=settings.benchmark,
        profile=settings.profile,
        shots=max(used.values(), default=settings.shots),
        metrics=metrics | ({} if calibration is None else {"ece": calibration}),
        categories=categories,
        images=len(predictions),
        settings=settings,
        intervals=intervals(resampled({name: scored(found) for name, found in groups.items()}, settings.seed)),
        refused=tuple(refused),
        notes=(*_fewer(used, settings.shots), *_notes(groups, categories, refused)),
        run=run,
    )


def by_category(predictions: Sequence[Prediction]) -> dict[str, list[Prediction]]:
    """Predictions of each category, in the order in which the categories came."""
    groups: dict[str, list[Prediction]] = {}
    for prediction in predictions:
        groups.setdefault(prediction.category, []).append(prediction)
    return groups


def scored(predictions: Sequence[Prediction]) -> Scored:
    """The same as arrays."""
    return Scored(
        np.array([p.label for p in predictions]),
        np.array([p.score for p in predictions], dtype=np.float64),
        np.array([p.anomalous for p in predictions], dtype=np.bool_),
    )


def means(categories: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Each metric's mean over the categories that have it.

    >>> means({"a": {"f1": 1.0}, "b": {"f1": 0.0, "recall": 0.5}})
    {'f1': 0.5, 'recall': 0.5}
    """
    names = sorted({key for metrics in categories.values() for key in metrics})
    return {
        key: math.fsum(m[key] for m in categories.values() if key in m) / sum(key in m for m in categories.values())
        for key in names
    }


def _metrics(found: Sequence[Prediction], maps: Path) -> dict[str, float]:
    metrics = measures.ranking_metrics([p.label for p in found], [p.score for p in found], [p.anomalous for p in found])
    metrics["seconds_per_image"] = math.fsum(p.seconds for p in found) / len(found)
    metrics["looks_per_image"] = sum(p.looks for p in found) / len(found)
    checkable = sum(p.checkable or 0 for p in found)
    if checkable:
        metrics["true_sentences"] = 1 - sum(len(p.false) for p in found) / checkable
    return metrics | _region_metrics(found, maps)


def _region_metrics(found: Sequence[Prediction], maps: Path) -> dict[str, float]:
    """What the maps are worth, at the photos' own size; pixels and components of structural defects alone."""
    by_kind = {"structural": Regions(), "logical": Regions()}
    for prediction in found:
        kept = kept_map(maps, prediction.category, prediction.id)
        if kept is None or kept.truth is None:
            continue
        for kind, regions in by_kind.items():
            if prediction.label in ("good", kind):
                regions.add(kept.values, kept.truth, kept.regions)
    structural = by_kind["structural"]
    values = {"pixel_auroc": structural.pixel_auroc(), "pixel_ap": structural.pixel_ap(), "aupro": structural.aupro()}
    values |= {f"au_spro_{kind}": regions.au_spro() for kind, regions in by_kind.items()}
    known = {name: value for name, value in values.items() if value is not None}
    overlaps = [value for name, value in known.items() if name.startswith("au_spro")]
    return {**known, "au_spro": math.fsum(overlaps) / len(overlaps)} if overlaps else known


def _calibration(predictions: Sequence[Prediction]) -> float | None:
    """Over all images at once: in one category there are too few for bins."""
    stated = [(p.confidence, p.anomalous == (p.label != "good")) for p in predictions if p.confidence is not None]
    return ece([c for c, _ in stated], [right for _, right in stated]) if stated else None


def _fewer(used: Mapping[str, int], asked: int) -> list[str]:
    """Which categories had fewer references than were asked for."""
    return [
        f"{name}: {count} of the {asked} references that were asked for were used; the data set keeps no more good "
        "photos for them."
        for name, count in used.items()
        if count < asked
    ]


def _notes(
    groups: Mapping[str, Sequence[Prediction]],
    categories: Mapping[str, Mapping[str, float]],
    refused: Sequence[Refusal],
) -> list[str]:
    """What a reader of the means has to know."""
    notes = []
    for name, found in groups.items():
        labels = {p.label != "good" for p in found}
        if len(labels) == 1:
            absent = "anomalous" if labels == {False} else "good"
            notes.append(
                f"{name} has no {absent} image: its AUROC, AP, precision, recall and F1 are not defined; no mean "
                "holds it."
            )
    if refused:
        notes.append(f"{len(refused)} images could not be used, or not whole; they are listed under `refused`.")
    if groups and not any("pixel_auroc" in metrics for metrics in categories.values()):
        notes.append("No masks of both good and anomalous pixels: there are no pixel and region metrics.")
    return notes
