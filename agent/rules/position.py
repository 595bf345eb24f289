"""The position rule: where a part lies, in the product's own coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from agent.claims import in_words
from agent.evidence import Claim, Fact
from agent.rules.base import SAID, Measured, Outcome, RuleBase, surest
from agent.rules.surprise import Tolerance, unless_mistaken, worst_of
from tools.types import Part

WANDER = 0.25
"""How far parts without a place of their own lie from where one was seen, in product coordinates."""
NAMED = 4
"""So many places are named at most, where a part belongs in several."""
Place = tuple[float, float]
"""(x, y) from the product's middle along its axes, x to the right and y down, in units of the root of its area."""


class Zone(BaseModel):
    """A box in product coordinates; a side without a number is open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    left: float | None = None
    right: float | None = None
    top: float | None = None
    bottom: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for low, high, names in ((self.left, self.right, "left and right"), (self.top, self.bottom, "top and bottom")):
            if low is not None and high is not None and low >= high:
                raise ValueError(f"{names} of the zone are {low} and {high}; the first must be below the second")
        if all(side is None for side in (self.left, self.right, self.top, self.bottom)):
            raise ValueError("the zone has no side; give at least one of left, right, top, bottom")
        return self

    def excess(self, place: Place) -> Place:
        """How far a place lies outside, across and down; 0 within."""
        x, y = place
        return _beyond(x, self.left, self.right), _beyond(y, self.top, self.bottom)


class PositionRule(RuleBase):
    """Each `part` lies at a place of its own, or inside a zone."""

    kind: Literal["position"] = "position"
    places: tuple[Place, ...] = ()
    zone: Zone | None = None
    across: Tolerance = Tolerance(spread=0.05)
    """How far good parts stray from there, along the product's x axis."""
    down: Tolerance = Tolerance(spread=0.05)
    """The same along its y axis."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.places) == (self.zone is not None):
            raise ValueError("give either places (one for each part) or a zone")
        return self

    @property
    def name(self) -> str:
        """ "place of bolt"."""
        return f"place of {self.part}"

    @property
    def claim(self) -> Claim:
        """Where it belongs."""
        return Claim("rule_position", {"part": self.part, "where": self.where})

    @property
    def where(self) -> str:
        """The places in words, where no more than `NAMED` say it; else their middle, or that of the zone."""
        if self.zone is None:
            row_by_row = sorted(self.places, key=lambda place: (_third(place[1]), _third(place[0])))
            named = list(dict.fromkeys(in_product(x, y) for x, y in row_by_row))
            if len(named) <= NAMED:
                return in_words(named)
            x, y = np.mean(np.asarray(self.places), axis=0).tolist()
            return in_product(x, y)
        z = self.zone
        x = _middle(z.left, z.right)
        y = _middle(z.top, z.bottom)
        return in_product(x, y)

    def evaluate(self, measured: Measured) -> Outcome | None:
        """How far the part that is farthest off lies from where it belongs."""
        found = [p for p in surest(measured, self.part) if p.measures is not None and p.measures.place is not None]
        if not found:
            return None
        off = self._off([_place(p) for p in found])
        tails = [unless_mistaken(self._tail(*d), p.region.score) for d, p in zip(off, found, strict=True)]
        tail = worst_of(tails)
        worst = min(range(len(found)), key=tails.__getitem__)
        facts: dict[str, Fact] = {"part": self.part, "off": f"{math.hypot(*off[worst]):.2f}", "where": self.where}
        facts["found"] = in_product(*_place(found[worst]))
        held = tail >= SAID
        shown = tuple(found) if held else (found[worst],)
        far = math.hypot(*off[worst]) / WANDER
        return Outcome(self.worth(tail, far), Claim.check("place", facts, holds=held), shown)

    def _tail(self, x: float, y: float) -> float:
        """Tail probability of straying so far, the more surprising axis counting."""
        return worst_of([self.across.tail(x), self.down.tail(y)])

    def _off(self, found: Sequence[Place]) -> list[Place]:
        """How far each part is, across and down, from its place (the cheapest assignment) or from the zone."""
        if self.zone is not None:
            return [self.zone.excess(p) for p in found]
        from scipy.optimize import linear_sum_assignment

        scale = np.array([self.across.spread, self.down.spread])
        off = np.asarray(found)[:, None] - np.asarray(self.places)[None]
        cost = ((off / scale) ** 2).sum(axis=2)
        nearest = cost.argmin(axis=1)
        rows, columns = linear_sum_assignment(cost)
        nearest[rows] = columns
        return [(float(x), float(y)) for x, y in off[np.arange(len(found)), nearest]]


def _beyond(value: float, low: float | None, high: float | None) -> float:
    """How far a value lies outside a range, below 0 under it; 0 within."""
    if low is not None and value < low:
        return value - low
    return value - high if high is not None and value > high else 0.0


def in_product(x: float, y: float) -> str:
    """A place of the product in words of a three by three grid.

    >>> in_product(-0.4, -0.3), in_product(0.0, 0.05)
    ('upper left', 'centre')
    """
    column, row = ("left", "", "right")[_third(x)], ("upper", "", "lower")[_third(y)]
    if row:
        return f"{row} {column or 'middle'}"
    return f"{column} side" if column else "centre"


def _third(value: float) -> int:
    """Which third of the product a coordinate lies in, counted from the left or from above."""
    return 0 if value < -0.17 else 2 if value > 0.17 else 1


def _middle(low: float | None, high: float | None) -> float:
    """The middle of a range; of an open one, well inside its open half."""
    if low is None and high is None:
        return 0.0
    if low is None or high is None:
        return (low + 0.3) if low is not None else (high - 0.3) if high is not None else 0.0
    return (low + high) / 2


def _place(part: Part) -> Place:
    if part.measures is None or part.measures.place is None:
        raise ValueError("a part without a place")
    return part.measures.place
