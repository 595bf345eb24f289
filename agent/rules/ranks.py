"""The ranks rule: parts of a kind come in sizes, so many long ones and so many short ones, whatever their lengths."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

from pydantic import Field

from agent.evidence import Claim, Fact
from agent.rules.base import SAID, Measured, Outcome, RuleBase, surest
from agent.rules.size import DIFFER
from agent.rules.surprise import Tolerance, unless_mistaken, worst_of
from tools.types import Part


class RanksRule(RuleBase):
    """Sorted by length, the first `groups[0]` of `part` are alike, the next `groups[1]` alike and clearly shorter."""

    kind: Literal["ranks"] = "ranks"
    groups: tuple[int, ...] = Field(min_length=1)
    """How many parts each length has, the longest first; (2,) says that both are equally long."""
    gap: float = Field(default=0.15, gt=0)
    """Least difference between lengths of two groups, as a natural logarithm: 0.15 is 16 %."""
    tolerance: Tolerance = Tolerance(spread=0.06)
    """Of the logarithm of lengths within a group, and of the gap."""

    @property
    def name(self) -> str:
        """ "lengths of bolt"."""
        return f"lengths of {self.part}"

    @property
    def claim(self) -> Claim:
        """Which lengths there are."""
        return Claim("rule_ranks", {"part": self.part, "expected": self._expected})

    @property
    def _expected(self) -> str:
        if len(self.groups) == 1:
            return "all equally long"
        return " and ".join(f"{n} {'long' if k == 0 else 'shorter'}" for k, n in enumerate(self.groups))

    def evaluate(self, measured: Measured) -> Outcome | None:
        """How far the lengths are from falling into their groups; nothing is said of another number of parts."""
        found = [(math.log(p.measures.length), p) for p in surest(measured, self.part) if p.measures is not None]
        if len(found) != sum(self.groups):
            return None
        found.sort(key=lambda item: -item[0])
        uneven, tight, odd = self._misfit(found)
        tail = worst_of([self.tolerance.tail(uneven), self.tolerance.beyond(tight)])
        tail = unless_mistaken(tail, min(p.region.score for _, p in found))
        held = tail >= SAID
        facts: dict[str, Fact] = {"part": self.part, "expected": self._expected}
        shown = tuple(p for _, p in found) if held else (odd,)
        far = max(uneven, tight) / DIFFER
        return Outcome(self.worth(tail, far), Claim.check("ranks", facts, holds=held), shown)

    def _misfit(self, found: list[tuple[float, Part]]) -> tuple[float, float, Part]:
        """(largest deviation within a group, what the smallest gap lacks, the part that fits least)."""
        start, means = 0, []
        worst = (0.0, found[0][1])
        for size in self.groups:
            group = found[start : start + size]
            mean = sum(length for length, _ in group) / size
            worst = max([worst, *((abs(length - mean), part) for length, part in group)], key=lambda item: item[0])
            means.append((mean, group[0][1]))
            start += size
        lack, part = -math.inf, worst[1]
        for (longer, _), (shorter, first) in pairwise(means):
            if self.gap - (longer - shorter) > lack:
                lack, part = self.gap - (longer - shorter), first
        return worst[0], max(0.0, lack), worst[1] if worst[0] >= lack else part
