"""Curves as points for inline SVG: ROC, precision against recall, how scores lie, how far confidence can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from evals.metrics.bootstrap import Scored

WIDTH, HEIGHT = 300, 220
"""Of a chart's plot, in its own units."""
GRID = np.linspace(0.0, 1.0, 101)
BINS = 20
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """One curve."""

    name: str
    points: str
    """Of an SVG polyline."""
    style: str
    """Class by which the page draws it."""


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram, in the chart's units."""

    x: float
    y: float
    width: float
    height: float
    style: str
    title: str


@dataclass(frozen=True)
class Chart:
    """What the page draws; axes go from 0 to 1 unless labels say otherwise."""

    title: str
    x_label: str
    y_label: str
    lines: tuple[Curve, ...] = ()
    bars: tuple[Bar, ...] = ()
    diagonal: bool = False
    legend: tuple[tuple[str, str], ...] = field(default=())
    """(style, words)."""


def roc_and_pr(categories: Mapping[str, Scored], metrics: Mapping[str, float]) -> list[Chart]:
    """Both curves: each category thin, the means over categories of all, logical and structural anomalies thick."""
    roc: list[Curve] = []
    pr: list[Curve] = []
    legend: list[tuple[str, str]] = []
    whole = {name: curves(found.labels != "good", found.scores) for name, found in categories.items()}
    known = {name: found for name, found in whole.items() if found is not None}
    if not known:
        return []
    if len(known) > 1:
        roc += [Curve(name, _points(GRID, found[0]), "one") for name, found in known.items()]
        pr += [Curve(name, _points(GRID, found[1]), "one") for name, found in known.items()]
        legend.append(("one", "each category"))
    for kind in ("logical", "structural", "all"):
        parts = [_of_kind(found, kind) for found in categories.values()]
        drawn = [part for part in parts if part is not None]
        if not drawn or (kind != "all" and f"image_auroc_{kind}" not in metrics):
            continue
        if kind != "all" and not all(f"image_auroc_{other}" in metrics for other in ("logical", "structural")):
            continue
        roc.append(Curve(kind, _points(GRID, np.mean([d[0] for d in drawn], axis=0)), kind))
        pr.append(Curve(kind, _points(GRID, np.mean([d[1] for d in drawn], axis=0)), kind))
        area = metrics.get("image_auroc" if kind == "all" else f"image_auroc_{kind}")
        legend.append((kind, f"{kind}, AUROC {area:.3f}" if area is not None else kind))
    words = tuple(reversed(legend))
    plain = tuple(
        (
            style,
            f"all, AP {metrics['image_ap']:.3f}" if style == "all" and "image_ap" in metrics else said.split(",")[0],
        )
        for style, said in words
    )
    return [
        Chart("ROC", "false-positive rate", "true-positive rate", tuple(roc), diagonal=True, legend=words),
        Chart("Precision and recall", "recall", "precision", tuple(pr), legend=plain),
    ]


def _of_kind(found: Scored, kind: str) -> tuple[Array, Array] | None:
    chosen = np.ones(len(found.labels), bool) if kind == "all" else np.isin(found.labels, ("good", kind))
    return curves(found.labels[chosen] != "good", found.scores[chosen])


def curves(bad: NDArray[np.bool_], scores: Array) -> tuple[Array, Array] | None:
    """True-positive rate over the false-positive rate, and precision over recall, at 101 places; None without both
    classes.

    Between thresholds the ROC runs straight; the precision is the best at that recall or beyond.
    """
    if bad.all() or not bad.any():
        return None
    wrong, right, _ = roc_curve(bad, scores)
    precision, recall, _ = precision_recall_curve(bad, scores)
    best = np.maximum.accumulate(precision)
    order = np.searchsorted(-recall, -GRID, side="right") - 1
    return np.interp(GRID, wrong, right), best[np.clip(order, 0, len(best) - 1)]


def histogram(categories: Mapping[str, Scored]) -> Chart:
    """How scores of good photos (upwards) and of anomalous ones (downwards) lie, as shares of each."""
    labels = np.concatenate([found.labels for found in categories.values()])
    scores = np.concatenate([found.scores for found in categories.values()])
    bars: list[Bar] = []
    counted = {
        style: np.histogram(np.clip(scores[chosen], 0, 1), BINS, (0.0, 1.0))[0] / max(1, int(chosen.sum()))
        for style, chosen in (("fine", labels == "good"), ("bad", labels != "good"))
    }
    tallest = max(float(shares.max()) for shares in counted.values()) or 1.0
    step, half = WIDTH / BINS, HEIGHT / 2
    for style, shares in counted.items():
        for n, share in enumerate(shares):
            if share:
                height = (half - 6) * float(share) / tallest
                word = "good" if style == "fine" else "anomalous"
                title = f"{share:.0%} of the {word} photos score {n / BINS:.2f} to {(n + 1) / BINS:.2f}"
                top = half - height if style == "fine" else half
                bars.append(Bar(n * step + 0.8, top, step - 1.6, height, style, title))
    return Chart("Scores", "anomaly score", "share", bars=tuple(bars), legend=(("fine", "good"), ("bad", "anomalous")))


def reliability(stated: Sequence[tuple[float, bool]], error: float | None) -> Chart | None:
    """How often decisions were right against how sure they were, in ten bins; None where nothing was stated."""
    if not stated:
        return None
    confidence = np.array([c for c, _ in stated])
    right = np.array([r for _, r in stated], dtype=np.float64)
    place = np.clip((confidence * 10).astype(int), 0, 9)
    bars = []
    for n in range(10):
        inside = place == n
        if inside.any():
            height = HEIGHT * float(right[inside].mean())
            title = (
                f"{int(inside.sum())} photos, stated {confidence[inside].mean():.2f}, right {right[inside].mean():.2f}"
            )
            bars.append(Bar(n * WIDTH / 10 + 1, HEIGHT - height, WIDTH / 10 - 2, max(height, 1.0), "all", title))
    words = (("all", "right" if error is None else f"right; ECE {error:.3f}"),)
    return Chart("Confidence", "stated", "right", bars=tuple(bars), diagonal=True, legend=words)


def _points(xs: Array, ys: Array) -> str:
    return " ".join(f"{x * WIDTH:.1f},{(1 - y) * HEIGHT:.1f}" for x, y in zip(xs, ys, strict=True))
