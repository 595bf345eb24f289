"""Matchers that lay a photo beside the references as a whole: its surfaces, and the layout of its parts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from agent.calibration.maps import Calibration
from agent.evidence.claims import place_in_words
from agent.evidence.fusion import NOTABLE, WHOLE
from agent.evidence.types import Claim, Evidence, Fact
from agent.matchers.base import Matcher, MatchInput, PhotoInputs, ReferenceInputs, comparison_share
from agent.matchers.damage import traces
from agent.matchers.places import PlaceMatcher
from agent.products.spec import MatcherState, Product
from tools.anomaly.peaks import peaks
from tools.types import AnomalyMap

if TYPE_CHECKING:
    from tools.anomaly.damage import ReferenceComparison, Tokens

SURFACES = "differ"
"""The source of both matchers' evidence, and the name of the one that keeps the references."""


def _tokens(references: ReferenceInputs) -> tuple[Tokens, ...]:
    """The references as photos are shown beside them."""
    return tuple(t.tokens for t in traces(references, references.toolbox, references.samples))


def _left_out(references: ReferenceInputs) -> tuple[tuple[float, float], ...]:
    """(logical, structural) log-odds of each reference beside the others; empty for a single one."""
    tracer = references.toolbox.tracer
    if tracer is None:
        return ()
    return references.once("left_out", lambda: tracer.left_out(_tokens(references)))


def _beside(photo: PhotoInputs) -> ReferenceComparison | None:
    """The photo beside the references; None without a tracer or without references."""
    tracer, state = photo.toolbox.tracer, photo.product.states.get(SURFACES)
    if tracer is None or state is None:
        return None
    (found,) = traces(photo, photo.toolbox, [photo.sample])
    return photo.once("beside", lambda: tracer.beside(found.tokens, state.data, photo.sample.size))


class Surfaces(PlaceMatcher):
    """Compares surfaces, place by place."""

    name = SURFACES
    within, beyond = "surface_like", "surface_unlike"
    compares = True

    def fit(self, references: ReferenceInputs) -> MatcherState | None:
        """Keeps the references as photos are shown beside them; None without a tracer."""
        tokens = _tokens(references)
        return MatcherState(tuple(s for _, s in _left_out(references)), tokens) if tokens else None

    def score(self, photo: PhotoInputs, state: MatcherState | None) -> AnomalyMap | None:
        """Log-odds that a place is another than on the references."""
        found = _beside(photo)
        return None if found is None else found.structural

    def share(self, product: Product, calibration: Calibration, hypothesis: str = "") -> float:
        """As far as the tracer is trusted; nothing with a single reference."""
        return comparison_share(product, calibration)

    def made(self, source: str, hypothesis: str) -> bool:
        """Whether evidence is of a place, not of the layout."""
        return source == SURFACES and hypothesis != WHOLE


class LayoutMatcher(Matcher):
    """Compares the layout of all parts."""

    name = "layout"
    kind = "logical"
    checks = True

    @property
    def source(self) -> str:
        """The same tool as that of the surfaces."""
        return SURFACES

    def fit(self, references: ReferenceInputs) -> MatcherState | None:
        """Keeps the scores alone; None without a tracer."""
        return MatcherState(tuple(logical for logical, _ in _left_out(references))) if _tokens(references) else None

    def score(self, photo: PhotoInputs, state: MatcherState | None) -> AnomalyMap | None:
        """Log-odds that parts are other than on the references."""
        found = _beside(photo)
        return None if found is None else found.logical

    def evidence(self, match: MatchInput) -> Iterator[Evidence]:
        """One piece; none where no calibration says what it is worth: it would be told as a rule that holds."""
        found = match.glance.scores.get(self.name)
        if not isinstance(found, AnomalyMap) or not self.map_in(match.calibration).slope:
            return
        deviation, llr = self.weigh(found.own_score, match.product, match.calibration)
        region = peaks(found, limit=1)[0]
        facts: dict[str, Fact] = {
            "references": len(match.product.references),
            "sd": round(deviation, 1),
            "place": place_in_words(region.box, *match.sample.size),
        }
        claim = Claim.check("layout", facts, holds=llr < NOTABLE)
        yield Evidence("logical", claim, llr, self.source, WHOLE, region=region)

    def share(self, product: Product, calibration: Calibration, hypothesis: str = "") -> float:
        """As far as the tracer is trusted; nothing with a single reference."""
        return comparison_share(product, calibration)

    def made(self, source: str, hypothesis: str) -> bool:
        """Whether evidence is of the layout."""
        return source == SURFACES and hypothesis == WHOLE
