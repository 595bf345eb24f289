"""A matcher: photos whose overall colour is unlike that of all good ones, from a raw score to calibrated evidence."""

from collections.abc import Sequence

import numpy as np
from skimage.color import rgb2lab

from agent.calibration.maps import MatcherMap
from agent.evidence.types import Claim, Evidence
from tools.types import Sample

MAP = MatcherMap(mean=3.0, spread=1.5, slope=0.8, offset=-0.5, limit=4.0)
"""Calibration of the raw score; for a matcher that stays, `python -m evals.fit.matcher_maps` fits it."""


class ColourMatcher:
    """Compares the mean colour of a photo with that of good ones."""

    def __init__(self, references: Sequence[Sample]) -> None:
        """Takes one good photo or more."""
        self._good = np.array([_mean(r) for r in references])

    def score(self, sample: Sample) -> float:
        """Distance to the nearest good photo in CIELAB: 2.3 or so can just be seen."""
        return float(np.linalg.norm(self._good - _mean(sample), axis=1).min())

    def leave_one_out(self) -> list[float]:
        """Score of each good photo against the others; none of a single one."""
        apart = np.linalg.norm(self._good[:, None] - self._good[None], axis=2)
        np.fill_diagonal(apart, np.inf)
        return apart.min(axis=1).tolist() if len(self._good) > 1 else []

    def evidence(self, sample: Sample) -> Evidence:
        """What the score says: standard deviations above good ones first, then a log-likelihood ratio."""
        above = MAP.standardise(self.score(sample), self.leave_one_out())
        claim = Claim("colour_differs", {"sd": round(above, 1)})
        return Evidence("structural", claim, MAP.llr(above), source="colour", hypothesis="colour of the whole")


def _mean(sample: Sample) -> np.ndarray:
    return rgb2lab(sample.image).reshape(-1, 3).mean(axis=0)
