"""Fits the maps from standardised scores to log-likelihood ratios on products that are new to every model.

`python -m evals.fit.matcher_maps --profile nano` writes agent/calibration/nano.yaml; with `--maps tracer rule`, say,
those maps alone, beside all others as they are and with the weights that they have. It reads medleys that no recipe
trained on: on the families that the models know, their scores would be worth more than they are on a user's product. No
held-out family and no real photo is read. What second looks are worth is fitted afterwards, by `evals.fit.look_maps`,
which also fits the fusion anew.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from agent import InspectionReport, Inspector, Product
from agent.calibration.maps import Calibration, Fused, MatcherMap, log_of_excess
from agent.evidence.fusion import log_odds, probability
from agent.matchers.registry import matcher_of
from evals.datasets import BenchmarkCase, Category
from evals.datasets.world import open_medleys
from evals.fit.calibration_files import as_yaml, calibration_file
from evals.metrics.ranking import auroc
from tools.files import write_atomic

FIRST = 6000
"""Of the unseen medleys, those from this number on are fitted on; those below are for prices and for measuring."""
SEED = 3
"""Decides which photos are references."""
LIMITS: dict[str, float] = {
    "text": 4.0,
    "reference": 6.0,
    "tracer": 6.0,
    "differ": 6.0,
    "rule": 6.0,
    "parts": 6.0,
    "layout": 6.0,
}
"""Where each map flattens: what one matcher alone may be worth."""
FITTED = (*LIMITS, "lone")
"""The maps that can be fitted alone."""
_KEPT = (
    "matchers",
    "tracer_levels",
    "reference_share",
    "measuring",
    "near",
    "vlm",
    "leaning",
    "prose",
    "looks",
    "part_similarity",
    "assignment_costs",
)
"""What other commands fit."""
_PLAIN = {"slope": 1.0, "offset": 0.0, "limit": 1e9}


@dataclass
class MatcherScores:
    """Standardised scores of one matcher on good and on anomalous images."""

    good: list[float] = field(default_factory=list)
    bad: list[float] = field(default_factory=list)


def fit_some(profile: str, names: Sequence[str], *, products: int, images: int, shots: Sequence[int]) -> Calibration:
    """The maps of a profile with those of these names fitted anew, each with its weight; all others stay."""
    categories = open_medleys(first=FIRST, count=products, per_category=images)
    stored, plain = Calibration.of_profile(profile), _spreads(Inspector(profile, looks=0), categories)
    started = stored.with_maps({name: plain.map_of(name) for name in names})
    inspector = Inspector(profile, looks=0, calibration=started)
    seen, _, _ = _all_seen(inspector, categories, shots)
    fitted = {n: fitted_map(started.map_of(n), seen[n], limit) for n, limit in LIMITS.items() if n in names}
    if "lone" in names:
        fitted |= {"lone": _lone(inspector, categories)}
    weighed = {n: m.model_copy(update={"weight": stored.map_of(n).weight}) for n, m in fitted.items()}
    return stored.with_maps(weighed)


def fit(profile: str, *, products: int, images: int, shots: Sequence[int], device: str = "auto") -> Calibration:
    """The maps of a profile, from `images` photos of each of so many products at each number of references."""
    categories = open_medleys(first=FIRST, count=products, per_category=images)
    maps = _spreads(Inspector(profile, device=device, looks=0), categories)
    inspector = Inspector(profile, device=device, looks=0, calibration=maps)
    seen, inspected, thresholds = _all_seen(inspector, categories, shots)
    fitted = {name: fitted_map(maps.map_of(name), seen[name], LIMITS[name]) for name in seen}
    fitted["lone"] = _lone(inspector, categories)
    detection = round(float(np.median(thresholds or [0.5])), 4)
    fitted_maps = maps.with_maps(fitted).model_copy(update={"detection": detection})
    sys.stderr.write("what all of it is worth when fused\n")
    judge = Inspector(profile, device=device, looks=2, calibration=fitted_maps)
    return fitted_maps.model_copy(update={"fused": _fused(judge, inspected)})


def _all_seen(
    inspector: Inspector, categories: Sequence[Category], shots: Sequence[int]
) -> tuple[dict[str, MatcherScores], list[tuple[Product, BenchmarkCase]], list[float]]:
    """What each matcher says of all photos, which those are, and the detection thresholds of all references."""
    seen: dict[str, MatcherScores] = {name: MatcherScores() for name in LIMITS}
    inspected: list[tuple[Product, BenchmarkCase]] = []
    thresholds: list[float] = []
    for count in shots:
        for category in categories:
            sys.stderr.write(f"{category.name}, {count} references\n")
            thresholds += _collect(inspector, category, count, seen, inspected)
    for name, found in seen.items():
        sys.stderr.write(f"{name}: {len(found.good)} good, {len(found.bad)} anomalous, AUROC {_auroc(found):.3f}\n")
    return seen, inspected, thresholds


def _fused(inspector: Inspector, seen: Sequence[tuple[Product, BenchmarkCase]]) -> Fused:
    """What a fused ratio amounts to, by the verdicts on photos.

    Photos whose anomaly no matcher can see pull the slope down, as they should.
    """
    reports = (inspector.inspect(case.photo(), product=product) for product, case in seen)
    fused = [log_odds(report.verdict.score, floor=1e-9) for report in reports]
    return fitted_fusion(np.asarray(fused), np.asarray([case.label != "good" for _, case in seen]))


def fitted_fusion(fused: NDArray[np.float64], bad: NDArray[np.bool_]) -> Fused:
    """What fused ratios amount to: logistic regression with both classes weighing the same.

    Args:
        fused: (N,) of photos.
        bad: (N,) which of them are anomalous.
    """

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


def _lone(inspector: Inspector, categories: Sequence[Category]) -> MatcherMap:
    """The map of rules that a single reference gave, by what the most surprising of them says of photos."""
    seen: dict[str, MatcherScores] = {name: MatcherScores() for name in LIMITS}
    for category in categories:
        sys.stderr.write(f"{category.name}, a single reference\n")
        _collect(inspector, category, 1, seen, [])
    rules = seen["rule"]
    if not rules.good or not _auroc(rules) > 0.5:
        return MatcherMap(slope=0.0)
    plain = MatcherMap(**_level(rules.good))
    good, bad = ([plain.standardise(x, ()) for x in some] for some in (rules.good, rules.bad))
    return fitted_map(plain, MatcherScores(good, bad), LIMITS["rule"])


def _auroc(seen: MatcherScores) -> float:
    """Share of pairs in order, ties half; not a number where there is no pair."""
    if not seen.good or not seen.bad:
        return math.nan
    labels = np.repeat([False, True], [len(seen.good), len(seen.bad)])
    return auroc(labels, np.array([*seen.good, *seen.bad]))


def _spreads(inspector: Inspector, categories: Sequence[Category]) -> Calibration:
    """Plain maps that hand standardised scores through, with the spreads that good parts have."""
    text: list[float] = []
    traced: list[float] = []
    beside: dict[str, list[float]] = {"differ": [], "layout": []}
    scatter: list[float] = []
    levels: list[float] = []
    for category in categories:
        product = inspector.learn(category.name, category.references(6, SEED), product=category.product)
        scores = product.scores("reference")
        logs = [log_of_excess(s, scores) for s in scores]
        levels += logs
        for name in beside:
            beside[name] += product.scores(name)
        scatter += [x - math.fsum(logs) / len(logs) for x in logs]
        alone = inspector.learn(category.name, [], product=category.product)
        for case in (case for case in category.cases if case.label == "good"):
            glance = inspector.inspect(case.photo(), product=alone).glance
            text += [log_odds(found.own_score) for found in glance.maps if found.source == "text"]
            traced += [found.own_score for found in glance.maps if found.source == "tracer"]
    stored = Calibration.of_profile(inspector.profile)
    spread = math.sqrt(math.fsum(x * x for x in scatter) / max(1, len(scatter) - len(scatter) // 6))
    return Calibration.model_validate(
        {
            "text": {"mean": float(np.mean(text)), "spread": float(np.std(text)) or 1.0, **_PLAIN},
            "tracer": _level(traced),
            **{name: _level(some) for name, some in beside.items()},
            "reference": {"mean": float(np.mean(levels)), "spread": spread or 1.0, **_PLAIN},
            "rule": _PLAIN,
            "lone": _PLAIN,
            "parts": _PLAIN,
            **{name: getattr(stored, name) for name in _KEPT},
        }
    )


def _level(scores: Sequence[float]) -> dict[str, float]:
    """A plain map of scores of good ones; the default one where there are none."""
    return {"mean": float(np.mean(scores)), "spread": float(np.std(scores)) or 1.0, **_PLAIN} if scores else {}


def _collect(
    inspector: Inspector,
    category: Category,
    shots: int,
    seen: dict[str, MatcherScores],
    inspected: list[tuple[Product, BenchmarkCase]],
) -> list[float]:
    """Inspects a category, keeps what was inspected; returns the detection thresholds of its references."""
    references = category.references(shots, SEED) if shots else []
    product = inspector.learn(category.name, references, describe=category.normal, product=category.product)
    for case in category.cases:
        report = inspector.inspect(case.photo(), product=product)
        inspected.append((product, case))
        for source, value in _scores(report, case):
            if source in ("rule", "parts") and not shots:
                continue
            (seen[source].good if case.label == "good" else seen[source].bad).append(value)
    return [part.threshold for part in product.spec.parts if part.phrase] if shots else []


def _scores(report: InspectionReport, case: BenchmarkCase) -> Iterable[tuple[str, float]]:
    """The strongest score of each matcher, on images that this matcher can be judged by."""
    strongest: dict[str, float] = {}
    for item in report.evidence:
        matcher = matcher_of(item.source, item.hypothesis)
        if (
            item.look is None
            and matcher is not None
            and matcher.name in LIMITS
            and case.label in ("good", matcher.kind)
        ):
            strongest[matcher.name] = max(strongest.get(matcher.name, -math.inf), item.llr)
    return list(strongest.items())


def fitted_map(plain: MatcherMap, seen: MatcherScores, limit: float) -> MatcherMap:
    """The map that makes the labels likeliest, both classes weighing the same; it never falls."""
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


def _replaced(note: str, names: Sequence[str]) -> bool:
    """Whether a note is of a fit of some maps all of which are fitted anew."""
    _, fitted, earlier = note.partition(" --maps ")
    return bool(fitted) and set(earlier.split()) <= set(names)


def main() -> None:
    """Fits and writes the maps of one profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--products", type=int, default=24, help="medleys that are fitted on")
    parser.add_argument("--images", type=int, default=8, help="of each of them")
    parser.add_argument("--shots", type=int, nargs="+", default=[0, 4])
    parser.add_argument("--maps", nargs="+", choices=FITTED, help="fit these alone; all others stay")
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    target = arguments.out or calibration_file(arguments.profile)
    sizes = {"products": arguments.products, "images": arguments.images, "shots": arguments.shots}
    command = (
        f"python -m evals.fit.matcher_maps --profile {arguments.profile} --products {arguments.products} "
        f"--images {arguments.images} --shots {' '.join(map(str, arguments.shots))}"
    )
    if arguments.maps:
        calibration = fit_some(arguments.profile, arguments.maps, **sizes)
        before = target.read_text(encoding="utf-8").splitlines() if target.exists() else []
        notes = [line for line in before if line.startswith("#") and not _replaced(line, arguments.maps)]
        notes.append(f"# Of these, later: {command} --maps {' '.join(arguments.maps)}")
    else:
        calibration = fit(arguments.profile, **sizes)
        notes = [f"# Fitted on unseen medleys: {command}"]
    text = as_yaml(calibration.model_dump())
    write_atomic(target, "\n".join([*notes, text]))
    sys.stderr.write(f"{target}: written\n")


if __name__ == "__main__":
    main()
