"""The relation rule: how parts stand to each other: beside, above, inside, touching, level."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from agent.evidence import Claim, Fact, Topic
from agent.rules.base import SAID, Measured, Outcome, RuleBase, surest
from agent.rules.contact import touching
from agent.rules.position import WANDER
from agent.rules.surprise import Tolerance, unless_mistaken
from tools.types import Part

Relation = Literal["left of", "right of", "above", "below", "touching", "level"]
Side = Literal["left of", "right of", "above", "below"]
SIDES: dict[Side, tuple[int, int]] = {"left of": (0, -1), "right of": (0, 1), "above": (1, -1), "below": (1, 1)}
"""Axis (0 is x, 1 is y down) and the sign of the way from the other part."""


class RelationRule(RuleBase):
    """Every `part` stands to the `other` parts in a relation.

    "left of", "right of", "above" and "below" hold for every pair; "touching" says how many others each part touches;
    "level" says that the others that a part touches lie at one height of the product, as the ends of a straight cable.
    """

    kind: Literal["relation"] = "relation"
    relation: Relation
    other: str = Field(min_length=1)
    low: int = Field(default=1, ge=0)
    """Of "touching": fewest others that each part touches."""
    high: int | None = Field(default=None, ge=0)
    """Of "touching": most others; none for any number."""
    margin: float = 0.0
    """Of a side: least distance along its axis on good ones, in units of the root of the product's area."""
    tolerance: Tolerance = Tolerance(spread=0.05)
    """Of the margin, or of the height at which "level" parts lie."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high is not None and self.high < self.low:
            raise ValueError(f"high ({self.high}) is below low ({self.low}); give a range such as low: 1, high: 2")
        if self.relation != "touching" and self.part == self.other:
            raise ValueError(f"'{self.part}' cannot be {self.relation} itself")
        return self

    @property
    def named(self) -> tuple[str, ...]:
        """Labels of all parts that the rule speaks of."""
        return (self.part, self.other)

    @property
    def name(self) -> str:
        """ "bolt left of nut"."""
        return f"{self.part} {self.relation} {self.other}"

    @property
    def claim(self) -> Claim:
        """How they stand to each other."""
        return Claim(f"rule_{self.relation.replace(' ', '_')}", self._facts())

    def _facts(self) -> dict[str, Fact]:
        facts: dict[str, Fact] = {"part": self.part, "other": self.other, "relation": self.relation}
        if self.relation == "touching":
            most = self.high
            facts["expected"] = (
                str(self.low)
                if most == self.low
                else f"{self.low} or more"
                if most is None
                else (f"{self.low} to {most}")
            )
        return facts

    def evaluate(self, measured: Measured) -> Outcome | None:
        """How likely the relation is broken, by the pair that obeys it least."""
        parts, others = surest(measured, self.part), surest(measured, self.other)
        if not parts or not others:
            return None
        if self.relation == "touching":
            return self._touching(parts, others)
        if self.relation == "level":
            return self._level(parts, others)
        return self._beside(self.relation, parts, others)

    def _beside(self, side: Side, parts: tuple[Part, ...], others: tuple[Part, ...]) -> Outcome | None:
        found = least_margin(side, parts, others)
        if found is None:
            return None
        margin, one, other = found
        tail = unless_mistaken(self.tolerance.beyond(self.margin - margin), one.region.score * other.region.score)
        far = max(0.0, self.margin - margin) / WANDER
        return self._outcome(tail, held=margin > 0 or tail >= SAID, parts=(one, other), far=far)

    def _touching(self, parts: tuple[Part, ...], others: tuple[Part, ...]) -> Outcome:
        counts = [sum(touching(p, o) for o in others if o is not p) for p in parts]
        wrong = [n for n, c in enumerate(counts) if c < self.low or (self.high is not None and c > self.high)]
        if not wrong:
            return self._outcome(1.0, held=True, parts=parts, found=counts[0])
        worst = max(wrong, key=lambda n: parts[n].region.score)
        sure = parts[worst].region.score
        return self._outcome(1 - sure, held=False, parts=(parts[worst],), found=counts[worst])

    def _level(self, parts: tuple[Part, ...], others: tuple[Part, ...]) -> Outcome | None:
        found = [(u, p) for p in parts if (u := unevenness(p, others)) is not None]
        if not found:
            return None
        uneven, part = max(found, key=lambda item: item[0])
        tail = unless_mistaken(self.tolerance.beyond(uneven), part.region.score)
        return self._outcome(tail, held=tail >= SAID, parts=(part,), far=uneven / WANDER)

    def _outcome(
        self, tail: float, *, held: bool, parts: tuple[Part, ...], far: float = 0.0, found: int | None = None
    ) -> Outcome:
        facts = self._facts()
        if found is not None:
            facts["found"] = found
        topic: Topic = self.relation if self.relation in ("touching", "level") else "beside"
        claim = Claim.check(topic, facts, holds=held)
        return Outcome(self.worth(tail, far), claim, parts)


def least_margin(side: Side, parts: tuple[Part, ...], others: tuple[Part, ...]) -> tuple[float, Part, Part] | None:
    """The pair that is least on a side of each other, and by how much; None without places."""
    axis, sign = SIDES[side]
    here, there = ([(m, p) for p in x if (m := _along(p, axis)) is not None] for x in (parts, others))
    if not here or not there:
        return None
    value, one = min(here, key=lambda item: sign * item[0])
    bound, other = max(there, key=lambda item: sign * item[0])
    return sign * (value - bound), one, other


def unevenness(part: Part, others: tuple[Part, ...]) -> float | None:
    """Range of heights of the others that a part touches, in units of the root of the product's area."""
    heights = [h for o in others if o is not part and touching(part, o) and (h := _along(o, 1)) is not None]
    return max(heights) - min(heights) if len(heights) >= 2 else None


def _along(part: Part, axis: int) -> float | None:
    if part.measures is None or part.measures.place is None:
        return None
    return part.measures.place[axis]
