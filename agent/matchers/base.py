"""What a matcher is: how it learns references, scores a photo, and turns scores into calibrated evidence."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from agent.calibration.maps import Calibration, MatcherMap
from agent.evidence.types import Evidence, Kind
from agent.products.spec import MatcherState, Product, ProductSpec
from tools.types import AnomalyMap, Region, Sample

if TYPE_CHECKING:
    from agent.state import Context, Glance
    from tools.toolbox import Toolbox

T = TypeVar("T")
Sentences = Mapping[str, Mapping[str, Mapping[str, str]]]
"""By language, then by claim: `short` for a list of findings, `long` for the explanation."""

NEGLIGIBLE = 0.35
"""A matcher whose log-likelihood ratio can never reach this on a product is not run."""


@dataclass(eq=False)
class SharedResults:
    """Results of tools that several matchers read; each is computed once."""

    _results: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, key: str, compute: Callable[[], T]) -> T:
        """The result of that name, computed when it is first asked for."""
        if key not in self._results:
            self._results[key] = compute()
        found: T = self._results[key]
        return found


@dataclass(eq=False)
class ReferenceInputs(SharedResults):
    """The reference photos that matchers learn; one or more."""

    toolbox: Toolbox
    spec: ProductSpec
    samples: tuple[Sample, ...]
    """Those from which is learned in detail."""
    more: tuple[Sample, ...] = ()
    """Others, which the memory bank takes as well."""


@dataclass(eq=False)
class PhotoInputs(SharedResults):
    """The photo that matchers score."""

    toolbox: Toolbox
    product: Product
    sample: Sample


@dataclass(frozen=True, eq=False)
class MatchInput:
    """Everything that was measured on one photo, to be turned into evidence."""

    sample: Sample
    product: Product
    glance: Glance
    regions: tuple[Region, ...]
    """Places that stand out on any map, each once; the n-th is the hypothesis "region n", counted from 1."""
    context: Context

    @property
    def calibration(self) -> Calibration:
        """What scores are worth."""
        return self.context.calibration


class Matcher(ABC):
    """Turns one photo into evidence, against references, words or rules.

    A subclass sets `name` and `kind`, and defines `evidence`; the other methods have defaults for a matcher that has
    nothing to learn or to score.
    """

    name: ClassVar[str]
    """Of its map in the calibration and of its state in a product."""
    kind: ClassVar[Kind]
    """The kind of anomaly that it can see."""
    default_map: ClassVar[MatcherMap] = MatcherMap()
    """What its scores are worth where the calibration has no map of its name."""
    compares: ClassVar[bool] = False
    """Whether it compares the photo with the references."""
    checks: ClassVar[bool] = False
    """Whether its claims say that something holds or is broken, as rules do."""
    sentences: ClassVar[Sentences] = {}
    """Of its claims, beside those of prompts/report/sentences.yaml."""

    @property
    def source(self) -> str:
        """The source of its evidence, as reports name it."""
        return self.name

    def fit(self, references: ReferenceInputs) -> MatcherState | None:
        """What it keeps of the references, with their leave-one-out scores; None where it keeps nothing."""
        return None

    def score(self, photo: PhotoInputs, state: MatcherState | None) -> AnomalyMap | float | None:
        """What it measures on a photo, in its own unit; None where it measures nothing."""
        return None

    def standardised_unit(self, score: float, references: Sequence[float]) -> float:
        """A score in the unit that is standardised, such as its logarithm.

        Args:
            score: in the matcher's own unit.
            references: leave-one-out scores of the references, in the same unit.
        """
        return score

    def map_in(self, calibration: Calibration) -> MatcherMap:
        """Its map."""
        return calibration.map_of(self.name, self.default_map)

    def weigh(self, score: float, product: Product, calibration: Calibration) -> tuple[float, float]:
        """(standard deviations above good parts, log-likelihood ratio) of a score in the matcher's own unit."""
        scores = product.scores(self.name)
        references = [self.standardised_unit(s, scores) for s in scores]
        worth = self.map_in(calibration)
        deviation = worth.standardise(self.standardised_unit(score, scores), references)
        return deviation, worth.llr(deviation)

    @abstractmethod
    def evidence(self, match: MatchInput) -> Iterator[Evidence]:
        """Calibrated evidence of one photo."""

    def share(self, product: Product, calibration: Calibration, hypothesis: str = "") -> float:
        """How much its evidence on a hypothesis counts on a product, in [0, 1]."""
        return 1.0

    def counts(self, product: Product, calibration: Calibration) -> bool:
        """Whether its evidence can change a verdict on a product; a matcher of which this is not true is not run."""
        return self.share(product, calibration) * self.map_in(calibration).largest >= NEGLIGIBLE

    def made(self, source: str, hypothesis: str) -> bool:
        """Whether evidence of the first look with this source and hypothesis is its own."""
        return source == self.source


def is_single(product: Product, calibration: Calibration) -> bool:
    """Whether there is but one reference, and the levels of the tracer are known.

    A single reference does not show how good photos differ. Only the reference matcher, which needs no such scale to
    rank photos, then compares with it.
    """
    return len(product.references) == 1 and calibration.tracer_levels is not None


def tracer_share(product: Product, calibration: Calibration) -> float:
    """How much the evidence of the tracer counts on a product, in [0, 1]."""
    state = product.states.get("tracer")
    uncertainty = () if state is None or state.data is None else state.data
    return calibration.trust(product.scores("tracer"), uncertainty)


def comparison_share(product: Product, calibration: Calibration) -> float:
    """How much evidence counts that compares with references by the tracer, or by the parts that it finds."""
    return 0.0 if is_single(product, calibration) else tracer_share(product, calibration)
