"""Finds and measures the parts of one photo, and scales detection scores by the product's references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from agent.evidence.fusion import log_odds, probability
from agent.products.spec import ProductSpec
from agent.rules import MeasuredParts
from tools.types import Part, Sample

if TYPE_CHECKING:
    from tools.parts import PartTypes
    from tools.toolbox import Toolbox

FAINT = 0.05
"""Detections below this score are not kept."""
SLOPE = 3.0
"""Log-odds of being a part, for one unit of the detector's own log-odds above the threshold."""
MOST = 12
"""Counts above this are not tried."""
ENOUGH = 4
"""References of which one may be odd."""
GAP = 0.3
"""Log-odds between the last part and the first phantom, on the worst reference, for a count to be believed untold."""


def confidence(score: float, threshold: float) -> float:
    """Probability that a detection is a part; one half at the threshold.

    >>> confidence(0.3, 0.3)
    0.5
    """
    return probability(SLOPE * (log_odds(score) - log_odds(threshold)))


def threshold_for(count: int, references: Sequence[Sequence[float]]) -> float:
    """The score between the last of `count` parts and the first phantom: the median over the references.

    Args:
        count: how many parts there are on each reference.
        references: detection scores of each reference, in (0, 1).

    >>> round(threshold_for(2, [[0.8, 0.7, 0.1], [0.9, 0.6, 0.2]]), 2)
    0.36
    """
    middles = [(_at(scores, count - 1) + _at(scores, count)) / 2 for scores in references]
    return probability(median(middles)) if middles else 0.5


def evident_count(references: Sequence[Sequence[float]]) -> int | None:
    """The count at which the scores fall furthest on the reference where they fall least; None if nowhere far enough.

    Of four references or more, one may be odd: the second least then counts.

    >>> evident_count([[0.8, 0.7, 0.1], [0.9, 0.6, 0.2]])
    2
    >>> evident_count([[0.5, 0.45, 0.4], [0.5]]) is None
    True
    """
    if not references:
        return None
    odd = 1 if len(references) >= ENOUGH else 0
    gaps = {n: sorted(_at(s, n - 1) - _at(s, n) for s in references)[odd] for n in range(1, MOST + 1)}
    best = max(gaps, key=lambda n: gaps[n])
    return best if gaps[best] >= GAP else None


def _at(scores: Sequence[float], rank: int) -> float:
    """Log-odds of the score of a rank, best first; what was not detected is as faint as can be."""
    ranked = sorted(scores, reverse=True)
    return log_odds(ranked[rank] if 0 <= rank < len(ranked) else FAINT if rank >= 0 else 1.0)


def find_parts(toolbox: Toolbox, sample: Sample, spec: ProductSpec, types: PartTypes | None = None) -> MeasuredParts:
    """Parts by the product's phrases and parts of its discovered types, each with its mask and measures.

    A named part's score is the detector's own; `trusted` puts it on the scale of the product's references.

    Args:
        toolbox: loaded tools.
        sample: a photo of the product.
        spec: names the parts; without any, and without types, nothing is found.
        types: what `toolbox.discoverer.learn` made of the references; None where nothing was discovered.
    """
    explanation = None if types is None else toolbox.discoverer.explain(sample, types)
    return MeasuredParts((*_named(toolbox, sample, spec), *_discovered(toolbox, sample, types)), explanation)


def _named(toolbox: Toolbox, sample: Sample, spec: ProductSpec) -> tuple[Part, ...]:
    """Boxes by the parts' phrases, under their labels, with masks by boxes and measures in product coordinates."""
    label_of = {part.phrase: part.label for part in spec.parts if part.phrase is not None}
    found = toolbox.grounder.ground(sample, list(label_of), threshold=FAINT) if label_of else ()
    if not found:
        return ()
    masked = toolbox.segmenter.with_masks(toolbox.segmenter.encode(sample), found)
    pose = toolbox.discoverer.pose(sample)
    return tuple(
        replace(p, label=label_of[p.label], measures=None if p.measures is None else pose.placed(p.measures))
        for p in masked
    )


def _discovered(toolbox: Toolbox, sample: Sample, types: PartTypes | None) -> tuple[Part, ...]:
    return () if types is None or not types.types else toolbox.discoverer.find(sample, types)


def trusted(measured: MeasuredParts, spec: ProductSpec) -> MeasuredParts:
    """The same parts, each named one scored by how likely it is one, by the thresholds of the specification."""
    thresholds = {part.label: part.threshold for part in spec.parts if part.phrase is not None}
    return replace(measured, parts=tuple(_trusted(part, thresholds.get(part.label)) for part in measured.parts))


def _trusted(part: Part, threshold: float | None) -> Part:
    if threshold is None:
        return part
    return replace(part, region=replace(part.region, score=confidence(part.region.score, threshold)))
