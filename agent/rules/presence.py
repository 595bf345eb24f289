"""The presence rule: a part must be there, however many."""

from __future__ import annotations

from typing import Literal

from agent.evidence import Claim
from agent.fuse import log_odds, probability
from agent.rules.base import CountedBase, Measured, Outcome, PartCounts


class PresenceRule(CountedBase):
    """At least one of `part` is on a good product."""

    kind: Literal["presence"] = "presence"

    @property
    def name(self) -> str:
        """ "presence of bolt"."""
        return f"presence of {self.part}"

    @property
    def claim(self) -> Claim:
        """It belongs there."""
        return Claim("rule_presence", {"part": self.part})

    def raw_log_odds(self, measured: Measured) -> float:
        """Log-odds that none is there, by the detections' confidences alone."""
        counts = PartCounts.from_scores([p.region.score for p in measured.of(self.part)])
        return log_odds(1 - counts.between(1, None))

    def evaluate(self, measured: Measured) -> Outcome:
        """How likely the part is absent, given how sure each detection is."""
        found = measured.of(self.part)
        there = PartCounts.from_scores([p.region.score for p in found]).most_likely >= 1
        absent = probability(self.standardised(self.raw_log_odds(measured)))
        tail = 1 - absent
        claim = Claim.check("presence", {"part": self.part}, holds=there)
        return Outcome(self.worth(tail), claim, found[:1], not there)
