"""The count rule: so many of a part, within a range."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from agent.evidence import Claim
from agent.fuse import log_odds
from agent.rules.base import Measured, Outcome, PartCounts, RuleBase


class CountRule(RuleBase):
    """Between `low` and `high` of `part` are on a good product."""

    kind: Literal["count"] = "count"
    low: int = Field(ge=0)
    high: int = Field(ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high < self.low:
            raise ValueError(f"high ({self.high}) is below low ({self.low}); give a range such as low: 2, high: 3")
        return self

    @property
    def expected(self) -> str:
        """The range in words."""
        return str(self.low) if self.low == self.high else f"{self.low} to {self.high}"

    def evaluate(self, measured: Measured) -> Outcome:
        """How likely the count lies outside the range, given how sure each detection is."""
        found = measured.of(self.part)
        counts = PartCounts.from_scores([p.region.score for p in found])
        broken = 1 - counts.between(self.low, self.high)
        number = counts.most_likely
        key = "count_as_expected" if self.low <= number <= self.high else "count_differs"
        facts: dict[str, str | int | float] = {"part": self.part, "found": number, "expected": self.expected}
        shown = found[: max(number, self.high)]
        return Outcome(self.standardised(log_odds(broken)), Claim(key, facts), shown, number < self.low)
