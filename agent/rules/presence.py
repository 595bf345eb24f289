"""The presence rule: a part must be there, however many."""

from __future__ import annotations

from typing import Literal

from agent.evidence import Claim
from agent.fuse import log_odds
from agent.rules.base import Measured, Outcome, PartCounts, RuleBase


class PresenceRule(RuleBase):
    """At least one of `part` is on a good product."""

    kind: Literal["presence"] = "presence"

    def evaluate(self, measured: Measured) -> Outcome:
        """How likely the part is absent, given how sure each detection is."""
        found = measured.of(self.part)
        counts = PartCounts.from_scores([p.region.score for p in found])
        there = counts.most_likely >= 1
        claim = Claim("part_present" if there else "part_missing", {"part": self.part})
        return Outcome(self.standardised(log_odds(1 - counts.between(1, None))), claim, found[:1], not there)
