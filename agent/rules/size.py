"""The size rule: how long or how large the parts of a kind are, the largest first."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from agent.evidence import Claim, Fact
from agent.rules.base import SAID, Measured, Outcome, RuleBase, surest
from agent.rules.surprise import Tolerance, unless_mistaken, worst_of
from tools.types import Part

Extent = Literal["length", "area"]

DIFFER = 0.5
"""By how much sizes differ that are not fixed, as a natural logarithm."""


class SizeRule(RuleBase):
    """Lengths (or areas) of `part`, relative to the product: one for all of them, or one for each, largest first."""

    kind: Literal["size"] = "size"
    of: Extent
    expected: tuple[float, ...] = Field(min_length=1)
    """Lengths in units of the root of the product's area, areas as shares of it."""
    tolerance: Tolerance
    """Of the natural logarithm: 0.05 is about 5 %."""

    @property
    def name(self) -> str:
        """ "length of bolt"."""
        return f"{self.of} of {self.part}"

    @property
    def claim(self) -> Claim:
        """How large they are."""
        return Claim("rule_size", {"part": self.part, "of": self.of, "expected": _listed(self.expected)})

    def evaluate(self, measured: Measured) -> Outcome | None:
        """How far the part that fits least is from the size it should have."""
        found = sorted(((_size(p, self.of), p) for p in surest(measured, self.part)), key=lambda item: -(item[0] or 0))
        sized = [(s, p) for s, p in found if s]
        if not sized:
            return None
        off = [abs(math.log(s / want)) for (s, _), want in zip(sized, self._wanted([s for s, _ in sized]), strict=True)]
        tails = [unless_mistaken(self.tolerance.tail(d), p.region.score) for d, (_, p) in zip(off, sized, strict=True)]
        tail = worst_of(tails)
        worst = min(range(len(sized)), key=tails.__getitem__)
        want = self._wanted([s for s, _ in sized])[worst]
        facts: dict[str, Fact] = {"part": self.part, "of": self.of}
        facts["change"] = f"{abs(sized[worst][0] / want - 1):.0%}"
        facts["way"] = (
            ("longer", "shorter")[sized[worst][0] < want]
            if self.of == "length"
            else (("larger", "smaller")[sized[worst][0] < want])
        )
        held = tail >= SAID
        shown = tuple(p for _, p in sized) if held else (sized[worst][1],)
        return Outcome(self.worth(tail, off[worst] / DIFFER), Claim.check("size", facts, holds=held), shown)

    def _wanted(self, sizes: list[float]) -> list[float]:
        """What each size, largest first, is compared with: its rank's, or the nearest where the counts differ."""
        if len(self.expected) == len(sizes):
            return sorted(self.expected, reverse=True)
        return [min(self.expected, key=lambda e: abs(math.log(s / e))) for s in sizes]


def _size(part: Part, of: Extent) -> float | None:
    if part.measures is None:
        return None
    return part.measures.relative_length if of == "length" else part.measures.relative_area


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{v:.2f}" for v in values)
