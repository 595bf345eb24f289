"""The direction rule: which way round a part lies, against the product."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from agent.evidence import Claim, Fact
from agent.rules.base import SAID, Measured, Outcome, RuleBase, surest
from agent.rules.surprise import Tolerance, unless_mistaken, worst_of
from tools.types import Part


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

    def evaluate(self, measured: Measured) -> Outcome | None:
        """How far the part that is turned most is from its direction."""
        found = [p for p in surest(measured, self.part) if self._off(p) is not None]
        if not found:
            return None
        tails = [unless_mistaken(self._tail(self._off(p) or (0.0, 0.0)), p.region.score) for p in found]
        tail = worst_of(tails)
        worst = min(range(len(found)), key=tails.__getitem__)
        held = tail >= SAID
        shown = tuple(found) if held else (found[worst],)
        return Outcome(self.worth(tail), self._said(found[worst], held=held), shown)

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
