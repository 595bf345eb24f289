"""The damage matcher: what the tracer reads as damage on any product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent.calibration.maps import Calibration
from agent.matchers.base import PhotoInputs, ReferenceInputs, SharedResults, tracer_share
from agent.matchers.places import PlaceMatcher
from agent.products.spec import MatcherState, Product
from tools.types import AnomalyMap, Sample

if TYPE_CHECKING:
    from tools.anomaly.damage import Traces
    from tools.toolbox import Toolbox


def traces(inputs: SharedResults, toolbox: Toolbox, samples: Sequence[Sample]) -> Sequence[Traces]:
    """What the tracer reads of photos; nothing where the profile has no tracer."""
    tracer = toolbox.tracer
    return () if tracer is None else inputs.once("traces", lambda: tracer.trace(samples))


class Damage(PlaceMatcher):
    """Reads damage by its look."""

    name = "tracer"
    within, beyond = "surface_sound", "surface_damaged"

    def fit(self, references: ReferenceInputs) -> MatcherState | None:
        """Keeps the scores of the references, and how uncertain the tracer is on each; None without a tracer."""
        found = traces(references, references.toolbox, references.samples)
        scores, uncertainty = (tuple(t.score for t in found), tuple(t.uncertainty for t in found))
        return MatcherState(scores, uncertainty) if found else None

    def score(self, photo: PhotoInputs, state: MatcherState | None) -> AnomalyMap | None:
        """Log-odds of damage; None without a tracer."""
        found = traces(photo, photo.toolbox, [photo.sample])
        return found[0].flaws if found else None

    def share(self, product: Product, calibration: Calibration, hypothesis: str = "") -> float:
        """The less, the further the references score from those of the tracer's calibration."""
        return tracer_share(product, calibration)
