"""Rules between two kinds of parts: beside, above, inside, touching, level, and their proportion."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from agent.evidence.types import Claim, Fact, Topic
from agent.rules.attributes import DIFFER
from agent.rules.base import SAID, MeasuredParts, RuleBase, RuleOutcome, surest
from agent.rules.likelihood import Tolerance, unless_mistaken
from agent.rules.placement import WANDER
from tools.types import Box, Mask, Part


def touching(a: Part, b: Part) -> bool:
    """Whether their masks touch (`tools.parts.measurement`); by their boxes where a mask is unknown."""
    from tools.parts.measurement import CONTACT
    from tools.parts.measurement import touching as masks_touch

    near = _common(a.region.box, b.region.box, CONTACT)
    if near is None:
        return False
    if a.region.mask is None or b.region.mask is None:
        return True
    one, other = _cut(a.region.mask, near), _cut(b.region.mask, near)
    return bool(one.any() and other.any()) and masks_touch(one, other)


def _common(a: Box, b: Box, reach: float) -> Box | None:
    """Where two boxes that are wider by a reach overlap; nothing outside of it can touch the other."""
    x0, y0 = max(a.x0, b.x0) - reach, max(a.y0, b.y0) - reach
    x1, y1 = min(a.x1, b.x1) + reach, min(a.y1, b.y1) + reach
    return Box(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _cut(mask: Mask, box: Box) -> Mask:
    x0, y0 = max(0, int(box.x0)), max(0, int(box.y0))
    return mask[y0 : int(box.y1) + 1, x0 : int(box.x1) + 1]


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

    def evaluate(self, measured: MeasuredParts) -> RuleOutcome | None:
        """How likely the relation is broken, by the pair that obeys it least."""
        parts, others = surest(measured, self.part), surest(measured, self.other)
        if not parts or not others:
            return None
        if self.relation == "touching":
            return self._touching(parts, others)
        if self.relation == "level":
            return self._level(parts, others)
        return self._beside(self.relation, parts, others)

    def _beside(self, side: Side, parts: tuple[Part, ...], others: tuple[Part, ...]) -> RuleOutcome | None:
        found = least_margin(side, parts, others)
        if found is None:
            return None
        margin, one, other = found
        tail = unless_mistaken(self.tolerance.beyond(self.margin - margin), one.region.score * other.region.score)
        far = max(0.0, self.margin - margin) / WANDER
        return self._outcome(tail, held=margin > 0 or tail >= SAID, parts=(one, other), far=far)

    def _touching(self, parts: tuple[Part, ...], others: tuple[Part, ...]) -> RuleOutcome:
        counts = [sum(touching(p, o) for o in others if o is not p) for p in parts]
        wrong = [n for n, c in enumerate(counts) if c < self.low or (self.high is not None and c > self.high)]
        if not wrong:
            return self._outcome(1.0, held=True, parts=parts, found=counts[0])
        worst = max(wrong, key=lambda n: parts[n].region.score)
        sure = parts[worst].region.score
        return self._outcome(1 - sure, held=False, parts=(parts[worst],), found=counts[worst])

    def _level(self, parts: tuple[Part, ...], others: tuple[Part, ...]) -> RuleOutcome | None:
        found = [(u, p) for p in parts if (u := unevenness(p, others)) is not None]
        if not found:
            return None
        uneven, part = max(found, key=lambda item: item[0])
        tail = unless_mistaken(self.tolerance.beyond(uneven), part.region.score)
        return self._outcome(tail, held=tail >= SAID, parts=(part,), far=uneven / WANDER)

    def _outcome(
        self, tail: float, *, held: bool, parts: tuple[Part, ...], far: float = 0.0, found: int | None = None
    ) -> RuleOutcome:
        facts = self._facts()
        if found is not None:
            facts["found"] = found
        topic: Topic = self.relation if self.relation in ("touching", "level") else "beside"
        claim = Claim.check(topic, facts, holds=held)
        return RuleOutcome(self.worth(tail, far), claim, parts)


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

    def evaluate(self, measured: MeasuredParts) -> RuleOutcome | None:
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
            "part": self.part,
            "other": self.of,
            "found": f"{ratio:.2f}",
            "expected": f"{self.ratio:.2f}",
            "way": "more" if ratio > self.ratio else "less",
        }
        claim = Claim.check("proportion", facts, holds=held)
        return RuleOutcome(self.worth(tail, off / DIFFER), claim, (*parts, *surest(measured, self.of)))


def area_ratio(measured: MeasuredParts, part: str, of: str) -> float | None:
    """Area of all of one kind over that of all of another; None where one of them is absent."""
    areas = [sum(p.measures.area for p in surest(measured, x) if p.measures is not None) for x in (part, of)]
    return areas[0] / areas[1] if min(areas) > 0 else None
