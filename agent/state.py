"""The state and the context of an inspection; evidence is only ever appended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import add, or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from agent.cache import ProductCache
from agent.calibration.maps import Calibration
from agent.evidence.claims import Sentence
from agent.evidence.fusion import anomaly_llr
from agent.evidence.types import Evidence, Hypothesis, Look, Verdict
from agent.products.spec import Product
from agent.rules import MeasuredParts
from tools.describe import DescribedRegion
from tools.pixel_values import ValueRange
from tools.types import AnomalyMap, Region, Sample

if TYPE_CHECKING:
    from agent.evidence.types import Evidence
    from agent.products.spec import Product
    from tools.toolbox import Toolbox

Policy = Literal["none", "fixed", "chosen"]
"""No second look; the one worth most; or what the language model chooses, by likelihood, of those worth their time."""
POLICIES: tuple[Policy, ...] = ("none", "fixed", "chosen")


@dataclass(frozen=True)
class Budget:
    """How much looking again may cost."""

    looks: int = 3
    """Second looks at most."""
    seconds: float | None = None
    """No second look starts once choosing and taking them has cost so many seconds; None sets no limit."""
    decided: float = 4.0
    """A log-odds this far from the threshold is not worth another look."""


@dataclass(frozen=True)
class Context:
    """Tools, calibration and limits of one inspector; the same for all of its photos."""

    toolbox: Toolbox
    calibration: Calibration
    budget: Budget = Budget()
    prior: float = 0.5
    """Probability of an anomaly before looking, in (0, 1)."""
    false_alarm: float | None = None
    """Share of good parts that may be called anomalous, in (0, 1); by default what is likelier anomalous is."""
    policy: Policy = "fixed"
    """How second looks are chosen."""
    debias: bool = True
    """Whether the language model's leaning is taken out of its yes and no; only measuring what that is worth turns it
    off."""
    language: str = "en"
    """Of the explanation."""
    profile: str = ""
    """Name of the profile that the tools are from."""
    mm_per_px: float | None = None
    """Millimetres that a pixel of the photos shows, above 0; None where nobody said."""
    value_range: ValueRange | None = None
    """Pixel values that become black and white, of photos of more than 8 bits; None leaves them to the product."""
    cache: ProductCache = field(default_factory=ProductCache)
    """What the inspector has found out about products."""

    @property
    def prior_log_odds(self) -> float:
        """What is added to all that the evidence says."""
        return math.log(self.prior / (1 - self.prior))

    def log_odds(self, evidence: Sequence[Evidence], product: Product) -> float:
        """Log-odds of an anomaly by all evidence."""
        fused = self.calibration.fusion(len(product.references))
        return fused.worth(anomaly_llr(evidence)) + self.prior_log_odds

    def threshold(self, product: Product) -> float:
        """Log-odds of an anomaly above which a part is called anomalous."""
        if self.false_alarm is None:
            return 0.0
        return self.calibration.fusion(len(product.references)).threshold(self.false_alarm) + self.prior_log_odds


def add_seconds(left: dict[str, float], right: dict[str, float]) -> dict[str, float]:
    """Sums seconds by step."""
    return {key: left.get(key, 0.0) + right.get(key, 0.0) for key in {**left, **right}}


@dataclass(frozen=True, eq=False)
class Glance:
    """What the first look measured."""

    maps: tuple[AnomalyMap, ...]
    """Of the matchers that speak of places, in the order of the registry."""
    peaks: tuple[tuple[Region, ...], ...]
    """Places that stand out on each map, best first."""
    measured: MeasuredParts
    scores: dict[str, AnomalyMap | float] = field(default_factory=dict)
    """What the other matchers scored, each in its own unit, by name."""
    together: AnomalyMap | None = None
    """What all matchers say of each place, added up; known once `match` has weighed them."""

    @property
    def map(self) -> AnomalyMap:
        """The map to show: of all matchers together, once they are weighed."""
        return self.together or self.maps[0]

    def map_of(self, source: str) -> AnomalyMap | None:
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
    looks_ended: bool = False
    """Whether a second look was worth its time and the budget of seconds was spent."""
    verdict: Verdict | None = None
    explanation: tuple[Sentence, ...] = ()
    examined: dict[str, DescribedRegion] = field(default_factory=dict)
    """What the places that the explanation tells of look like, by hypothesis."""
    answer: str | None = None
    """The language model's words on the question, or None where nothing was asked."""
    seconds: Annotated[dict[str, float], add_seconds] = field(default_factory=dict)
    models: Annotated[dict[str, dict[str, str]], or_] = field(default_factory=dict)
    """The models that took part, by role, as `Toolbox.describe` tells them."""


@dataclass
class Revision(InspectionState):
    """A finished inspection and what a person asks of it; `hypothesis` is what to look at again, if anything."""

    added: tuple[Evidence, ...] = ()
    """Evidence to add, with its ids."""


class Update(TypedDict, total=False):
    """What a step may change."""

    sample: Sample
    good: tuple[Sample, ...]
    product: Product
    glance: Glance
    evidence: list[Evidence]
    looks: list[Look]
    hypothesis: Hypothesis | None
    looks_ended: bool
    verdict: Verdict
    explanation: tuple[Sentence, ...]
    examined: dict[str, DescribedRegion]
    answer: str
    seconds: dict[str, float]
    models: dict[str, dict[str, str]]


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
