"""The count rule: so many of a part, within a range."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from agent.evidence import Claim, Fact, Topic
from agent.fuse import log_odds, probability
from agent.rules.base import ANY, CountedBase, Measured, Outcome, PartCounts


class CountRule(CountedBase):
    """Between `low` and `high` of `part` are on a good product; part "any" counts all parts together."""

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

    @property
    def name(self) -> str:
        """ "count of bolt", or "count of all parts"."""
        return f"count of {'all parts' if self.part == ANY else self.part}"

    @property
    def claim(self) -> Claim:
        """So many belong."""
        key = "rule_total" if self.part == ANY else "rule_count"
        return Claim(key, {"part": self.part, "expected": self.expected})

    def raw_log_odds(self, measured: Measured) -> float:
        """Log-odds that the count lies outside the range, by the detections' confidences alone."""
        counts = PartCounts.from_scores([p.region.score for p in measured.of(self.part)])
        return log_odds(1 - counts.between(self.low, self.high))

    def evaluate(self, measured: Measured) -> Outcome:
        """How likely the count lies outside the range, given how sure each detection is."""
        found = measured.of(self.part)
        number = PartCounts.from_scores([p.region.score for p in found]).most_likely
        broken = probability(self.standardised(self.raw_log_odds(measured)))
        tail = 1 - broken
        held = self.low <= number <= self.high
        topic: Topic = "total" if self.part == ANY else "count"
        facts: dict[str, Fact] = {"part": self.part, "found": number, "expected": self.expected}
        shown = found[: max(number, self.high)]
        far = max(0, self.low - number - 1, number - self.high - 1)
        return Outcome(self.worth(tail, far), Claim.check(topic, facts, holds=held), shown, number < self.low)
