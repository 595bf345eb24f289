"""Percentile bootstrap of macro means (Efron and Tibshirani 1993, section 13.3), images drawn within each category.

Good and anomalous images of a category are drawn apart, so that every resample has both where the category has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
SHARE = 0.95
"""Of the resamples that an interval holds."""
Indices = NDArray[np.intp]
Samples = dict[str, NDArray[np.float64]]
"""Values of each resample by metric."""


@dataclass(frozen=True, eq=False)
class Scored:
    """The images of one category, as metrics of decisions and ranking see them."""

    labels: NDArray[np.str_]
    """(N,) "good", "logical" or "structural"."""
    scores: NDArray[np.float64]
    """(N,), higher is more anomalous."""
    decisions: NDArray[np.bool_]
    """(N,), called anomalous."""


def counted(scored: Scored) -> dict[str, float]:
    """Ranking and decision metrics by name, as `ranking_metrics` gives them, by counting alone.

    It is what a bootstrap can afford a thousand times; a test holds it to scikit-learn's values.
    """
    every = _counted(scored, np.arange(len(scored.labels))[None])
    return {name: float(values[0]) for name, values in every.items() if not np.isnan(values[0])}


def _counted(scored: Scored, rows: Indices) -> Samples:
    """The metrics of each resample of the images of one category; NaN where a resample does not have one.

    Args:
        scored: the category.
        rows: (R, N) the images that each resample draws.
    """
    labels, scores, called = scored.labels[rows], scored.scores[rows], scored.decisions[rows]
    bad = labels != "good"
    true, hit = bad.sum(axis=1), (bad & called).sum(axis=1)
    both = (true > 0) & (true < bad.shape[1])
    metrics = {
        "precision": hit / np.maximum(called.sum(axis=1), 1),
        "recall": hit / np.maximum(true, 1),
        "f1": 2 * hit / np.maximum(called.sum(axis=1) + true, 1),
    }
    ranked = _ranked(bad, scores, np.ones_like(bad))
    metrics["image_auroc"], metrics["image_ap"], metrics["f1_max"] = ranked
    for kind in ("logical", "structural"):
        auroc, _, f1 = _ranked(bad, scores, ~bad | (labels == kind))
        metrics |= {f"image_auroc_{kind}": auroc, f"f1_max_{kind}": f1}
    metrics = {name: np.where(both, values, np.nan) for name, values in metrics.items()}
    return {"accuracy": (bad == called).mean(axis=1), **metrics}


def _ranked(
    bad: NDArray[np.bool_], scores: NDArray[np.float64], chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Area under ROC, average precision and largest F1 of each row, from the counts at each distinct score.

    All arguments are (R, N); images that are not chosen do not count. NaN where a row has not both good and bad ones.
    """
    order = np.argsort(np.where(chosen, -scores, np.inf), axis=1, kind="stable")
    scores = np.take_along_axis(scores, order, axis=1)
    bad, chosen = (np.take_along_axis(mask, order, axis=1) for mask in (bad & chosen, chosen))
    places = np.arange(scores.shape[1])
    begins = np.ones_like(bad)
    begins[:, 1:] = (scores[:, 1:] != scores[:, :-1]) | (chosen[:, 1:] != chosen[:, :-1])
    first = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
    ends = np.append(begins[:, 1:], np.ones((len(bad), 1), dtype=bool), axis=1)
    last = np.minimum.accumulate(np.where(ends, places, len(places))[:, ::-1], axis=1)[:, ::-1]
    # How many bad ones have a score as high as each image's, or a higher one, and how many a higher one.
    found = np.zeros((bad.shape[0], bad.shape[1] + 1))
    np.cumsum(bad, axis=1, out=found[:, 1:])
    least, above = np.take_along_axis(found, last + 1, axis=1), np.take_along_axis(found, first, axis=1)
    true, good = bad.sum(axis=1), (chosen & ~bad).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        area = (np.where(chosen & ~bad, least + above, 0.0).sum(axis=1) / 2) / (true * good)
        precision = np.where(bad, least / (last + 1), 0.0).sum(axis=1) / true
        f1 = np.where(chosen, 2 * least / (last + 1 + true[:, None]), 0.0).max(axis=1)
    missing = (true == 0) | (good == 0)
    return tuple(np.where(missing, np.nan, values) for values in (area, precision, f1))  # type: ignore[return-value]


def draws(categories: Mapping[str, Scored], seed: int, resamples: int = RESAMPLES) -> dict[str, Indices]:
    """(R, N) which images each resample draws, by category; the same for the same seed and labels."""
    rng = np.random.default_rng(seed)
    strata = {
        name: [np.flatnonzero((scored.labels == "good") == good) for good in (True, False)]
        for name, scored in categories.items()
    }
    drawn = [
        {
            name: np.concatenate([rng.choice(rows, len(rows)) for rows in parts if len(rows)])
            for name, parts in strata.items()
        }
        for _ in range(resamples)
    ]
    return {name: np.stack([resample[name] for resample in drawn]) for name in strata}


def macro(categories: Mapping[str, Scored]) -> dict[str, float]:
    """Means over the categories that have a metric."""
    every = [counted(scored) for scored in categories.values()]
    return {
        key: math.fsum(m[key] for m in every if key in m) / sum(key in m for m in every)
        for key in sorted({key for metrics in every for key in metrics})
    }


def resampled(categories: Mapping[str, Scored], seed: int = 0, resamples: int = RESAMPLES) -> Samples:
    """The macro means of each resample, by metric; two runs over the same images draw the same ones."""
    rows = draws(categories, seed, resamples)
    every = [_counted(scored, rows[name]) for name, scored in categories.items()]
    found = {}
    for key in sorted({key for metrics in every for key in metrics}):
        values = np.stack([metrics[key] for metrics in every])
        known = ~np.isnan(values)
        if known.any():
            count = known.sum(axis=0)
            found[key] = np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)
    return found


def gathered(metrics: Sequence[Mapping[str, float]]) -> Samples:
    """Values by metric, one a resample; NaN where a resample does not have it."""
    names = sorted({key for found in metrics for key in found})
    return {name: np.array([found.get(name, np.nan) for found in metrics]) for name in names}


def intervals(samples: Samples) -> dict[str, tuple[float, float]]:
    """95 % intervals by metric.

    >>> few = Scored(np.array(["good", "structural"]), np.array([0.1, 0.9]), np.array([False, True]))
    >>> intervals(resampled({"nut": few}))["image_auroc"]
    (1.0, 1.0)
    """
    return {name: between(values) for name, values in samples.items()}


def between(values: NDArray[np.float64]) -> tuple[float, float]:
    """The middle 95 % of values, those that are missing left out."""
    low, high = np.nanquantile(values, [(1 - SHARE) / 2, (1 + SHARE) / 2])
    return float(low), float(high)
