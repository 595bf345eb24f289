"""What every rule shares: where it came from, how often it held, and how an outcome is stated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.evidence import Claim
from tools.types import Part

Origin = Literal["told", "proposed", "induced"]


class RuleBase(BaseModel):
    """Fields that every kind of rule has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    part: str = Field(min_length=1)
    """Label of the part that the rule speaks about."""
    origin: Origin = "told"
    support: int = Field(default=0, ge=0)
    """On how many references the rule was proved."""
    baseline: float = 0.0
    """Mean log-odds of "broken" over those references: what measuring alone costs on good parts."""
    spread: float = Field(default=0.0, ge=0)
    """Standard deviation of those log-odds: the more good parts differ, the less a difference says."""

    def standardised(self, log_odds: float) -> float:
        """Log-odds of "broken" above the references' mean, in units that grow with their spread (at least 1)."""
        return (log_odds - self.baseline) / hypot(1.0, self.spread)


@dataclass(frozen=True)
class Outcome:
    """How one photo stands to one rule."""

    log_odds: float
    """Natural log-odds that the rule is broken, standardised by the references."""
    claim: Claim
    parts: tuple[Part, ...]
    """The detections that the statement is about."""
    missing: bool
    """Whether fewer parts were found than belong."""


@dataclass(frozen=True, eq=False)
class Measured:
    """The parts of one photo, by label."""

    parts: tuple[Part, ...]

    def of(self, label: str) -> tuple[Part, ...]:
        """Detections of one label, best first."""
        return tuple(sorted((p for p in self.parts if p.label == label), key=lambda p: -p.region.score))


@dataclass(frozen=True)
class PartCounts:
    """Distribution of how many parts there really are, given unsure detections."""

    probabilities: tuple[float, ...]
    """P(0), P(1), ...: Poisson-binomial over the detections, with `miss` for one that was not detected."""

    @classmethod
    def from_scores(cls, scores: Sequence[float], miss: float = 0.02) -> PartCounts:
        """From detection confidences in [0, 1].

        Args:
            scores: confidence of each detection.
            miss: probability that one more part is there and was not detected.

        >>> PartCounts.from_scores([1.0, 0.5], miss=0.0).probabilities
        (0.0, 0.5, 0.5, 0.0)
        """
        distribution = [1.0]
        for score in [*scores, miss]:
            shifted = [0.0, *(p * score for p in distribution)]
            kept = [*(p * (1 - score) for p in distribution), 0.0]
            distribution = [a + b for a, b in zip(shifted, kept, strict=True)]
        return cls(tuple(distribution))

    def between(self, low: int, high: int | None) -> float:
        """Probability of a count in [low, high]; high None means no upper bound."""
        return sum(p for n, p in enumerate(self.probabilities) if n >= low and (high is None or n <= high))

    @property
    def most_likely(self) -> int:
        """The count with the highest probability."""
        return max(range(len(self.probabilities)), key=self.probabilities.__getitem__)
