"""Induces rules on sizes and proportions, with tolerances estimated from few references."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from agent.rules.attributes import Extent, SizeRule
from agent.rules.base import MeasuredParts, surest
from agent.rules.likelihood import Tolerance
from agent.rules.relation import ProportionRule, area_ratio
from agent.rules.union import Rule

Values = NDArray[np.float64]
"""(m, d): one row for each part of a photo, one column for each coordinate."""


class Varies(BaseModel):
    """By kind of rule: the share of properties that look fixed on one product and are not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: float = Field(default=0.03, ge=0, le=1)
    presence: float = Field(default=0.03, ge=0, le=1)
    position: float = Field(default=0.25, ge=0, le=1)
    size: float = Field(default=0.1, ge=0, le=1)
    colour: float = Field(default=0.3, ge=0, le=1)
    turn: float = Field(default=0.1, ge=0, le=1)
    """Of directions of a main axis."""
    heading: float = Field(default=0.3, ge=0, le=1)
    """Of directions of a lighter side."""
    same: float = Field(default=0.02, ge=0, le=1)
    relation: float = Field(default=0.05, ge=0, le=1)
    each: float = Field(default=0.1, ge=0, le=1)
    proportion: float = Field(default=0.1, ge=0, le=1)
    match: float = Field(default=0.35, ge=0, le=1)
    whole: float = Field(default=0.02, ge=0, le=1)

    def of(self, rule: Rule) -> float:
        """The share of such rules."""
        if rule.kind == "direction":
            return self.turn if rule.heading is None else self.heading
        return float(getattr(self, rule.kind))


class Measuring(BaseModel):
    """Usual spread of each measurement among good parts of a kind: what is assumed before a reference is seen.

    Fitted on good photos of the world's training families (`python -m evals.fit.part_tolerances --sight PROFILE`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    words: bool = True
    """Whether parts are counted by words alone, without a reference photo that shows that the words find them."""
    place: float = Field(default=0.03, gt=0)
    """In units of the root of the product's area."""
    length: float = Field(default=0.05, gt=0)
    """Of the natural logarithm, as are `area` and `ratio`."""
    area: float = Field(default=0.10, gt=0)
    ratio: float = Field(default=0.10, gt=0)
    turn: float = Field(default=5.0, gt=0)
    """Degrees."""
    heading: float = Field(default=0.04, gt=0)
    """In units of the root of the part's area."""
    lightness: float = Field(default=7.0, gt=0)
    """CIELAB L, from one photo to the next."""
    tone: float = Field(default=5.0, gt=0)
    """CIELAB a and b, from one photo to the next."""
    lightness_within: float = Field(default=4.0, gt=0)
    """CIELAB L, among the parts of one photo."""
    tone_within: float = Field(default=3.0, gt=0)
    """CIELAB a and b, among the parts of one photo."""
    varies: Varies = Varies()
    worth: float = Field(default=3.0, gt=0)
    """How many degrees of freedom these spreads count for."""


def tolerance(photos: Sequence[Values], usual: float, worth: float, *, lost: int = 0) -> Tolerance:
    """The predictive spread of one part of the next photo, its coordinates spreading alike.

    The variance between photos (pose, light) and that among the parts of a photo are estimated apart, each pooled
    with the usual one, and added; the degrees of freedom are Satterthwaite's (Biometrics Bulletin 1946).

    Args:
        photos: deviations from what is expected, one array (m, d) a photo; m may differ, 1 or more.
        usual: spread that is assumed before any photo.
        worth: degrees of freedom of that assumption.
        lost: degrees of freedom that the expectation has taken from those among parts.
    """
    n, d = len(photos), photos[0].shape[1]
    means = np.stack([p.mean(axis=0) for p in photos])
    many = max(len(p) for p in photos) > 1
    share = 0.5 if many else 1.0
    between = _pooled(float(((means - means.mean(axis=0)) ** 2).sum()), d * (n - 1), share * usual**2, worth)
    parts = [between]
    if many:
        within = sum(float(((p - p.mean(axis=0)) ** 2).sum()) for p in photos)
        free = d * sum(len(p) - 1 for p in photos) - lost
        parts.append(_pooled(within, max(0, free), share * usual**2, worth))
    variance = sum(v for v, _ in parts) * (1 + 1 / n)
    freedom = sum(v for v, _ in parts) ** 2 / sum(v**2 / f for v, f in parts)
    return Tolerance(spread=_tidy(math.sqrt(variance)), freedom=_tidy(freedom))


def _pooled(squares: float, freedom: int, usual: float, worth: float) -> tuple[float, float]:
    """(variance, degrees of freedom) of a sum of squares together with the usual variance."""
    return (squares + worth * usual) / (freedom + worth), freedom + worth


def _tidy(value: float) -> float:
    """Three significant digits: what a file for people shows."""
    return float(f"{value:.3g}")


def tidy(values: Sequence[float] | Values) -> tuple[float, ...]:
    """Values to three decimals: places, shares and colours as a file for people shows them."""
    return tuple(round(float(v), 3) for v in values)


SLENDER = 1.3
"""A part is slender when it is so many times longer than wide."""
NARROWER = 0.8
"""A ratio says more than the areas when it spreads by at most so much of what they do."""
LOOSE = 0.3
"""A size that spreads by more than this (of its logarithm) says too little."""


def sizes(references: Sequence[MeasuredParts], labels: Sequence[str], measuring: Measuring) -> Iterator[SizeRule]:
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


def _worth_measuring(references: Sequence[MeasuredParts], label: str) -> tuple[Extent, ...]:
    """Slender parts have a length, others an area, and one that is alone has an area in any case."""
    measures = [p.measures for m in references for p in surest(m, label) if p.measures is not None]
    if not measures:
        return ()
    slender = float(np.median([m.length / max(m.width, 1e-9) for m in measures])) >= SLENDER
    alone = all(len(surest(m, label)) == 1 for m in references)
    return ("length", "area") if slender and alone else ("length",) if slender else ("area",)


def _logs(measured: MeasuredParts, label: str, of: Extent) -> NDArray[np.float64]:
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
    references: Sequence[MeasuredParts], labels: Sequence[str], measuring: Measuring, areas: Sequence[SizeRule]
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
