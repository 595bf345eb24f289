"""Rules on attributes of parts: colour, one colour among several, size, and groups of sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from agent.evidence.types import Claim, Fact
from agent.rules.base import SAID, MeasuredParts, RuleBase, RuleOutcome, surest
from agent.rules.likelihood import SMALLEST, Tolerance, unless_mistaken, worst_of
from tools.types import Part

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
        from tools.parts.measurement import COLOURS

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

    def evaluate(self, measured: MeasuredParts) -> RuleOutcome | None:
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
        return RuleOutcome(self.worth(tail), Claim.check("colour", facts, holds=held), shown)

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
    from tools.parts.measurement import COLOURS

    return min(math.dist(lab, prototype) for prototype in COLOURS[name])


def _nearest_other(lab: Lab, name: str) -> float:
    from tools.parts.measurement import COLOURS

    return min(_distance(lab, other) for other in COLOURS if other != name)


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

    def evaluate(self, measured: MeasuredParts) -> RuleOutcome | None:
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
        return RuleOutcome(self.worth(tail), Claim.check("same", facts, holds=held), shown)

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
    from agent.evidence.claims import in_words

    return in_words([f"'{label}'" for label in labels])


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
        return Claim("rule_size", {"part": self.part, "of": self.of, "expected": _percentages(self.expected)})

    def evaluate(self, measured: MeasuredParts) -> RuleOutcome | None:
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
        return RuleOutcome(self.worth(tail, off[worst] / DIFFER), Claim.check("size", facts, holds=held), shown)

    def _wanted(self, sizes: list[float]) -> list[float]:
        """What each size, largest first, is compared with: its rank's, or the nearest where the counts differ."""
        if len(self.expected) == len(sizes):
            return sorted(self.expected, reverse=True)
        return [min(self.expected, key=lambda e: abs(math.log(s / e))) for s in sizes]


def _size(part: Part, of: Extent) -> float | None:
    if part.measures is None:
        return None
    return part.measures.relative_length if of == "length" else part.measures.relative_area


def _percentages(values: tuple[float, ...]) -> str:
    return ", ".join(f"{v:.2f}" for v in values)


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

    def evaluate(self, measured: MeasuredParts) -> RuleOutcome | None:
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
        return RuleOutcome(self.worth(tail, far), Claim.check("ranks", facts, holds=held), shown)

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
