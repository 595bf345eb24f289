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

    def at(self, rows: Indices) -> Scored:
        """The same of some images, which may come several times."""
        return Scored(self.labels[rows], self.scores[rows], self.decisions[rows])


def counted(scored: Scored) -> dict[str, float]:
    """Ranking and decision metrics by name, as `ranking_metrics` gives them, by counting alone.

    It is what a bootstrap can afford a thousand times; a test holds it to scikit-learn's values.
    """
    bad = scored.labels != "good"
    metrics = {"accuracy": float((bad == scored.decisions).mean())}
    if bad.all() or not bad.any():
        return metrics
    hit = float((bad & scored.decisions).sum())
    called, true = float(scored.decisions.sum()), float(bad.sum())
    metrics |= {
        "precision": hit / called if called else 0.0,
        "recall": hit / true,
        "f1": 2 * hit / (called + true),
    }
    metrics["image_auroc"], metrics["image_ap"], metrics["f1_max"] = _ranked(bad, scored.scores)
    for kind in ("logical", "structural"):
        chosen = (scored.labels == "good") | (scored.labels == kind)
        if bad[chosen].any():
            auroc, _, f1 = _ranked(bad[chosen], scored.scores[chosen])
            metrics |= {f"image_auroc_{kind}": auroc, f"f1_max_{kind}": f1}
    return metrics


def _ranked(bad: NDArray[np.bool_], scores: NDArray[np.float64]) -> tuple[float, float, float]:
    """Area under ROC, average precision and largest F1, from the counts at each distinct score."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.append(ordered[1:] != ordered[:-1], True)
    found = np.cumsum(bad[order])[last].astype(np.float64)
    called = (np.flatnonzero(last) + 1).astype(np.float64)
    true, good = float(bad.sum()), float((~bad).sum())
    wrong = called - found
    area = float(np.trapezoid(np.append(0.0, found), np.append(0.0, wrong)) / (true * good))
    precision = found / called
    gained = np.diff(found, prepend=0.0) / true
    return area, float((precision * gained).sum()), float((2 * found / (called + true)).max())


def draws(categories: Mapping[str, Scored], seed: int, resamples: int = RESAMPLES) -> list[dict[str, Indices]]:
    """Which images each resample draws, by category; the same for the same seed and labels."""
    rng = np.random.default_rng(seed)
    strata = {
        name: [np.flatnonzero((scored.labels == "good") == good) for good in (True, False)]
        for name, scored in categories.items()
    }
    return [
        {
            name: np.concatenate([rng.choice(rows, len(rows)) for rows in parts if len(rows)])
            for name, parts in strata.items()
        }
        for _ in range(resamples)
    ]


def macro(categories: Mapping[str, Scored], drawn: Mapping[str, Indices] | None = None) -> dict[str, float]:
    """Means over the categories that have a metric, of all images or of those drawn."""
    every = [counted(scored if drawn is None else scored.at(drawn[name])) for name, scored in categories.items()]
    return {
        key: math.fsum(m[key] for m in every if key in m) / sum(key in m for m in every)
        for key in sorted({key for metrics in every for key in metrics})
    }


def resampled(categories: Mapping[str, Scored], seed: int = 0) -> Samples:
    """The macro means of each resample, by metric; two runs over the same images draw the same ones."""
    return gathered([macro(categories, drawn) for drawn in draws(categories, seed)])


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
