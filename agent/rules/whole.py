"""The whole rule: a part is in one piece, or in as many as it should be."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from agent.evidence import Claim, Fact
from agent.rules.base import Measured, Outcome, RuleBase, surest
from agent.rules.surprise import unless_mistaken
from tools.types import Part

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

    def evaluate(self, measured: Measured) -> Outcome | None:
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
        return Outcome(self.worth(tail), claim, (part,) if wrong else tuple(p for _, p in seen))


def pieces(part: Part) -> int:
    """How many separate pieces the mask of a part has; 0 where no mask is known."""
    from scipy.ndimage import label

    mask = part.region.mask
    if mask is None or not mask.any():
        return 0
    labels, _ = label(mask, structure=np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    return int((sizes >= PIECE * sizes.sum()).sum())
