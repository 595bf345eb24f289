"""How far stated confidence is from how often it is right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BINS = 15


def ece(confidences: Sequence[float], correct: Sequence[bool], bins: int = BINS) -> float:
    """Expected calibration error (Guo et al. 2017, equation 3): bins of equal width, weighted by how many they hold.

    Args:
        confidences: each in [0, 1], of the decision that was made; one on an edge counts to the bin below it.
        correct: whether that decision was right.
        bins: how many.

    Returns:
        In [0, 1]; 0 where each bin is right as often as it says.

    >>> ece([0.9, 0.9, 0.9, 0.9], [True, True, True, False])
    0.15
    """
    stated, right = np.asarray(confidences, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    place = np.clip(np.ceil(stated * bins).astype(int) - 1, 0, bins - 1)
    gaps = (abs(right[place == n].sum() - stated[place == n].sum()) for n in range(bins) if bool((place == n).any()))
    return round(float(sum(gaps)) / len(stated), 12)
