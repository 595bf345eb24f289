"""Rules on numbers: how many parts there are, whether one is present, in one piece, or holds as many as the others."""

from __future__ import annotations

import math
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from agent.evidence.fusion import log_odds, probability
from agent.evidence.types import Claim, Fact, Topic
from agent.rules.base import ANY, CountedBase, MeasuredParts, PartCounts, RuleBase, RuleOutcome, surest
from agent.rules.likelihood import unless_mistaken
from tools.types import Part


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

    def raw_log_odds(self, measured: MeasuredParts) -> float:
        """Log-odds that the count lies outside the range, by the detections' confidences alone."""
        counts = PartCounts.from_scores([p.region.score for p in measured.of(self.part)])
        return log_odds(1 - counts.between(self.low, self.high))

    def evaluate(self, measured: MeasuredParts) -> RuleOutcome:
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
        return RuleOutcome(self.worth(tail, far), Claim.check(topic, facts, holds=held), shown, number < self.low)


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

    def raw_log_odds(self, measured: MeasuredParts) -> float:
        """Log-odds that none is there, by the detections' confidences alone."""
        counts = PartCounts.from_scores([p.region.score for p in measured.of(self.part)])
        return log_odds(1 - counts.between(1, None))

    def evaluate(self, measured: MeasuredParts) -> RuleOutcome:
        """How likely the part is absent, given how sure each detection is."""
        found = measured.of(self.part)
        there = PartCounts.from_scores([p.region.score for p in found]).most_likely >= 1
        absent = probability(self.standardised(self.raw_log_odds(measured)))
        tail = 1 - absent
        claim = Claim.check("presence", {"part": self.part}, holds=there)
        return RuleOutcome(self.worth(tail), claim, found[:1], not there)


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

    def evaluate(self, measured: MeasuredParts) -> RuleOutcome | None:
        """Whether some part holds another number; as sure as the least sure detection that it rests on."""
        holders, held = surest(measured, self.part), surest(measured, self.other)
        counts = shares(holders, held)
        if not counts or (self.low is None and len(counts) < 2):
            return None
        usual = max(sorted(set(counts)), key=counts.count)
        wrong = [n for n, c in enumerate(counts) if not self._good(c, usual)]
        facts = {**self._facts(), "found": " or ".join(str(c) for c in sorted(set(counts)))}
        if not wrong:
            return RuleOutcome(self.worth(1.0), Claim.check("each", facts, holds=True), holders)
        sure = min(p.region.score for p in (*holders, *held))
        blamed = tuple(holders[n] for n in wrong)
        return RuleOutcome(self.worth(1 - sure), Claim.check("each", facts, holds=False), blamed)

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


PIECE = 0.1
"""A piece has at least this share of the part's pixels; less is noise."""


class WholeRule(RuleBase):
    """Each `part` is in between `low` and `high` separate pieces."""

    kind: Literal["whole"] = "whole"
    low: int = Field(default=1, ge=1)
    high: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high < self.low:
            raise ValueError(f"high ({self.high}) is below low ({self.low}); give a range such as low: 1, high: 2")
        return self

    @property
    def name(self) -> str:
        """ "pieces of cable"."""
        return f"pieces of {self.part}"

    @property
    def claim(self) -> Claim:
        """In how many pieces it is."""
        return Claim("rule_whole", {"part": self.part, "expected": self._expected})

    @property
    def _expected(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low} to {self.high}"

    def evaluate(self, measured: MeasuredParts) -> RuleOutcome | None:
        """Whether some part is in another number of pieces, as sure as that part is."""
        found = [(pieces(p), p) for p in surest(measured, self.part)]
        seen = [(n, p) for n, p in found if n]
        if not seen:
            return None
        wrong = [(n, p) for n, p in seen if not self.low <= n <= self.high]
        number, part = max(wrong, key=lambda item: item[1].region.score) if wrong else seen[0]
        tail = unless_mistaken(0.0, part.region.score) if wrong else 1.0
        facts: dict[str, Fact] = {"part": self.part, "found": number, "expected": self._expected}
        claim = Claim.check("whole", facts, holds=not wrong)
        return RuleOutcome(self.worth(tail), claim, (part,) if wrong else tuple(p for _, p in seen))


def pieces(part: Part) -> int:
    """How many separate pieces the mask of a part has; 0 where no mask is known."""
    from scipy.ndimage import label

    mask = part.region.mask
    if mask is None or not mask.any():
        return 0
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    inside = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    labels, _ = label(inside, structure=np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    return int((sizes >= PIECE * sizes.sum()).sum())
