"""Fits what second looks are worth, given what the first look knew, and what good parts then score.

`python -m evals.fit.look_maps --profile nano` writes `looks` and `fused` of agent/calibration/nano.yaml. Looks at
places and rules are fitted on medleys that no recipe trained on; the language model's answers count only on products
that it knows, so that they are fitted on unseen photos of the training families. No held-out family and no real photo
is read.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from agent import Inspector
from agent.calibration.maps import Calibration, Fused, LookMap, Looks
from agent.evidence.fusion import WeighedHypothesis, anomaly_llr, by_hypothesis
from agent.evidence.types import Action, Hypothesis
from agent.graph import build_first_look, build_loop
from agent.looks import LookInput
from agent.state import Context, InspectionState, Request, need_glance, need_product, need_sample
from agent.steps.second_look import ACTIONS, EVERYWHERE
from agent.tracing import private_tracing
from evals.datasets import BenchmarkCase, Category
from evals.datasets.world import open_medleys, open_world
from evals.fit.calibration_files import as_yaml, calibration_file
from evals.fit.matcher_maps import FIRST, fitted_fusion
from tools.files import write_atomic
from tools.types import Box, Mask, Region

SEED = 3
"""Decides which photos are references, and which photos of the training families are rendered."""
ASKED = 2
"""So many hypotheses of each kind are looked at in every way, the strongest."""
INSIDE, COVERED = 0.15, 0.3
"""A place is right where so much of it is damage, or where it covers so much of the damage."""
ALIKE = 0.5
"""Log-likelihood ratios this near to each other are ones that the first look could not tell apart."""
ERRORS = 2.0
"""Standard errors by which a look must tell defects apart better than chance does."""
LIMITS = {"zoom": 2.0, "near": 3.0, "compare": 3.0, "ask": 3.0, "recount": 2.0}
"""Where each map flattens."""
NAMES = {"tracer": "zoom", "reference": "near", "rule": "recount"}
"""Which map the evidence of a second look goes through, by its source; the language model's by its action."""
NARRATED = ("ask", "compare")
"""Looks whose answers are the language model's."""
Source = Literal["medleys", "trained"]


@dataclass(frozen=True)
class Answered:
    """One answer of one look."""

    look: str
    """Name of its map."""
    answer: float
    llr: float
    """What the first look said of the hypothesis."""
    right: bool
    """Whether the hypothesis is true."""
    seconds: float


OPEN = LookMap(slope=1.0, limit=1e9, sure=0.9, seconds=1.0)
"""Hands answers through as they are."""


def collected(
    inspector: Inspector, categories: Sequence[Category], shots: int
) -> Iterator[tuple[InspectionState, BenchmarkCase]]:
    """The first look at every case of every category."""
    first = build_first_look()
    for category in categories:
        sys.stderr.write(f"{category.name}, {shots} references\n")
        references = category.references(shots, SEED) if shots else []
        product = inspector.learn(category.name, references, describe=category.normal, product=category.product)
        for case in category.cases:
            with private_tracing():
                state = first.invoke(Request(case.photo(), product), context=inspector.context)
            yield InspectionState(**state), case


def answers(
    state: InspectionState, case: BenchmarkCase, context: Context, *, asking: bool = False
) -> Iterator[Answered]:
    """Every way to look again at the strongest hypotheses, or the language model's answers alone; answers as they
    are."""
    opened = Looks(**dict.fromkeys(NARRATED if asking else LIMITS, OPEN))
    open_context = replace(context, calibration=context.calibration.model_copy(update={"looks": opened}))
    strongest = {w.name: w for w in _strongest(state, case)}
    for weighed in strongest.values():
        for action in _actions(weighed, state, next(w for w in strongest.values() if w.kind == weighed.kind)):
            if asking and action not in NARRATED:
                continue
            start = time.perf_counter()
            found = ACTIONS[action](_again(weighed, action, state, open_context))
            seconds = time.perf_counter() - start
            several = len({item.source for item in found.evidence}) or 1
            for item in found.evidence:
                about = strongest.get(item.hypothesis)
                if about is not None:
                    name = action if item.source == "vlm" else NAMES[item.source]
                    yield Answered(name, item.llr, about.llr, _right(about, case), seconds / several)


def _strongest(state: InspectionState, case: BenchmarkCase) -> list[WeighedHypothesis]:
    """The strongest hypotheses of each kind that the photo's label can say something about."""
    weighed = by_hypothesis(state.evidence)
    kinds = ("structural",) if case.label == "structural" else ("structural", "logical")
    return [w for kind in kinds for w in [w for w in weighed if w.kind == kind][:ASKED]]


def _actions(weighed: WeighedHypothesis, state: InspectionState, first: WeighedHypothesis) -> list[Action]:
    """The ways to look at a hypothesis; those that see the whole photo are gone once."""
    asking: Action = "compare" if need_product(state).references else "ask"
    ways: list[Action] = ["recount", asking] if weighed.kind == "logical" else ["zoom", asking]
    return ways if weighed is first else [w for w in ways if w not in EVERYWHERE]


def _again(weighed: WeighedHypothesis, action: Action, state: InspectionState, context: Context) -> LookInput:
    sample = need_sample(state)
    placed = (e.region for e in weighed.evidence if e.region is not None)
    whole = Region(Box(0.0, 0.0, *(float(v) for v in sample.size)), 0.5)
    aimed = Hypothesis(weighed.name, weighed.kind, next(placed, whole), weighed.llr, action, 0.0)
    return LookInput("L1", aimed, sample, need_product(state), need_glance(state), tuple(state.evidence), context)


def _right(weighed: WeighedHypothesis, case: BenchmarkCase) -> bool:
    """Whether a place is damage, or whether a rule was broken on a photo with a logical anomaly."""
    if weighed.kind == "logical":
        return case.label == "logical"
    gt_mask, region = case.gt_mask(), next(e.region for e in weighed.evidence if e.region is not None)
    if gt_mask is None or case.label != "structural":
        return False
    return overlaps(region, gt_mask)


def overlaps(region: Region, gt_mask: Mask) -> bool:
    """Whether a place is, in good part, damage."""
    inside = region.mask if region.mask is not None else np.zeros_like(gt_mask)
    shared = int((inside & gt_mask).sum())
    return shared >= INSIDE * max(int(inside.sum()), 1) or shared >= COVERED * max(int(gt_mask.sum()), 1)


def fitted(found: Sequence[Answered], limit: float) -> LookMap:
    """The map of a look: what its answer adds to what the first look said, both classes weighing the same.

    A look that adds nothing, or of which too little was seen to be sure that it adds something, gets a slope of 0 and
    is never taken.
    """
    right = np.array([a.right for a in found])
    if right.sum() < 8 or (~right).sum() < 8:
        return LookMap(limit=limit)
    x, known = np.array([a.answer for a in found]), np.array([a.llr for a in found])
    weights = np.where(right, 0.5 / right.mean(), 0.5 / (1 - right.mean()))
    middle = float(np.average(x, weights=weights))
    scale = float(np.std(x)) or 1.0

    def loss(parameters: NDArray[np.float64]) -> float:
        at = parameters[0] * (x - middle) / scale + parameters[1] + parameters[2] * known
        return float((weights * np.logaddexp(0, np.where(right, -at, at))).mean() + 0.02 * parameters[0] ** 2)

    slope = float(minimize(loss, np.array([0.0, 0.0, 1.0]), method="Nelder-Mead").x[0]) / scale
    sure = told_apart(x, known, right)
    if slope <= 0 or sure - ERRORS * standard_error(sure, int(right.sum()), int((~right).sum())) <= 0.5:
        return LookMap(limit=limit)
    seconds = float(np.median([a.seconds for a in found]))
    return LookMap(
        slope=round(slope, 4),
        offset=round(-slope * middle, 4),
        limit=limit,
        sure=round(min(sure, 0.99), 4),
        seconds=round(max(seconds, 0.01), 3),
    )


def standard_error(area: float, right: int, wrong: int) -> float:
    """Of an AUROC of so many right and wrong ones (Hanley and McNeil 1982).

    >>> round(standard_error(0.75, 20, 20), 3)
    0.078
    """
    above, below = area / (2 - area), 2 * area**2 / (1 + area)
    spread = (right - 1) * (above - area**2) + (wrong - 1) * (below - area**2)
    return math.sqrt((area * (1 - area) + spread) / (right * wrong))


def told_apart(x: NDArray[np.float64], known: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """AUROC of answers over pairs that the first look could not tell apart; 0.5 where there is no such pair."""
    near = np.abs(known[right][:, None] - known[~right][None, :]) <= ALIKE
    above = x[right][:, None] - x[~right][None, :]
    won = ((above > 0) + 0.5 * (above == 0))[near]
    return float(won.mean()) if won.size else 0.5


def fused(states: Sequence[tuple[InspectionState, BenchmarkCase]], context: Context) -> Fused:
    """What a fused ratio amounts to once looks were taken."""
    loop = build_loop()
    with private_tracing():
        at = [anomaly_llr(InspectionState(**loop.invoke(s, context=context)).evidence) for s, _ in states]
    return fitted_fusion(np.array(at), np.array([case.label != "good" for _, case in states]))


def fit_vlm(inspector: Inspector, images: int, shots: Sequence[int]) -> Calibration:
    """The profile's maps with those of the language model's answers alone fitted anew; all others stay.

    Medleys are products that no language model knows, so that what its answers are worth has no part in the fusion.
    """
    found: dict[str, list[Answered]] = defaultdict(list)
    context = inspector.context
    known = open_world(split="trained", seed=SEED, per_category=images)
    for count in shots:
        for state, case in collected(inspector, known, count):
            for item in answers(state, case, context, asking=True):
                found[item.look].append(item)
    maps = {name: fitted(found[name], LIMITS[name]) for name in NARRATED}
    looks = context.calibration.looks.model_copy(update=maps)
    return context.calibration.model_copy(update={"looks": looks})


def fit(inspector: Inspector, products: int, images: int, shots: Sequence[int]) -> Calibration:
    """The profile's maps with those of the looks fitted anew."""
    found: dict[str, list[Answered]] = defaultdict(list)
    kept: list[tuple[InspectionState, BenchmarkCase]] = []
    context = inspector.context
    medleys = open_medleys(first=FIRST, count=products, per_category=images)
    known = open_world(split="trained", seed=SEED, per_category=max(4, images // 2))
    for count in shots:
        for source, categories in (("medleys", medleys), ("trained", known)):
            for state, case in collected(inspector, categories, count):
                for item in answers(state, case, context):
                    if (item.look in NARRATED) == (source == "trained"):
                        found[item.look].append(item)
                if source == "medleys":
                    kept.append((replace(state, seconds={}), case))
    looks = Looks(**{name: fitted(found[name], limit) for name, limit in LIMITS.items()})
    for name, items in found.items():
        sys.stderr.write(f"{name}: {len(items)} answers, {sum(a.right for a in items)} of them on what is wrong\n")
    return _with_fusion(context, context.calibration.model_copy(update={"looks": looks}), kept)


def fit_fusion(inspector: Inspector, products: int, images: int, shots: Sequence[int]) -> Calibration:
    """The profile's maps with what a fused ratio amounts to fitted anew, alone; all others stay."""
    medleys = open_medleys(first=FIRST, count=products, per_category=images)
    seen = [item for count in shots for item in collected(inspector, medleys, count)]
    kept = [(replace(state, seconds={}), case) for state, case in seen]
    return _with_fusion(inspector.context, inspector.context.calibration, kept)


def _with_fusion(
    context: Context, maps: Calibration, kept: Sequence[tuple[InspectionState, BenchmarkCase]]
) -> Calibration:
    plain = replace(context, calibration=maps.model_copy(update={"fused": Fused(), "alone": None}), policy="fixed")
    shown, alone = ([k for k in kept if bool(need_product(k[0]).references) == there] for there in (True, False))
    found = {"fused": fused(shown or alone, plain), "alone": fused(alone, plain) if shown and alone else None}
    return maps.model_copy(update=found)


def main() -> None:
    """Fits and writes the maps of one profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--products", type=int, default=16, help="medleys that are fitted on")
    parser.add_argument("--images", type=int, default=8, help="of each of them")
    parser.add_argument("--shots", type=int, nargs="+", default=[0, 4])
    parser.add_argument("--vlm", action="store_true", help="fit what the language model's answers are worth, alone")
    parser.add_argument("--fusion", action="store_true", help="fit what a fused ratio amounts to, alone")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    target = options.out or calibration_file(options.profile)
    inspector = Inspector(options.profile)
    what, how = "Looks and fusion:", f"--products {options.products} --images {options.images}"
    if options.vlm:
        what, how = "Of the looks, compare and ask:", f"--language model --images {options.images}"
        maps = fit_vlm(inspector, options.images, options.shots)
    elif options.fusion:
        what, how = "Of these, the fusion:", f"--fusion {how}"
        maps = fit_fusion(inspector, options.products, options.images, options.shots)
    else:
        maps = fit(inspector, options.products, options.images, options.shots)
    before = target.read_text(encoding="utf-8").splitlines() if target.exists() else []
    notes = [line for line in before if line.startswith("#") and not line.startswith(f"# {what}")]
    shots = " ".join(map(str, options.shots))
    command = f"# {what} python -m evals.fit.look_maps --profile {options.profile} {how} --shots {shots}"
    text = as_yaml(maps.model_dump())
    write_atomic(target, "\n".join([*notes, command, text]))
    sys.stderr.write(f"{target}: written\n")


if __name__ == "__main__":
    main()
