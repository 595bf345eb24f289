"""A matcher: photos whose mean colour is unlike that of all references."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from skimage.color import rgb2lab

from agent.calibration.maps import MatcherMap
from agent.evidence.types import Claim, Evidence
from agent.matchers.base import Matcher, MatchInput, PhotoInputs, ReferenceInputs
from agent.matchers.registry import register
from agent.products.spec import MatcherState
from tools.types import Sample


class MeanColour(Matcher):
    """Distance of the mean colour to that of the nearest reference, in CIELAB: 2.3 or so can just be seen."""

    name = "mean_colour"
    kind = "structural"
    default_map = MatcherMap(mean=3.0, spread=1.5, slope=0.8, offset=-0.5, limit=4.0)
    sentences: ClassVar = {
        "en": {
            "mean_colour": {
                "short": "mean colour unlike the references",
                "long": "The colour as a whole differs from that of the reference photos.",
            }
        }
    }

    def fit(self, references: ReferenceInputs) -> MatcherState:
        """Keeps the mean colours, and how far each reference is from the nearest other one."""
        means = np.stack([_mean(s) for s in references.samples])
        apart = np.linalg.norm(means[:, None] - means[None], axis=2)
        np.fill_diagonal(apart, np.inf)
        return MatcherState(tuple(apart.min(axis=1).tolist()) if len(means) > 1 else (), means)

    def score(self, photo: PhotoInputs, state: MatcherState | None) -> float | None:
        """None without references."""
        if state is None:
            return None
        return float(np.linalg.norm(state.data - _mean(photo.sample), axis=1).min())

    def evidence(self, match: MatchInput) -> Iterator[Evidence]:
        """What the score is worth: standard deviations above the references first, then a log-likelihood ratio."""
        score = match.glance.scores.get(self.name)
        if isinstance(score, float):
            deviation, llr = self.weigh(score, match.product, match.calibration)
            claim = Claim("mean_colour", {"sd": round(deviation, 1)})
            yield Evidence("structural", claim, llr, self.source, "mean colour")


def _mean(sample: Sample) -> np.ndarray:
    return rgb2lab(sample.image).reshape(-1, 3).mean(axis=0)


if __name__ == "__main__":
    from looktwice import Inspector
    from looktwice.examples import examples

    register(MeanColour())
    wood = next(e for e in examples() if e.name == "wood")
    report = Inspector("nano").inspect(wood.photos[0], references=wood.references)
    print(*(e.what for e in report.evidence if e.source == "mean_colour"))
