"""The match rule: an attribute of one part decides an attribute of another."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from agent.evidence.types import Claim, Fact
from agent.rules.attributes import Lab, colour_tail
from agent.rules.base import MeasuredParts, RuleBase, RuleOutcome, count_of, surest
from agent.rules.likelihood import SMALLEST, Tolerance, unless_mistaken, worst_of
from tools.types import Part

Key = Literal["count", "colour"]
HOLE = 0.1
"""Tail probability of a value that belongs to another key, under a key that nobody has shown."""


class MatchRule(RuleBase):
    """The colour of `part` goes with the count or the colour of `other`, by a mapping."""

    kind: Literal["match"] = "match"
    other: str = Field(min_length=1)
    by: Key
    mapping: dict[str, str] = Field(min_length=1)
    """From the other's count ("6") or colour name to the part's colour name."""
    labs: dict[str, Lab] = Field(default_factory=dict)
    """CIELAB of the mapped colours, by key, as the references show them."""
    keys: dict[str, Lab] = Field(default_factory=dict)
    """CIELAB of the keys, where colours are keys and the references show them."""
    lightness: Tolerance = Tolerance(spread=12.0)
    tone: Tolerance = Tolerance(spread=10.0)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        from tools.parts.measurement import COLOURS

        strangers = sorted((set(self.labs) | set(self.keys)) - set(self.mapping))
        if strangers:
            raise ValueError(f"colours are given for keys that the mapping lacks: {', '.join(strangers)}")
        unknown = [v for k, v in self.mapping.items() if k not in self.labs and v not in COLOURS]
        if self.by == "colour":
            unknown += [k for k in self.mapping if k not in self.keys and k not in COLOURS]
        elif not all(k.isdigit() for k in self.mapping):
            raise ValueError(f"keys of a mapping by count must be whole numbers; found {', '.join(self.mapping)}")
        if unknown:
            raise ValueError(f"colours that are not known: {', '.join(unknown)}; use {', '.join(COLOURS)}")
        if self.part == self.other and self.by == "colour":
            raise ValueError("the colour of a part cannot be matched with itself; use a rule of kind 'same'")
        return self

    @property
    def named(self) -> tuple[str, ...]:
        """Labels of all parts that the rule speaks of."""
        return (self.part, self.other)

    @property
    def name(self) -> str:
        """ "colour of cable by count of terminal"."""
        return f"colour of {self.part} by {self.by} of {self.other}"

    @property
    def claim(self) -> Claim:
        """The mapping in words."""
        pairs = ", ".join(f"{k}: {v}" for k, v in self.mapping.items())
        return Claim("rule_match", {"part": self.part, "other": self.other, "by": self.by, "mapping": pairs})

    def evaluate(self, measured: MeasuredParts) -> RuleOutcome | None:
        """How far the part's colour is from the one that the other part asks for."""
        parts = [p for p in surest(measured, self.part) if p.measures is not None]
        others = surest(measured, self.other)
        key = self._key(measured, others)
        if not parts or key is None:
            return None
        sure = min(p.region.score for p in (*parts, *others))
        facts: dict[str, Fact] = {"part": self.part, "other": self.other, "by": self.by, "key": key}
        facts["found"] = parts[0].measures.colour if parts[0].measures is not None else ""
        if key not in self.mapping:
            return self._in_a_hole(parts, facts)
        tails = [self._tail(key, p) for p in parts]
        tail = unless_mistaken(worst_of(tails), sure)
        held = min(tails) >= self._best_other(key, parts[tails.index(min(tails))])
        facts["expected"] = self.mapping[key]
        return RuleOutcome(self.worth(tail), Claim.check("match", facts, holds=held), (*parts, *others))

    def _in_a_hole(self, parts: list[Part], facts: dict[str, Fact]) -> RuleOutcome:
        """A key that the mapping lacks: a value that belongs to another key is odd, but no more."""
        taken = max(self._tail(k, p) for k in self.mapping for p in parts)
        tail = 1 - taken * (1 - HOLE)
        return RuleOutcome(self.worth(tail), Claim("match_unknown", facts, "match", "unknown"), tuple(parts))

    def _best_other(self, key: str, part: Part) -> float:
        return max((self._tail(k, part) for k in self.mapping if k != key), default=SMALLEST)

    def _tail(self, key: str, part: Part) -> float:
        from tools.parts.measurement import COLOURS

        if part.measures is None:
            return 1.0
        wanted = [self.labs[key]] if key in self.labs else list(COLOURS[self.mapping[key]])
        lab = part.measures.lab
        return max(colour_tail(np.subtract(lab, w), self.lightness, self.tone) for w in wanted)

    def _key(self, measured: MeasuredParts, others: tuple[Part, ...]) -> str | None:
        from tools.parts.measurement import COLOURS

        if self.by == "count":
            return str(count_of(measured, self.other))
        seen = next((p.measures for p in others if p.measures is not None), None)
        if seen is None:
            return None
        names = {k: [self.keys[k]] if k in self.keys else list(COLOURS[k]) for k in self.mapping}
        fits = {
            k: max(colour_tail(np.subtract(seen.lab, w), self.lightness, self.tone) for w in ws)
            for k, ws in names.items()
        }
        best = max(fits, key=lambda k: fits[k])
        return best if fits[best] >= 1e-3 else seen.colour
