"""Fits the maps from standardised scores to log-likelihood ratios on the world's training families.

`python -m evals.calibration --profile nano` writes agent/calibration/nano.yaml. No held-out family and no
real photo is read.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from agent.calibrate import Calibration, Fused, Matcher, MatcherMap, log_of_distance
from agent.fuse import log_odds, probability
from evals.datasets import Case, Category
from evals.datasets.world import open_world

if TYPE_CHECKING:
    from agent import InspectionReport, Inspector, Product

SEED = 3
"""Neither the seed that the models learned from (1) nor those they are measured on."""
LIMITS: dict[Matcher, float] = {"text": 4.0, "reference": 6.0, "rule": 6.0, "narrator": 3.0}
"""Where each map flattens: what one matcher alone may be worth."""
COUNTABLE = ("missing part", "extra part", "wrong count")
"""Logical defects of the world that counts can show."""
_PLAIN = {"slope": 1.0, "offset": 0.0, "limit": 1e9}


@dataclass
class Seen:
    """Standardised scores of one matcher on good and on anomalous images."""

    good: list[float] = field(default_factory=list)
    bad: list[float] = field(default_factory=list)


def fit(profile: str, *, images: int, shots: Sequence[int], device: str = "auto") -> Calibration:
    """The maps of a profile, from `images` renderings of each training family at each number of references."""
    from agent import Inspector

    maps = _spreads(Inspector(profile, device=device, looks=0), images)
    inspector = Inspector(profile, device=device, looks=2, calibration=maps)
    thresholds: list[float] = []
    seen: dict[Matcher, Seen] = {name: Seen() for name in LIMITS}
    inspected: list[tuple[Product, Case]] = []
    for count in shots:
        for category in open_world(split="trained", seed=SEED, per_category=images):
            sys.stderr.write(f"{category.name}, {count} references\n")
            thresholds += _collect(inspector, category, count, seen, inspected)
    for name, found in seen.items():
        sys.stderr.write(f"{name}: {len(found.good)} good, {len(found.bad)} anomalous, AUROC {_auroc(found):.3f}\n")
    fitted = {name: _fitted(getattr(maps, name), seen[name], LIMITS[name]) for name in seen}
    fitted_maps = Calibration.model_validate({**fitted, "detection": round(float(np.median(thresholds)), 4)})
    sys.stderr.write("what all of it is worth when fused\n")
    judge = Inspector(profile, device=device, looks=2, calibration=fitted_maps)
    return fitted_maps.model_copy(update={"fused": _fused(judge, inspected)})


def _fused(inspector: Inspector, seen: Sequence[tuple[Product, Case]]) -> Fused:
    """What a fused ratio amounts to, by logistic regression with both classes weighing the same.

    Photos whose anomaly no matcher can see pull the slope down, as they should.
    """
    from scipy.optimize import minimize

    reports = (inspector.inspect(case.photo(), product=product) for product, case in seen)
    fused = np.asarray([log_odds(report.verdict.score, floor=1e-9) for report in reports])
    bad = np.asarray([case.label != "good" for _, case in seen])

    def loss(parameters: NDArray[np.float64]) -> float:
        at = parameters[0] * fused + parameters[1]
        return float(np.logaddexp(0, at[~bad]).mean() + np.logaddexp(0, -at[bad]).mean())

    slope, offset = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x.tolist()
    good = slope * fused[~bad] + offset
    return Fused(
        mean=round(float(good.mean()), 4),
        spread=round(float(good.std()), 4),
        slope=round(max(slope, 0.01), 4),
        offset=round(offset, 4),
    )


def _auroc(seen: Seen) -> float:
    """Share of pairs in order, ties half."""
    pairs = [(b > g) + 0.5 * (b == g) for b in seen.bad for g in seen.good]
    return float(np.mean(pairs)) if pairs else math.nan


def _spreads(inspector: Inspector, images: int) -> Calibration:
    """Plain maps that hand standardised scores through, with the spreads that good parts have."""
    text: list[float] = []
    scatter: list[float] = []
    levels: list[float] = []
    for category in open_world(split="trained", seed=SEED, per_category=images):
        product = inspector.learn(category.name, category.references(6, SEED), product=category.product)
        logs = [log_of_distance(s) for s in product.reference_scores]
        levels += logs
        scatter += [x - math.fsum(logs) / len(logs) for x in logs]
        alone = inspector.learn(category.name, [], product=category.product)
        for case in category.cases[: images // 2]:
            text.append(log_odds(inspector.inspect(case.photo(), product=alone).glance.map.own_score))
    spread = math.sqrt(math.fsum(x * x for x in scatter) / max(1, len(scatter) - len(scatter) // 6))
    return Calibration.model_validate(
        {
            "text": {"mean": float(np.mean(text)), "spread": float(np.std(text)) or 1.0, **_PLAIN},
            "reference": {"mean": float(np.mean(levels)), "spread": spread or 1.0, **_PLAIN},
            "rule": _PLAIN,
            "narrator": _PLAIN,
        }
    )


def _collect(
    inspector: Inspector,
    category: Category,
    shots: int,
    seen: dict[Matcher, Seen],
    inspected: list[tuple[Product, Case]],
) -> list[float]:
    """Inspects a category, keeps what was inspected; returns the detection thresholds of its references."""
    references = category.references(shots, SEED) if shots else []
    product = inspector.learn(category.name, references, describe=category.normal, product=category.product)
    for case in category.cases:
        report = inspector.inspect(case.photo(), product=product)
        inspected.append((product, case))
        for source, value in _scores(report, case):
            if source == "rule" and not shots:
                continue
            (seen[source].good if case.label == "good" else seen[source].bad).append(value)
    return [part.threshold for part in product.spec.parts] if shots else []


def _scores(report: InspectionReport, case: Case) -> Iterable[tuple[Matcher, float]]:
    """The strongest score of each matcher, on images that this matcher can be judged by."""
    strongest: dict[Matcher, float] = {}
    for item in report.evidence:
        if item.what.startswith("looks like"):
            continue
        source = cast("Matcher", item.source)
        strongest[source] = max(strongest.get(source, -math.inf), item.llr)
    countable = case.id.split("-", 1)[1] in COUNTABLE
    blind = {"logical": ("text", "reference", "narrator"), "structural": ("rule",), "good": ()}[case.label]
    blind += ("rule",) if case.label == "logical" and not countable else ()
    return [(source, value) for source, value in strongest.items() if source not in blind]


def _fitted(plain: MatcherMap, seen: Seen, limit: float) -> MatcherMap:
    """The map that makes the labels likeliest, both classes weighing the same; it never falls."""
    from scipy.optimize import minimize

    if len(seen.good) < 10 or len(seen.bad) < 10:
        return plain.model_copy(update={"slope": 0.0, "limit": limit})
    good, bad = (np.clip(np.asarray(x), -20, 20) for x in (seen.good, seen.bad))

    def loss(parameters: NDArray[np.float64]) -> float:
        at = _map(plain, parameters, limit)
        llr_good, llr_bad = ([at.llr(float(z)) for z in x] for x in (good, bad))
        tilt = 0.02 * float(parameters[0] ** 2)
        return float(np.logaddexp(0, llr_good).mean() + np.logaddexp(0, np.negative(llr_bad)).mean()) + tilt

    starts = [
        np.array([slope, offset, share]) for slope in (0.5, 2.0) for offset in (-1.0, 0.0) for share in (-1.0, 1.0)
    ]
    best = min((minimize(loss, start, method="Nelder-Mead") for start in starts), key=lambda found: float(found.fun))
    return _map(plain, best.x, limit)


def _map(plain: MatcherMap, parameters: NDArray[np.float64], limit: float) -> MatcherMap:
    """The map of (slope, offset, log-odds of the share); a negative slope is none."""
    slope, offset, share = (float(p) for p in parameters)
    return plain.model_copy(
        update={
            "slope": round(max(0.0, slope), 4),
            "offset": round(offset, 4) if slope > 0 else 0.0,
            "share": round(min(max(probability(share), 0.02), 0.98), 4),
            "limit": limit,
        }
    )


def main() -> None:
    """Fits and writes the maps of one profile."""
    import yaml

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--images", type=int, default=24, help="of each training family")
    parser.add_argument("--shots", type=int, nargs="+", default=[0, 4])
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    target = arguments.out or Path(__file__).parent.parent / "agent" / "calibration" / f"{arguments.profile}.yaml"
    calibration = fit(arguments.profile, images=arguments.images, shots=arguments.shots)
    text = yaml.safe_dump(calibration.model_dump(), sort_keys=False, default_flow_style=None)
    command = f"python -m evals.calibration --profile {arguments.profile} --images {arguments.images}"
    target.write_text(f"# Fitted on the world's training families: {command}\n{text}", encoding="utf-8")
    sys.stderr.write(f"{target}: written\n")


if __name__ == "__main__":
    main()
