"""How sure a detection is, on the scale of the product's own references.

Detectors score on scales of their own, and differently for each phrase. On good parts the number of parts of a kind
is known (told), or shows itself as the count at which the scores fall furthest on every reference; the score between
the last part and the first phantom is where a detection is worth one half.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from agent.fuse import log_odds, probability

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
