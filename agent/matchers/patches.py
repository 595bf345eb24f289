"""Matchers of patches: against the patches of the references, and against words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.calibration.maps import Calibration, log_of_excess
from agent.evidence.fusion import log_odds
from agent.matchers.base import PhotoInputs, ReferenceInputs, is_single
from agent.matchers.places import PlaceMatcher
from agent.products.spec import MatcherState, Product
from tools.types import AnomalyMap


def reference_bank(references: ReferenceInputs) -> Any:
    """The memory bank of the references."""
    samples = (*references.samples, *references.more)
    return references.once("bank", lambda: references.toolbox.reference_matcher.bank(samples))


def reference_map(photo: PhotoInputs, state: MatcherState | None) -> AnomalyMap | None:
    """The photo compared with the memory bank of `ReferencePatches`; None without one."""
    if state is None:
        return None
    return photo.once("reference", lambda: photo.toolbox.reference_matcher.score(photo.sample, state.data))


class ReferencePatches(PlaceMatcher):
    """Compares patches with those of the references."""

    name = "reference"
    within, beyond = "region_within", "region_differs"
    compares = True

    def fit(self, references: ReferenceInputs) -> MatcherState:
        """Keeps the memory bank."""
        bank = reference_bank(references)
        return MatcherState(tuple(references.toolbox.reference_matcher.leave_one_out(bank)), bank)

    def score(self, photo: PhotoInputs, state: MatcherState | None) -> AnomalyMap | None:
        """Distances to the memory bank; None without references."""
        return reference_map(photo, state)

    def standardised_unit(self, score: float, references: Sequence[float]) -> float:
        """Distances are compared as ratios: the logarithm is standardised."""
        return log_of_excess(score, references)

    def share(self, product: Product, calibration: Calibration, hypothesis: str = "") -> float:
        """All of it, unless a tracer is trusted beside it."""
        if is_single(product, calibration):
            return 1.0
        return calibration.reference_trust(product.scores("tracer"))


class TextPatches(PlaceMatcher):
    """Compares patches with words for good and for damaged parts."""

    name = "text"
    within, beyond = "words_fit", "words_differ"

    def fit(self, references: ReferenceInputs) -> MatcherState:
        """Keeps the references as the scorer sees them, where its path of windows joins them to the words."""
        scorer, spec = references.toolbox.scorer, references.spec
        encoded = scorer.encode(references.samples)
        return MatcherState(tuple(scorer.left_out(encoded, spec.product, spec.defects)), scorer.kept(encoded))

    def score(self, photo: PhotoInputs, state: MatcherState | None) -> AnomalyMap:
        """Probabilities of damage by the words."""
        scorer, spec = photo.toolbox.scorer, photo.product.spec
        known = None if state is None else state.data
        (found,) = scorer.score(scorer.encode([photo.sample]), spec.product, spec.defects, references=known)
        return found

    def counts(self, product: Product, calibration: Calibration) -> bool:
        """Always without references, where hardly anything else speaks."""
        return not product.references or super().counts(product, calibration)

    def standardised_unit(self, score: float, references: Sequence[float]) -> float:
        """Probabilities are standardised as log-odds."""
        return log_odds(score)
