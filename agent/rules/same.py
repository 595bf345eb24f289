"""The same rule: parts of one photo have one colour among themselves, whichever it is this time."""

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
from tools.types import Part


class SameRule(RuleBase):
    """All of `part` and of the `others` are of one colour in a photo, up to what shape and light make of it."""

    kind: Literal["same"] = "same"
    others: tuple[str, ...] = ()
    offsets: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """By label: by how much one kind is lighter, and more colourful, than all of them together on the references."""
    lightness: Tolerance = Tolerance(spread=8.0)
    """Of CIELAB L."""
    chroma: Tolerance = Tolerance(spread=8.0)
    """Of CIELAB chroma, which shading changes."""
    hue: Tolerance = Tolerance(spread=6.0)
    """Of CIELAB hue difference (CIE 1976), which shading hardly changes."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        strangers = sorted(set(self.offsets) - set(self.named))
        if strangers:
            raise ValueError(f"offsets are given for {', '.join(strangers)}, which the rule does not speak of")
        return self

    @property
    def named(self) -> tuple[str, ...]:
        """Labels of all parts that the rule speaks of."""
        return (self.part, *self.others)

    @property
    def name(self) -> str:
        """ "same colour of bolt and nut"."""
        return f"same colour of {' and '.join(self.named)}"

    @property
    def claim(self) -> Claim:
        """That they are alike."""
        return Claim("rule_same", {"parts": _listed(self.named)})

    def evaluate(self, measured: Measured) -> Outcome | None:
        """How far the part whose colour stands out most is from the middle of the others."""
        found = [p for label in self.named for p in surest(measured, label) if p.measures is not None]
        if len(found) < 2:
            return None
        off = self.deviations(found)
        tails = [unless_mistaken(self._tail(d), p.region.score) for d, p in zip(off, found, strict=True)]
        tail = worst_of(tails)
        worst = _odd_one(tails, found)
        seen, rest = found[worst].measures, [p for n, p in enumerate(found) if n != worst]
        others_are = _most([p.measures.colour for p in rest if p.measures is not None])
        facts: dict[str, Fact] = {"parts": _listed(self.named), "part": found[worst].label}
        facts |= {"found": seen.colour if seen is not None else "", "expected": others_are}
        held = tail >= SAID
        shown = tuple(found) if held else (found[worst],)
        return Outcome(self.worth(tail), Claim.check("same", facts, holds=held), shown)

    def deviations(self, parts: Sequence[Part]) -> NDArray[np.float64]:
        """(N, 3): by how much each part is lighter, more colourful and of another hue than the middle of the others.

        Less what its kind usually differs by; the difference of hues is that of CIE 1976, at least 0.
        """
        labs = np.asarray([p.measures.lab for p in parts if p.measures is not None])
        usual = np.asarray([self.offsets.get(p.label, (0.0, 0.0)) for p in parts])
        found = []
        for n, lab in enumerate(labs):
            rest = [m for m in range(len(labs)) if m != n]
            light = np.median(labs[rest, 0] - usual[rest, 0])
            tone = np.median(labs[rest, 1:], axis=0)
            chroma = np.median(np.hypot(labs[rest, 1], labs[rest, 2]) - usual[rest, 1])
            own = math.hypot(lab[1], lab[2])
            apart, spread = math.hypot(*(lab[1:] - tone)), own - math.hypot(*tone)
            hue = math.sqrt(max(0.0, apart**2 - spread**2))
            found.append((lab[0] - usual[n, 0] - light, own - usual[n, 1] - chroma, hue))
        return np.asarray(found)

    def _tail(self, off: NDArray[np.float64]) -> float:
        """Tail probability of a deviation in lightness, chroma and hue (F distribution)."""
        from scipy.special import fdtrc

        scales = (self.lightness, self.chroma, self.hue)
        squared = sum((float(v) / s.spread) ** 2 for v, s in zip(off, scales, strict=True))
        return max(SMALLEST, float(fdtrc(3, min(s.freedom for s in scales), squared / 3)))


def _odd_one(tails: Sequence[float], parts: Sequence[Part]) -> int:
    """The most surprising part; of several that surprise alike, as two do each other, the farthest from the mean."""
    labs = np.asarray([p.measures.lab for p in parts if p.measures is not None])
    tied = [n for n, t in enumerate(tails) if t <= min(tails) * 1.01]
    return max(tied, key=lambda n: float(np.linalg.norm(labs[n] - labs.mean(axis=0))))


def _most(names: list[str]) -> str:
    return max(sorted(set(names)), key=names.count)


def _listed(labels: tuple[str, ...]) -> str:
    from agent.claims import in_words

    return in_words([f"'{label}'" for label in labels])
