"""The state of one inspection; reducers stand in the annotations, evidence is only ever appended."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import add
from pathlib import Path
from typing import Annotated, TypedDict

from agent.claims import Sentence
from agent.evidence import Evidence, Hypothesis, Look, Verdict
from agent.product import Product
from agent.rules import Measured
from tools.types import Region, Sample, ScoreMap, Source


def add_seconds(left: dict[str, float], right: dict[str, float]) -> dict[str, float]:
    """Sums seconds by step."""
    return {key: left.get(key, 0.0) + right.get(key, 0.0) for key in {**left, **right}}


@dataclass(frozen=True, eq=False)
class Glance:
    """What the first look measured."""

    maps: tuple[ScoreMap, ...]
    """Against the references where there are any, patch by patch and as a whole, of the tracer where there is one, and
    against words."""
    peaks: tuple[tuple[Region, ...], ...]
    """Places that stand out on each map, best first."""
    measured: Measured
    layout: ScoreMap | None = None
    """Where parts are other than on the references, as the photo looks beside them; None without references."""
    together: ScoreMap | None = None
    """What all matchers say of each place, added up; known once `match` has weighed them."""

    @property
    def map(self) -> ScoreMap:
        """The map to show: of all matchers together, once they are weighed."""
        return self.together or self.maps[0]

    def map_of(self, source: Source) -> ScoreMap | None:
        """The map of one matcher, or None where it made none."""
        return next((m for m in self.maps if m.source == source), None)


@dataclass
class Request:
    """What a caller may pass in: narrower than the state."""

    photo: Path | Sample
    product: Product | None = None
    references: tuple[Path | Sample, ...] = ()
    normal: str = ""
    """What good means, in the user's words; used where there is no product."""
    question: str = ""


@dataclass
class InspectionState(Request):
    """Everything found out so far about one photo."""

    sample: Sample | None = None
    good: tuple[Sample, ...] = ()
    """The references, decoded."""
    glance: Glance | None = None
    evidence: Annotated[list[Evidence], add] = field(default_factory=list)
    looks: Annotated[list[Look], add] = field(default_factory=list)
    hypothesis: Hypothesis | None = None
    verdict: Verdict | None = None
    explanation: tuple[Sentence, ...] = ()
    answer: str | None = None
    """The narrator's words on the question, or None where nothing was asked."""
    seconds: Annotated[dict[str, float], add_seconds] = field(default_factory=dict)


class Update(TypedDict, total=False):
    """What a step may change."""

    sample: Sample
    good: tuple[Sample, ...]
    product: Product
    glance: Glance
    evidence: list[Evidence]
    looks: list[Look]
    hypothesis: Hypothesis | None
    verdict: Verdict
    explanation: tuple[Sentence, ...]
    answer: str
    seconds: dict[str, float]


class OutOfOrderError(RuntimeError):
    """A step ran before the one that it needs; a mistake in the wiring, never in the input."""


def need_sample(state: InspectionState) -> Sample:
    """The decoded photo, which `intake` has put there."""
    if state.sample is None:
        raise OutOfOrderError("this step needs `intake` to have run")
    return state.sample


def need_product(state: InspectionState) -> Product:
    """The product, which `propose` has put there."""
    if state.product is None:
        raise OutOfOrderError("this step needs `propose` to have run")
    return state.product


def need_glance(state: InspectionState) -> Glance:
    """The first look, which `glance` has put there."""
    if state.glance is None:
        raise OutOfOrderError("this step needs `glance` to have run")
    return state.glance
