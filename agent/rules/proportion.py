"""The proportion rule: how much of one part there is beside another."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from agent.evidence import Claim, Fact
from agent.rules.base import SAID, Measured, Outcome, RuleBase, surest
from agent.rules.size import DIFFER
from agent.rules.surprise import Tolerance, unless_mistaken


class ProportionRule(RuleBase):
    """The area of all `part` over that of all `of` is fixed."""

    kind: Literal["proportion"] = "proportion"
    of: str = Field(min_length=1)
    ratio: float = Field(gt=0)
    tolerance: Tolerance
    """Of the natural logarithm of the ratio: 0.1 is about 10 %."""

    @property
    def named(self) -> tuple[str, ...]:
        """Labels of all parts that the rule speaks of."""
        return (self.part, self.of)

    @property
    def name(self) -> str:
        """ "rice to salad"."""
        return f"{self.part} to {self.of}"

    @property
    def claim(self) -> Claim:
        """The ratio."""
        return Claim("rule_proportion", {"part": self.part, "other": self.of, "expected": f"{self.ratio:.2f}"})

    def evaluate(self, measured: Measured) -> Outcome | None:
        """How far the ratio is from the one it should be."""
        ratio = area_ratio(measured, self.part, self.of)
        if ratio is None:
            return None
        parts = surest(measured, self.part)
        sure = min(p.region.score for p in (*parts, *surest(measured, self.of)))
        off = abs(math.log(ratio / self.ratio))
        tail = unless_mistaken(self.tolerance.tail(off), sure)
        held = tail >= SAID
        facts: dict[str, Fact] = {
            "part": self.part, "other": self.of, "found": f"{ratio:.2f}", "expected": f"{self.ratio:.2f}",
            "way": "more" if ratio > self.ratio else "less",
        }  # fmt: skip
        claim = Claim.check("proportion", facts, holds=held)
        return Outcome(self.worth(tail, off / DIFFER), claim, (*parts, *surest(measured, self.of)))


def area_ratio(measured: Measured, part: str, of: str) -> float | None:
    """Area of all of one kind over that of all of another; None where one of them is absent."""
    areas = [sum(p.measures.area for p in surest(measured, x) if p.measures is not None) for x in (part, of)]
    return areas[0] / areas[1] if min(areas) > 0 else None
