"""Fits the reference matcher's map, and the levels at which the tracer is reliable, on rendered and real photos.

    python -m evals.fit.reference_map --profile nano --photos PHOTOS/cubes/normal PHOTOS/aliens/normal

writes `reference` and `tracer_levels` of agent/calibration/nano.yaml. Rendered products are medleys and training
families, of which the structural anomalies count. Of each folder of real good photos, some are references, others are
good photos, and copies of these with pasted defects are the anomalous ones: no test label is read. Rendered and real
photos weigh the same. A reference photo of a reliable product scores on the tracer as those of rendered products do.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev

import numpy as np

from agent.calibration.levels import ScoreLevels
from agent.calibration.maps import Calibration, MatcherMap, log_of_excess
from evals.datasets.world import open_medleys, open_world
from evals.fit.calibration_files import calibration_file, write_entries
from evals.fit.matcher_maps import FIRST, SEED, MatcherScores, fitted_map
from evals.fit.pasted_defects import paste_defect
from tools.image_files import find_images
from tools.images import load_sample, sample_from_array
from tools.profiles import resolve_profile
from tools.toolbox import Toolbox
from tools.types import Sample

SHOTS = (1, 4, 8)
"""References of a product."""
GOOD = 12
"""Good photos of a real product that are scored, beside the references."""
LIMIT = 8.0
"""Where the map flattens."""


@dataclass
class ProductScores:
    """Standardised scores of photos, and the tracer's scores of references and uncertainty on them by product."""

    rendered: MatcherScores = field(default_factory=MatcherScores)
    real: MatcherScores = field(default_factory=MatcherScores)
    traced: list[list[float]] = field(default_factory=list)
    uncertainty: list[float] = field(default_factory=list)


def score_products(
    toolbox: Toolbox, plain: MatcherMap, products: int, images: int, folders: Sequence[Path]
) -> ProductScores:
    """Score good and anomalous photos of rendered and real products.

    Args:
        toolbox: of the profile.
        plain: map that hands standardised scores through, with the spread of good scores.
        products: medleys.
        images: photos of each rendered product.
        folders: real photos of good parts, a folder a product.
    """
    found = ProductScores()
    rendered = [
        *open_medleys(first=FIRST, count=products, per_category=images),
        *open_world(split="trained", seed=SEED, per_category=images),
    ]
    for category in rendered:
        sys.stderr.write(f"{category.name}\n")
        references = category.references(max(SHOTS), SEED)
        if toolbox.tracer is not None:
            traces = toolbox.tracer.trace(references[:4])
            found.traced.append([t.score for t in traces])
            found.uncertainty.append(fmean(t.uncertainty for t in traces))
        photos = [(c.photo(), c.label != "good") for c in category.cases if c.label != "logical"]
        _score(toolbox, plain, references, photos, found.rendered)
    for folder in folders:
        sys.stderr.write(f"{folder}\n")
        # In a random order: photos that follow each other are often of one piece.
        paths = np.random.default_rng(SEED).permutation(np.array(find_images(folder), dtype=object)).tolist()
        good = [load_sample(path) for path in paths[: max(SHOTS) + GOOD]]
        references, photos = good[: max(SHOTS)], list(_with_defects(good[max(SHOTS) :]))
        _score(toolbox, plain, references, photos, found.real)
    return found


def _with_defects(good: Sequence[Sample]) -> Iterator[tuple[Sample, bool]]:
    random = np.random.default_rng(SEED)
    for sample in good:
        yield sample, False
        yield sample_from_array(paste_defect(sample.image, random)), True


def _score(
    toolbox: Toolbox,
    plain: MatcherMap,
    references: Sequence[Sample],
    photos: Sequence[tuple[Sample, bool]],
    into: MatcherScores,
) -> None:
    for count in SHOTS:
        bank = toolbox.reference_matcher.bank(references[:count])
        left_out = toolbox.reference_matcher.leave_one_out(bank)
        logs = [log_of_excess(s, left_out) for s in left_out]
        for sample, anomalous in photos:
            raw = toolbox.reference_matcher.score(sample, bank).own_score
            score = plain.standardise(log_of_excess(raw, left_out), logs)
            (into.bad if anomalous else into.good).append(score)


def fit(scored: ProductScores, plain: MatcherMap) -> tuple[MatcherMap, ScoreLevels]:
    """The map that makes the labels likeliest, and the tracer's levels on reliable products."""
    # Repeated so that rendered and real photos weigh the same.
    rendered, real = scored.rendered, scored.real
    times = max(1, round(len(rendered.bad) / max(1, len(real.bad))))
    both = MatcherScores([*rendered.good, *real.good * times], [*rendered.bad, *real.bad * times])
    means = [fmean(scores) for scores in scored.traced]
    spreads = [math.log(max(stdev(scores), 1e-3)) for scores in scored.traced]
    levels = ScoreLevels(
        mean=round(fmean(means), 3),
        spread=round(stdev(means), 3),
        log_sd=round(fmean(spreads), 3),
        log_sd_spread=round(stdev(spreads), 3),
        uncertainty=round(fmean(scored.uncertainty), 4),
        uncertainty_spread=round(stdev(scored.uncertainty), 4),
    )
    return fitted_map(plain, both, LIMIT), levels


def main() -> None:
    """Fit and write the map and the levels of one profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--products", type=int, default=12, help="medleys that are fitted on")
    parser.add_argument("--images", type=int, default=8, help="photos of each rendered product")
    parser.add_argument("--photos", type=Path, nargs="*", default=[], help="folders of real good photos")
    options = parser.parse_args()
    stored = Calibration.of_profile(options.profile)
    plain = MatcherMap(mean=stored.reference.mean, spread=0.07, offset=0.0, limit=1e9)
    toolbox = Toolbox.open(resolve_profile(options.profile))
    scored = score_products(toolbox, plain, options.products, options.images, options.photos)
    for name, some in (("rendered", scored.rendered), ("real", scored.real)):
        quantiles = [np.round(np.percentile(x, [10, 50, 90]), 2).tolist() for x in (some.good, some.bad) if x]
        sys.stderr.write(f"{name}: {len(some.good)} good, {len(some.bad)} anomalous; quantiles {quantiles}\n")
    fitted, levels = fit(scored, plain)
    target = calibration_file(options.profile)
    folders = " ".join("/".join(folder.parts[-2:]) for folder in options.photos)
    command = f"python -m evals.fit.reference_map --profile {options.profile} --products {options.products}"
    entries = {"reference": fitted.model_dump(), "tracer_levels": levels.model_dump()}
    write_entries(target, entries, "Reference map and tracer levels", f"{command} --photos {folders}")
    sys.stderr.write(f"{target}: written\n")


if __name__ == "__main__":
    main()
