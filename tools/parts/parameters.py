"""Fitted parameters of part discovery and assignment, handed in as arguments; calibration files hold their values."""

from __future__ import annotations

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class AssignmentCosts:
    """Costs of differences between parts, and of missing and extra parts (`python -m evals.fit.assignment_costs`)."""

    usual: dict[str, float]
    """Mean difference of a part between two good photos, by what differs."""
    power: float = Field(ge=1)
    """Of the mean over what differs: the larger, the more a single difference counts."""
    together: float = Field(ge=1)
    """Of the sum over parts, likewise."""
    place: float = Field(gt=0)
    """The same of its place, in units of the product, once the photos lie over each other."""
    places: float = Field(ge=0)
    """Weight of places beside looks."""
    headings: float = Field(ge=0)
    """Weight of how a part is turned beside looks."""
    free: float = Field(gt=0)
    """Parts whose places differ by more than this at the median may lie anywhere."""
    worth: float = Field(gt=0)
    """How many references' worth of pairs `usual` counts for (their number counts by its root)."""
    dearest: float = Field(gt=0)
    """Unlikeness above which two segments are no pair."""
    loose: float = Field(ge=0)
    """The same between the references, above which what is not traced as one thing is no part."""
    outline: float = Field(ge=0)
    """What the outline of a reference's segment adds to its being a part."""
    item: float = Field(ge=0)
    """What being traced as one thing adds to that."""
    clear: float = Field(ge=0)
    """What the outline of a photo's segment adds to its being taken for a part."""
    known: float = Field(ge=0)
    """Share of a pair's cost among the references that a pair on a photo has for free."""
    missing: float = Field(ge=0)
    """Price of a part that recurs perfectly and is missing."""
    recurring: float = Field(ge=0)
    """Power of the share of the other references on which it is found, by which that price falls."""
    extra: float = Field(ge=0)
    """Price of a thing that stands for nothing."""


@dataclass(frozen=True, config=_STRICT)
class LogisticWeights:
    """Log-odds as a bias and a weighted sum of differences."""

    bias: float
    weights: dict[str, float]
    """By the names in `tools.parts.descriptors.NAMES`."""


@dataclass(frozen=True, config=_STRICT)
class PartSimilarity:
    """How likely two segments are of one part type (`python -m evals.fit.part_similarity`)."""

    across: LogisticWeights
    """For pairs on different photos."""
    within: LogisticWeights
    """For pairs on one photo, where light and colours are shared."""


@dataclass(frozen=True, config=_STRICT)
class PartParameters:
    """Everything that is fitted of part discovery and assignment."""

    similarity: PartSimilarity
    costs: AssignmentCosts
