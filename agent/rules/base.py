"""What every rule shares: where it came from, how often it held, and how an outcome is stated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.evidence.types import Claim
from agent.rules.likelihood import doubtful, log_odds_of
from tools.types import Part

if TYPE_CHECKING:
    from tools.parts import Explanation

Origin = Literal["told", "proposed", "induced"]

ANY = "any"
"""Stands for parts of whatever label."""
SAID = 0.05
"""A tail probability below this is said to differ; what it is worth is another number."""


@dataclass(frozen=True)
class RuleOutcome:
    """How one photo stands to one rule."""

    log_odds: float
    """Log-likelihood ratio of "broken" against "good", natural log, by what the references taught."""
    claim: Claim
    parts: tuple[Part, ...]
    """The detections that the statement is about."""
    missing: bool = False
    """Whether fewer parts were found than belong."""

    @property
    def holds(self) -> bool:
        """Whether it says that the rule is obeyed."""
        return self.claim.holds


@dataclass(frozen=True, eq=False)
class MeasuredParts:
    """The parts of one photo, by label."""

    parts: tuple[Part, ...]
    explanation: Explanation | None = None
    """How a good product would have to differ to be this one; None where no reference says so."""

    def of(self, label: str) -> tuple[Part, ...]:
        """Detections of one label (`ANY`: of all), best first."""
        return tuple(sorted((p for p in self.parts if label in (ANY, p.label)), key=lambda p: -p.region.score))

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels that occur, in alphabetical order."""
        return tuple(sorted({p.label for p in self.parts}))


class RuleBase(BaseModel, ABC):
    """Fields that every kind of rule has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    part: str = Field(min_length=1)
    """Label of the part that the rule speaks about, or "any" where a kind allows it."""
    origin: Origin = "told"
    support: int = Field(default=0, ge=0)
    """How many references obey it."""
    doubt: float = Field(default=0.001, ge=0, le=1)
    """Probability that a good product breaks it however well that is measured: what is told is hardly doubted."""

    @property
    def named(self) -> tuple[str, ...]:
        """Labels of all parts that the rule speaks of."""
        return (self.part,)

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is about, in a few words: "count of bolt". No two rules of a product share it."""

    @property
    @abstractmethod
    def claim(self) -> Claim:
        """What it demands, as a statement."""

    @abstractmethod
    def evaluate(self, measured: MeasuredParts) -> RuleOutcome | None:
        """How one photo stands to it; None where the photo has nothing to measure it by."""

    def worth(self, tail: float, far: float = 0.0) -> float:
        """Log-odds of "broken" for the tail probability of a measurement, given how much the rule itself is doubted.

        `far` says how far it is off in units of what such properties vary by where they are not fixed.
        """
        return log_odds_of(doubtful(tail, self.doubt, far))


class CountedBase(RuleBase):
    """A rule on how many there are: its own reading varies with the detector, which the references show."""

    baseline: float = 0.0
    """Mean log-odds of "broken" over those references: what measuring alone costs on good parts."""
    spread: float = Field(default=0.0, ge=0)
    """Standard deviation of those log-odds: the more good parts differ, the less a difference says."""

    def standardised(self, log_odds: float) -> float:
        """Log-odds of "broken" above the references' mean, in units that grow with their spread (at least 1)."""
        return (log_odds - self.baseline) / hypot(1.0, self.spread)


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


def count_of(measured: MeasuredParts, label: str) -> int:
    """The most likely number of parts of a label."""
    return PartCounts.from_scores([p.region.score for p in measured.of(label)]).most_likely


def surest(measured: MeasuredParts, label: str) -> tuple[Part, ...]:
    """As many of the best detections of a label as there most likely are: what attributes are read from."""
    return measured.of(label)[: count_of(measured, label)]
