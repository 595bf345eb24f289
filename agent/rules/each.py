"""The each rule: every part of one kind holds as many of another kind as the next one."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from agent.evidence import Claim, Fact
from agent.rules.base import Measured, Outcome, RuleBase, surest
from tools.types import Part

AROUND = 1.2
"""A part is held where its middle lies in the holder's box, widened so much."""


class EachRule(RuleBase):
    """Every `part` holds so many of the `other` parts: all the same number, or one in a range."""

    kind: Literal["each"] = "each"
    other: str = Field(min_length=1)
    low: int | None = Field(default=None, ge=0)
    """Fewest; none where only equality counts."""
    high: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if (self.low is None) != (self.high is None):
            raise ValueError("give both low and high, or neither of them")
        if self.low is not None and self.high is not None and self.high < self.low:
            raise ValueError(f"high ({self.high}) is below low ({self.low}); give a range such as low: 1, high: 2")
        return self

    @property
    def named(self) -> tuple[str, ...]:
        """Labels of all parts that the rule speaks of."""
        return (self.part, self.other)

    @property
    def name(self) -> str:
        """ "terminal on each connector"."""
        return f"{self.other} on each {self.part}"

    @property
    def claim(self) -> Claim:
        """How many each holds."""
        return Claim("rule_each" if self.low is not None else "rule_each_same", self._facts())

    def _facts(self) -> dict[str, Fact]:
        expected = (
            "as many as the others"
            if self.low is None
            else (str(self.low) if self.low == self.high else f"{self.low} to {self.high}")
        )
        return {"part": self.part, "other": self.other, "expected": expected}

    def evaluate(self, measured: Measured) -> Outcome | None:
        """Whether some part holds another number; as sure as the least sure detection that it rests on."""
        holders, held = surest(measured, self.part), surest(measured, self.other)
        counts = shares(holders, held)
        if not counts or (self.low is None and len(counts) < 2):
            return None
        usual = max(sorted(set(counts)), key=counts.count)
        wrong = [n for n, c in enumerate(counts) if not self._good(c, usual)]
        facts = {**self._facts(), "found": " or ".join(str(c) for c in sorted(set(counts)))}
        if not wrong:
            return Outcome(self.worth(1.0), Claim.check("each", facts, holds=True), holders)
        sure = min(p.region.score for p in (*holders, *held))
        blamed = tuple(holders[n] for n in wrong)
        return Outcome(self.worth(1 - sure), Claim.check("each", facts, holds=False), blamed)

    def _good(self, count: int, usual: int) -> bool:
        if self.low is None or self.high is None:
            return count == usual
        return self.low <= count <= self.high


def shares(holders: tuple[Part, ...], held: tuple[Part, ...]) -> list[int]:
    """How many of the held parts have their middle in the box of each holder; in several, in that of the nearest."""
    counts = [0] * len(holders)
    for part in held:
        x, y = part.region.box.centre
        gaps = []
        for holder in holders:
            box, (cx, cy) = holder.region.box.grown(AROUND), holder.region.box.centre
            holds = box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1
            gaps.append(math.hypot(cx - x, cy - y) if holds else math.inf)
        nearest = min(range(len(gaps)), key=gaps.__getitem__, default=None)
        if nearest is not None and math.isfinite(gaps[nearest]):
            counts[nearest] += 1
    return counts
