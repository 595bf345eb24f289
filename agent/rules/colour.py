"""The colour rule: parts of a kind have one colour on every good product."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from agent.evidence import Claim, Fact
from agent.rules.base import SAID, Measured, Outcome, RuleBase, surest
from agent.rules.surprise import SMALLEST, Tolerance, unless_mistaken, worst_of

Lab = tuple[float, float, float]
"""CIELAB: L in [0, 100], a and b about [-128, 127]."""


class ColourRule(RuleBase):
    """`part` has a colour: by name (told) or by its CIELAB values (measured)."""

    kind: Literal["colour"] = "colour"
    colour: str = Field(min_length=1)
    """Basic colour name."""
    lab: Lab | None = None
    """What the references show; without it the name decides."""
    lightness: Tolerance = Tolerance(spread=12.0)
    """Of L."""
    tone: Tolerance = Tolerance(spread=9.0)
    """Of a and of b."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        from tools.parts.measure import COLOURS

        if self.lab is None and self.colour not in COLOURS:
            raise ValueError(
                f"colour '{self.colour}' is not known; use one of {', '.join(COLOURS)}, or give lab values"
            )
        return self

    @property
    def name(self) -> str:
        """ "colour of cap"."""
        return f"colour of {self.part}"

    @property
    def claim(self) -> Claim:
        """Which colour it has."""
        return Claim("rule_colour", {"part": self.part, "colour": self.colour})

    def evaluate(self, measured: Measured) -> Outcome | None:
        """How far the part whose colour fits least is from the colour it should have."""
        found = [p for p in surest(measured, self.part) if p.measures is not None]
        if not found:
            return None
        labs = [p.measures.lab for p in found if p.measures is not None]
        tails = [unless_mistaken(self._tail(lab), p.region.score) for lab, p in zip(labs, found, strict=True)]
        tail = worst_of(tails)
        worst = min(range(len(found)), key=tails.__getitem__)
        seen = found[worst].measures
        facts: dict[str, Fact] = {"part": self.part, "expected": self.colour, "found": seen.colour if seen else ""}
        held = tail >= SAID
        shown = tuple(found) if held else (found[worst],)
        return Outcome(self.worth(tail), Claim.check("colour", facts, holds=held), shown)

    def _tail(self, lab: Lab) -> float:
        if self.lab is not None:
            return colour_tail(np.subtract(lab, self.lab), self.lightness, self.tone)
        return self.tone.beyond(_distance(lab, self.colour) - _nearest_other(lab, self.colour))


def colour_tail(difference: Sequence[float] | NDArray[np.float64], lightness: Tolerance, tone: Tolerance) -> float:
    """Tail probability of a CIELAB difference (3,): L spreads in one way, a and b in another (F distribution)."""
    from scipy.special import fdtrc

    light, a, b = (float(v) for v in difference)
    squared = (light / lightness.spread) ** 2 + (a**2 + b**2) / tone.spread**2
    return max(SMALLEST, float(fdtrc(3, min(lightness.freedom, tone.freedom), squared / 3)))


def _distance(lab: Lab, name: str) -> float:
    from tools.parts.measure import COLOURS

    return min(math.dist(lab, prototype) for prototype in COLOURS[name])


def _nearest_other(lab: Lab, name: str) -> float:
    from tools.parts.measure import COLOURS

    return min(_distance(lab, other) for other in COLOURS if other != name)
