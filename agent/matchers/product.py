"""Matchers of the photo as a whole: whether it has content, and whether it shows the product at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from agent.calibration.maps import MatcherMap
from agent.evidence.types import Claim, Evidence
from agent.matchers.base import Matcher, MatchInput, PhotoInputs, ReferenceInputs
from agent.matchers.patches import reference_bank, reference_map
from agent.products.spec import MatcherState
from tools.types import RGB, AnomalyMap

Blank = Literal["photo_black", "photo_white", "photo_uniform"]
"""Claims on photos without content."""
GRID = 32
"""Cells along each side, over which grey levels are averaged: noise of the camera is no content."""
MOST = 0.99
"""Share of the cells that are black or white on a black or a white photo."""
DARK, BRIGHT = 16.0, 250.0
"""Grey levels up to and from which a cell is black or white, in [0, 255]."""
FLAT = 3.0
"""Grey levels from one cell to the next, at most, on a uniform photo: plain steel and leather have 4 and more."""
NOISE = 8.0
"""Standard deviation of the grey levels about those of their cells, at most, on a uniform photo."""
WHITE, LOUD = 0.25, 30.0
"""Correlation of neighbouring pixels, at most, where all that a photo shows is noise of the camera, and the largest
standard deviation of such noise."""
DEGREE = 4
"""Of the polynomial in both directions that light falling off towards the corners follows."""
RARE = 5.0
"""Standard deviations of a cell's mean that noise alone does not leave."""
CERTAIN = MatcherMap(slope=0.0, offset=40.0, limit=10.0)
"""Log-likelihood ratio of about 8: such photos are no photos of good products."""


class PhotoContent(Matcher):
    """Tells a black, white or uniform photo, as of a covered lens."""

    name = "content"
    kind = "structural"
    default_map = CERTAIN

    def fit(self, references: ReferenceInputs) -> MatcherState | None:
        """Keep whether a reference has no content either: a plain surface can be the product."""
        return MatcherState(data=any(blank(sample.image) is not None for sample in references.samples))

    def evidence(self, match: MatchInput) -> Iterator[Evidence]:
        """A piece of evidence on a photo without content; none on any other."""
        state = match.product.states.get(self.name)
        found = None if state is not None and state.data else blank(match.sample.image)
        if found is not None:
            claim = Claim(found, {}, "photo", "broken")
            yield Evidence("structural", claim, self.map_in(match.calibration).llr(0.0), self.source, "photo content")


class ProductMatch(Matcher):
    """Tells a photo of something else: half of its patches lie far from every reference."""

    name = "product"
    kind = "structural"
    default_map = CERTAIN
    compares = True

    def fit(self, references: ReferenceInputs) -> MatcherState | None:
        """Keep how far the references lie from each other; None where that is not measured."""
        medians = references.toolbox.reference_matcher.median_distances(reference_bank(references))
        return MatcherState(tuple(medians)) if medians else None

    def score(self, photo: PhotoInputs, state: MatcherState | None) -> float | None:
        """Median distance of the patches; None without references, or where the reference matcher measures none."""
        found = reference_map(photo, photo.product.states.get("reference"))
        return None if found is None else found.median_distance

    def evidence(self, match: MatchInput) -> Iterator[Evidence]:
        """A piece of evidence on a photo that is unlike the references; none on any other."""
        score, limits = match.glance.scores.get(self.name), match.calibration.product_distance
        if limits is None or score is None or isinstance(score, AnomalyMap):
            return
        if score > limits.limit(match.product.scores(self.name)):
            claim = Claim("photo_unlike", {"references": len(match.product.references)}, "photo", "broken")
            yield Evidence("structural", claim, self.map_in(match.calibration).llr(0.0), self.source, "photo content")


def blank(image: RGB) -> Blank | None:
    """How a photo has no content; None where it has some.

    Args:
        image: RGB (H, W, 3).

    >>> blank(np.zeros((64, 64, 3), np.uint8)), blank(np.full((64, 64, 3), 128, np.uint8))
    ('photo_black', 'photo_uniform')
    """
    grey = Image.fromarray(image).convert("F")
    small = grey.resize((GRID, GRID), Image.Resampling.BOX)
    cells = np.asarray(small)
    if (cells <= DARK).mean() >= MOST:
        return "photo_black"
    if (cells >= BRIGHT).mean() >= MOST:
        return "photo_white"
    rest = np.asarray(grey) - np.asarray(small.resize(grey.size, Image.Resampling.BILINEAR))
    noise = float(rest.std())
    correlated = float((rest[:, 1:] * rest[:, :-1]).mean()) > WHITE * max(noise**2, 1e-9)
    if noise > (NOISE if correlated else LOUD):
        return None
    steps = np.hypot(*np.gradient(cells)).max()
    left = np.abs(cells - _light(cells)).max()
    expected = RARE * noise / max(1.0, rest.size / cells.size) ** 0.5
    return "photo_uniform" if steps <= FLAT or left <= max(FLAT, 0.0 if correlated else expected) else None


def _light(cells: NDArray[np.float32]) -> NDArray[np.float64]:
    """The part of the cells' grey levels that smooth light explains."""
    down, right = np.mgrid[-1 : 1 : GRID * 1j, -1 : 1 : GRID * 1j]
    terms = [down**i * right**j for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]
    basis = np.stack([term.ravel() for term in terms], axis=1)
    weights, *_ = np.linalg.lstsq(basis, cells.ravel().astype(np.float64), rcond=None)
    light: NDArray[np.float64] = (basis @ weights).reshape(cells.shape)
    return light
