"""Spreads of the next good product, estimated from few: pooled with how well things can be measured at all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from agent.rules.surprise import Tolerance
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

    Fitted on good photos of the world's training families (`python -m evals.measuring --sight PROFILE`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

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
