"""Calibration of probabilities: expected calibration error, and a reliability plot."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BINS = 15


def ece(confidences: Sequence[float], correct: Sequence[bool], bins: int = BINS) -> float:
    """Expected calibration error (Guo et al. 2017, equation 3): bins of equal width, weighted by how many they hold.

    Args:
        confidences: each in [0, 1], of the decision that was made; one on an edge counts to the bin below it.
        correct: whether that decision was right.
        bins: how many.

    Returns:
        In [0, 1]; 0 where each bin is right as often as it says.

    >>> ece([0.9, 0.9, 0.9, 0.9], [True, True, True, False])
    0.15
    """
    stated, right = np.asarray(confidences, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    place = np.clip(np.ceil(stated * bins).astype(int) - 1, 0, bins - 1)
    gaps = (abs(right[place == n].sum() - stated[place == n].sum()) for n in range(bins) if bool((place == n).any()))
    return round(float(sum(gaps)) / len(stated), 12)


PLOT_BINS = 10
"""Equal parts of [0, 1]."""
SIDE, MARGIN = 220, 34
"""Of the plot, in pixels."""


@dataclass(frozen=True)
class Bin:
    """Probabilities that lie close together."""

    said: float
    """Their mean."""
    happened: float
    """Share of them that came true."""
    count: int


def bins(probabilities: Sequence[float], truths: Sequence[bool], count: int = PLOT_BINS) -> tuple[Bin, ...]:
    """The bins that hold anything, from low to high.

    >>> bins([0.1, 0.9], [False, True])[1]
    Bin(said=0.9, happened=1.0, count=1)
    """
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(truths, dtype=np.float64)
    which = np.minimum((p * count).astype(int), count - 1)
    inside = (which == n for n in range(count))
    return tuple(Bin(float(p[at].mean()), float(y[at].mean()), int(at.sum())) for at in inside if at.any())


def calibration_error(probabilities: Sequence[float], truths: Sequence[bool]) -> float:
    """Expected calibration error, in [0, 1]: mean distance of what was said from what happened (Guo et al. 2017).

    >>> calibration_error([0.25, 0.75], [False, True])
    0.25
    """
    found = bins(probabilities, truths)
    total = sum(b.count for b in found)
    return sum(b.count * abs(b.said - b.happened) for b in found) / total if total else 0.0


def plot(curves: dict[str, tuple[Bin, ...]]) -> str:
    """Reliability curves as one SVG: what was said along x, what happened along y, the diagonal is right."""
    colours = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
    end = MARGIN + SIDE

    def at(said: float, happened: float) -> str:
        return f"{MARGIN + SIDE * said:.1f},{end - SIDE * happened:.1f}"

    drawn = [f'<path d="M{at(0, 0)} L{at(1, 1)}" stroke="#888" stroke-dasharray="4" fill="none"/>']
    for number, (name, found) in enumerate(curves.items()):
        colour = colours[number % len(colours)]
        points = " L".join(at(b.said, b.happened) for b in found)
        drawn.append(f'<path d="M{points}" stroke="{colour}" fill="none" stroke-width="2"/>')
        drawn += [
            f'<circle cx="{at(b.said, b.happened).split(",")[0]}" cy="{at(b.said, b.happened).split(",")[1]}" '
            f'r="{2 + b.count**0.5 / 3:.1f}" fill="{colour}"/>'
            for b in found
        ]
        y = MARGIN + 16 * number
        drawn.append(f'<text x="{end + 10}" y="{y}" fill="{colour}">{html.escape(name)}</text>')
    frame = f'<rect x="{MARGIN}" y="{MARGIN}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#888"/>'
    labels = (
        f'<text x="{MARGIN}" y="{end + 20}">score</text><text x="4" y="{MARGIN - 10}">share of anomalous photos</text>'
    )
    size = f'width="{end + 190}" height="{end + 30}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
        f"<rect width='100%' height='100%' fill='white'/>{frame}{labels}{''.join(drawn)}</svg>\n"
    )
