"""Rules on where a part lies and which way round, in the product's own coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from agent.evidence.claims import in_words
from agent.evidence.types import Claim, Fact
from agent.rules.base import SAID, MeasuredParts, RuleBase, RuleOutcome, surest
from agent.rules.likelihood import Tolerance, unless_mistaken, worst_of
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

    def evaluate(self, measured: MeasuredParts) -> RuleOutcome | None:
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
        return RuleOutcome(self.worth(tail, far), Claim.check("place", facts, holds=held), shown)

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


class DirectionRule(RuleBase):
    """The main axis of `part` (`turn`), or the side on which it is lighter (`heading`), is fixed."""

    kind: Literal["direction"] = "direction"
    turn: float | None = None
    """Degrees of the main axis against the product's; an axis has no front, 90 and -90 are the same."""
    heading: tuple[float, float] | None = None
    """From the part's middle to the middle of its light, in units of the root of its area."""
    tolerance: Tolerance
    """In degrees of a turn, in its own unit of a heading (of its x, where y has one too)."""
    down: Tolerance | None = None
    """Of a heading's y."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.turn is None) == (self.heading is None):
            raise ValueError("give either turn (degrees) or heading (x, y)")
        return self

    @property
    def name(self) -> str:
        """ "angle of bolt", or "way round of capsule"."""
        return f"{'angle' if self.heading is None else 'way round'} of {self.part}"

    @property
    def claim(self) -> Claim:
        """Which way it lies."""
        if self.heading is None:
            return Claim("rule_turn", {"part": self.part, "turn": round(self.turn or 0.0)})
        return Claim("rule_heading", {"part": self.part, "side": side(*self.heading)})

    def evaluate(self, measured: MeasuredParts) -> RuleOutcome | None:
        """How far the part that is turned most is from its direction."""
        found = [p for p in surest(measured, self.part) if self._off(p) is not None]
        if not found:
            return None
        tails = [unless_mistaken(self._tail(self._off(p) or (0.0, 0.0)), p.region.score) for p in found]
        tail = worst_of(tails)
        worst = min(range(len(found)), key=tails.__getitem__)
        held = tail >= SAID
        shown = tuple(found) if held else (found[worst],)
        return RuleOutcome(self.worth(tail), self._said(found[worst], held=held), shown)

    def _said(self, part: Part, *, held: bool) -> Claim:
        facts: dict[str, Fact] = {"part": self.part}
        if self.heading is None:
            off, _ = self._off(part) or (0.0, 0.0)
            facts |= {"off": f"{abs(off):.0f}", "expected": round(self.turn or 0.0)}
            return Claim.check("turn", facts, holds=held)
        found = part.measures.heading if part.measures is not None else None
        facts |= {"found": side(*(found or (0.0, 0.0))), "expected": side(*self.heading)}
        return Claim.check("heading", facts, holds=held)

    def _tail(self, off: tuple[float, float]) -> float:
        if self.heading is None:
            return self.tolerance.tail(off[0])
        return worst_of([self.tolerance.tail(off[0]), (self.down or self.tolerance).tail(off[1])])

    def _off(self, part: Part) -> tuple[float, float] | None:
        """(degrees between axes, 0), or the difference of headings; None where it was not measured."""
        if part.measures is None:
            return None
        if self.heading is not None:
            seen = part.measures.heading
            return None if seen is None else (seen[0] - self.heading[0], seen[1] - self.heading[1])
        if part.measures.turn is None or self.turn is None:
            return None
        return between_axes(part.measures.turn, self.turn), 0.0


def between_axes(a: float, b: float) -> float:
    """Degrees from one axis to another, in (-90, 90].

    >>> between_axes(80.0, -85.0)
    -15.0
    """
    off = (a - b) % 180.0
    return off - 180.0 if off > 90.0 else off


def side(x: float, y: float) -> str:
    """The side that a heading points to, in a word.

    >>> side(0.1, -0.02), side(0.0, 0.3)
    ('right', 'bottom')
    """
    if abs(x) >= abs(y):
        return "right" if x >= 0 else "left"
    return "bottom" if y >= 0 else "top"
