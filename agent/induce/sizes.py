"""Sizes that recur: lengths and areas, one for all parts of a kind or one for each rank, and ratios of areas."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from agent.induce.spreads import Measuring, tolerance
from agent.rules.base import Measured, surest
from agent.rules.proportion import ProportionRule, area_ratio
from agent.rules.size import Extent, SizeRule

SLENDER = 1.3
"""A part is slender when it is so many times longer than wide."""
NARROWER = 0.8
"""A ratio says more than the areas when it spreads by at most so much of what they do."""
LOOSE = 0.3
"""A size that spreads by more than this (of its logarithm) says too little."""


def sizes(references: Sequence[Measured], labels: Sequence[str], measuring: Measuring) -> Iterator[SizeRule]:
    """The length and the area of each kind of part, wherever they recur."""
    for label in labels:
        wanted = _worth_measuring(references, label)
        for of, usual in (("length", measuring.length), ("area", measuring.area)):
            if of not in wanted:
                continue
            found = [_logs(m, label, of) for m in references]
            if any(len(s) == 0 for s in found):
                continue
            rule = _ranked(label, of, found, usual, measuring.worth)
            if rule is not None:
                yield rule


def _worth_measuring(references: Sequence[Measured], label: str) -> tuple[Extent, ...]:
    """Slender parts have a length, others an area, and one that is alone has an area in any case."""
    measures = [p.measures for m in references for p in surest(m, label) if p.measures is not None]
    if not measures:
        return ()
    slender = float(np.median([m.length / max(m.width, 1e-9) for m in measures])) >= SLENDER
    alone = all(len(surest(m, label)) == 1 for m in references)
    return ("length", "area") if slender and alone else ("length",) if slender else ("area",)


def _logs(measured: Measured, label: str, of: Extent) -> NDArray[np.float64]:
    """Natural logarithms of the sizes, largest first."""
    measures = [p.measures for p in surest(measured, label) if p.measures is not None]
    known = [m.relative_length if of == "length" else m.relative_area for m in measures]
    return np.sort(np.log([s for s in known if s]))[::-1]


def _ranked(
    label: str, of: Extent, found: Sequence[NDArray[np.float64]], usual: float, worth: float
) -> SizeRule | None:
    """A size for each rank where counts agree, else one for all."""
    many = len(found[0])
    if all(len(s) == many for s in found):
        expected = np.mean(found, axis=0)
        spread = tolerance([(s - expected)[:, None] for s in found], usual, worth, lost=many - 1)
        if many > 1 and float(np.ptp(expected)) < 2 * spread.spread:
            expected = np.full(1, expected.mean())
            spread = tolerance([(s - expected[0])[:, None] for s in found], usual, worth)
    else:
        expected = np.full(1, float(np.concatenate(found).mean()))
        spread = tolerance([(s - expected[0])[:, None] for s in found], usual, worth)
    if spread.spread > LOOSE:
        return None
    values = tuple(float(f"{math.exp(e):.3g}") for e in expected)
    return SizeRule(part=label, of=of, expected=values, tolerance=spread, origin="induced")


def proportions(
    references: Sequence[Measured], labels: Sequence[str], measuring: Measuring, areas: Sequence[SizeRule]
) -> Iterator[ProportionRule]:
    """Ratios of the areas of two kinds that recur, wherever they recur more narrowly than the areas themselves."""
    spreads = {rule.part: rule.tolerance.spread for rule in areas if rule.of == "area"}
    for n, one in enumerate(labels):
        for other in labels[n + 1 :]:
            ratios = [area_ratio(m, one, other) for m in references]
            logs = np.log([r for r in ratios if r])
            if len(logs) < len(references):
                continue
            spread = tolerance([np.full((1, 1), v - logs.mean()) for v in logs], measuring.ratio, measuring.worth)
            if spread.spread <= min(LOOSE, *(NARROWER * spreads.get(label, LOOSE) for label in (one, other))):
                ratio = float(f"{math.exp(logs.mean()):.3g}")
                yield ProportionRule(part=one, of=other, ratio=ratio, tolerance=spread, origin="induced")
