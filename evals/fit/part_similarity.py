"""Learns how likely two segments are of one kind of part, from the truth of the training families and of new products.

Run `python -m evals.fit.part_similarity [--profile nano]`; it writes `part_similarity` of the profile's calibration. No
held-out family is looked at, and the medleys are such as no model was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from agent.calibration.maps import Calibration
from evals.datasets.world import SIDE, UNSEEN
from evals.fit.assignment_costs import FIRST
from evals.fit.calibration_files import calibration_file, write_entries
from nano.recipes.cache import EVALUATION_SEED, scenes
from nano.world import TRAINED
from nano.world.medley import medley
from nano.world.medley_photo import photo
from tools.images import sample_from_array
from tools.parts.descriptors import NAMES, Descriptors, differences, scale_of
from tools.parts.parameters import LogisticWeights, PartSimilarity
from tools.profiles import load_profile
from tools.toolbox import Toolbox
from tools.types import RGB, Mask

if TYPE_CHECKING:
    from tools.parts import Discoverer

PER_FAMILY = 40
PHOTOS = range(20, 26)
"""Of each training family; figures are measured on the first twenty."""
MATCH = 0.6
"""A segment that overlaps a part as much as this (IoU) shows that part."""
MEDLEYS, SHOTS = 40, 5
"""Unseen medleys, and photos of each."""
OVER = 0.5
"""Segments of one photo that overlap by more of the smaller are no pair."""
RIDGE = 1e-4
"""Penalty on squared weights."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """The segments of one photo and the parts that they show."""

    described: Descriptors
    nouns: NDArray[np.str_]
    """(N,): "" for a segment that is no part."""
    nested: NDArray[np.float64]


def labelled(discoverer: Discoverer, image: RGB, parts: Sequence[tuple[str, Mask]]) -> Labelled:
    """The segments that discovery sees on a photo, named by the truth: nouns and masks of its parts."""
    proposals, described = discoverer.described(sample_from_array(np.array(image)))
    return Labelled(described, nouns_of(proposals.masks, parts), proposals.overlaps()[1])


def nouns_of(masks: Sequence[Mask], parts: Sequence[tuple[str, Mask]], match: float = MATCH) -> NDArray[np.str_]:
    """The noun of the part that each mask shows, "" where it shows none."""
    found = []
    for mask in masks:
        overlaps = [(float((mask & part).sum() / (mask | part).sum()), noun) for noun, part in parts]
        best, noun = max(overlaps, default=(0.0, ""))
        found.append(noun if best >= match else "")
    return np.array(found)


def fitted(products: Sequence[Sequence[Labelled]]) -> PartSimilarity:
    """Weights from pairs in which one segment at least is a part; every product weighs the same, either way."""
    across, within = [], []
    for photos in products:
        scale = scale_of([p.described for p in photos])
        pairs = [(a, b) for n, a in enumerate(photos) for b in photos[n + 1 :]]
        across.append(_stacked([_pair(a, b, differences(a.described, b.described, scale)) for a, b in pairs]))
        within.append(_stacked([_own(a, differences(a.described, a.described, scale)) for a in photos]))
    return PartSimilarity(across=_linear(across), within=_linear(within))


Pairs = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""Differences (K, 13), and whether each pair is of one kind."""


def _pair(one: Labelled, other: Labelled, values: NDArray[np.float64]) -> Pairs:
    same = (one.nouns[:, None] == other.nouns[None]) & (one.nouns != "")[:, None]
    known = (one.nouns != "")[:, None] | (other.nouns != "")[None]
    return values[known], same[known]


def _own(photo: Labelled, values: NDArray[np.float64]) -> Pairs:
    same = (photo.nouns[:, None] == photo.nouns[None]) & (photo.nouns != "")[:, None]
    known = (photo.nouns != "")[:, None] | (photo.nouns != "")[None]
    apart = np.triu(np.ones_like(known), 1) & (photo.nested <= OVER)
    return values[known & apart], same[known & apart]


def _stacked(pairs: Sequence[Pairs]) -> Pairs:
    return np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])


def _linear(products: Sequence[Pairs]) -> LogisticWeights:
    """Logistic regression whose weights are never above 0: no difference makes two segments more alike."""
    weights = np.concatenate([_balanced(same) for _, same in products])
    values, same = _stacked(products)
    signs, weights = np.where(same, 1.0, -1.0), weights / weights.sum()

    def loss(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = signs * (values @ x[1:] + x[0])
        slope = -weights * signs * expit(-margin)
        value = float(weights @ np.logaddexp(0, -margin)) + RIDGE * float(x[1:] @ x[1:]) / 2
        return value, np.concatenate([[slope.sum()], slope @ values + RIDGE * x[1:]])

    bounds = [(None, None), *[(None, 0.0)] * len(NAMES)]
    found = minimize(loss, np.zeros(len(NAMES) + 1), jac=True, method="L-BFGS-B", bounds=bounds).x.tolist()
    return LogisticWeights(
        bias=round(found[0], 3), weights={n: round(w, 3) for n, w in zip(NAMES, found[1:], strict=True)}
    )


def _balanced(same: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Pairs of one kind weigh as much as the others together; a product without any weighs half."""
    found: NDArray[np.float64] = np.where(same, 0.5 / max(int(same.sum()), 1), 0.5 / max(int((~same).sum()), 1))
    return found


def main(profile: str = "nano") -> None:
    """Fits and writes the weights."""
    parameters = Calibration.of_profile(profile).part_parameters
    discoverer = Toolbox.open(load_profile(profile), "cpu", part_parameters=parameters).discoverer
    products = []
    for name in TRAINED:
        photos = scenes([name], seed=EVALUATION_SEED, per_family=PER_FAMILY, evaluation=True)
        chosen = [photos[n] for n in PHOTOS]
        products.append([labelled(discoverer, s.image, [(p.name, p.mask) for p in s.parts]) for s in chosen])
    for number in range(FIRST, FIRST + MEDLEYS):
        product = medley(UNSEEN + number)
        if len({sort.noun for sort in product.sorts}) == len(product.sorts):
            shots = [photo(product, n, size=SIDE) for n in range(SHOTS)]
            products.append([labelled(discoverer, s.image, [(p.noun, p.mask) for p in s.parts]) for s in shots])
    entries = {"part_similarity": asdict(fitted(products))}
    command = f"python -m evals.fit.part_similarity --profile {profile}"
    write_entries(calibration_file(profile), entries, "Part similarity", command)


if __name__ == "__main__":
    import typer

    typer.run(main)
