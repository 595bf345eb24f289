"""Learns what each matcher's evidence counts beside that of the others, on new products and on training families.

    python -m evals.fit.fusion_weights --profile nano            # writes the weights into agent/calibration/nano.yaml

A map says what one matcher's score is worth alone. Matchers that look at the same place agree, and one that is often
wrong drowns one that is seldom wrong when their ratios are added. The weights are searched for one after the other;
kept is what ranks photos of the same product better, and photos of all products together. Medleys and training families
count alike: a matcher that is worth little on the former is not given up, since products differ more than either.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
import yaml

from agent import Inspector
from agent.calibration.maps import Calibration
from agent.evidence.fusion import anomaly_llr
from agent.matchers.registry import matcher_of, matchers
from evals.datasets.world import open_medleys, open_world
from evals.fit.calibration_files import calibration_file, with_entries
from evals.fit.look_maps import SEED, collected
from evals.fit.matcher_maps import FIRST
from evals.metrics.ranking import auroc
from tools.files import write_atomic

if TYPE_CHECKING:
    from agent.evidence.types import Evidence
    from evals.datasets import Category

AFTER = 100
"""Medleys after the ones that maps are fitted on."""
SHOTS = 4
"""References of each product."""
TRIED = (0.5, 0.7, 1.0, 1.5)
"""Weights that are tried; less than one half would give a matcher up that other products need."""
ROUNDS = 3
"""Times that all matchers are gone through at most."""
GAIN = 2e-3
"""A weight other than the one before must rank better by this much."""
SLACK = 4e-3
"""A matcher counts as little as it can at this cost: where it knows nothing, it is noise."""
KEPT = "rule"
"""Rules count as much as ranks best, since people write and edit them."""
WEIGHED = tuple(m.name for m in matchers() if m.name in Calibration.model_fields and m.name != "vlm")
Weights = Mapping[str, float]


@dataclass(frozen=True, eq=False)
class FirstLookScores:
    """What the first look found on the photos of one product, and which of them are anomalous."""

    evidence: tuple[tuple[Evidence, ...], ...]
    bad: tuple[bool, ...]


def judged(inspector: Inspector, categories: Sequence[Category]) -> list[FirstLookScores]:
    """First looks at every photo, each matcher's ratio at its full worth."""
    found = []
    for category in categories:
        states = list(collected(inspector, [category], SHOTS))
        evidence = tuple(tuple(state.evidence) for state, _ in states)
        found.append(FirstLookScores(evidence, tuple(case.label != "good" for _, case in states)))
    return found


def ranked(products: Sequence[FirstLookScores], weights: Weights) -> float:
    """Sum of the AUROC within products, in the mean, and of that over all photos, in [0, 2]."""
    scores = [np.array([anomaly_llr(weighed(some, weights)) for some in product.evidence]) for product in products]
    bad = [np.array(product.bad) for product in products]
    within = fmean(auroc(b, s) for b, s in zip(bad, scores, strict=True))
    return within + auroc(np.concatenate(bad), np.concatenate(scores))


def weighed(evidence: Sequence[Evidence], weights: Weights) -> list[Evidence]:
    """Evidence whose ratios count as much as their matchers' weights say."""
    made = ((item, matcher_of(item.source, item.hypothesis)) for item in evidence)
    return [replace(e, llr=e.llr * (1.0 if m is None else weights.get(m.name, 1.0))) for e, m in made]


def searched(sources: Sequence[Sequence[FirstLookScores]]) -> dict[str, float]:
    """The weights that rank best in the mean over all sources of products, found one after the other."""
    weights: dict[str, float] = dict.fromkeys(WEIGHED, 1.0)
    best = fmean(ranked(products, weights) for products in sources)
    for _ in range(ROUNDS):
        before = best
        for name in WEIGHED:
            for tried in TRIED:
                worth = fmean(ranked(products, {**weights, name: tried}) for products in sources)
                if worth > best + GAIN:
                    best, weights[name] = worth, tried
        if best == before:
            break
        sys.stderr.write(f"{best:.4f}: {weights}\n")
    for name in (n for n in WEIGHED if n != KEPT):
        for less in (tried for tried in TRIED if tried < weights[name]):
            if fmean(ranked(products, {**weights, name: less}) for products in sources) > best - SLACK:
                weights[name] = less
                break
    return weights


def plain(calibration: Calibration) -> Calibration:
    """The maps with every weight 1."""
    return calibration.with_maps({n: calibration.map_of(n).model_copy(update={"weight": 1.0}) for n in WEIGHED})


def written(text: str, weights: Weights) -> str:
    """The text of a calibration file with other weights; all else stays as it was, notes too."""
    stored = yaml.safe_load(text)
    return with_entries(text, {name: {**stored[name], "weight": w} for name, w in weights.items() if name in stored})


def main() -> None:
    """Searches and writes the weights of one profile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--products", type=int, default=20, help="medleys that are looked at")
    parser.add_argument("--images", type=int, default=14, help="of each of them")
    options = parser.parse_args()
    target = calibration_file(options.profile)
    inspector = Inspector(options.profile, looks=0, calibration=plain(Calibration.of_profile(options.profile)))
    new = open_medleys(first=FIRST + AFTER, count=options.products, per_category=options.images)
    known = open_world(split="trained", seed=SEED, per_category=options.images)
    weights = searched([judged(inspector, new), judged(inspector, known)])
    write_atomic(target, written(target.read_text(encoding="utf-8"), weights))
    sys.stderr.write(f"{target}: written\n")


if __name__ == "__main__":
    main()
