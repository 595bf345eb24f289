"""Fits how well parts can be measured, and how often what looks fixed is not, on the world's training families.

    python -m evals.fit.part_tolerances --sight truth            # what measuring true parts costs
    python -m evals.fit.part_tolerances --sight nano             # for agent/calibration/nano.yaml

No held-out family is read.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean

import numpy as np
import yaml

from agent.rules import MeasuredParts, Rule, evaluate
from agent.rules.induction import Measuring, induce
from agent.rules.induction.sizes import Varies
from agent.rules.likelihood import AGREES, log_odds_of
from evals.studies.rule_quality import REFERENCES_FROM, SEED, _sight
from nano.world import TRAINED, Scene, family, render

TRUTH = Measuring(
    place=0.023,
    length=0.021,
    area=0.039,
    ratio=0.029,
    turn=1.7,
    heading=0.036,
    lightness=7.2,
    tone=4.5,
    lightness_within=5.6,
    tone_within=3.2,
    varies=Varies(
        count=0.01,
        presence=0.01,
        position=0.23,
        size=0.073,
        colour=0.244,
        turn=0.104,
        heading=0.226,
        same=0.01,
        relation=0.01,
        each=0.01,
        proportion=0.01,
        match=0.338,
        whole=0.01,
    ),
)
"""Of true parts: what `python -m evals.fit.part_tolerances --sight truth` finds on the training families."""
LITTLE = 0.01
"""Degrees of freedom of the assumed spreads while they are being fitted."""
FEW = 4
"""A rule that looks fixed on this many references is put to the proof on others."""
DRAWS = 20
"""So many few references are drawn from each family."""
ROOMY = 0.75
"""Quantile of the spreads over all parts that is assumed of a part not yet seen: what is too tight misleads more."""
CLEARLY = log_odds_of(0.01)
"""A good photo breaks a rule clearly when this is exceeded; tolerances are to account for less."""


def fitted(names: Sequence[str], sight_of: Callable[[str], Callable[[Scene], MeasuredParts]], images: int) -> Measuring:
    """Median spreads over the parts of the families, and the share of rules from few references that are none."""
    spreads: dict[str, list[float]] = defaultdict(list)
    broken: dict[str, list[float]] = defaultdict(list)
    plain = Measuring(worth=LITTLE)
    seen = {}
    for name in names:
        sight = sight_of(name)
        seen[name] = [sight(render(name, seed=SEED, index=REFERENCES_FROM * 3 + n, defect=None)) for n in range(images)]
        for rule in induce(seen[name], plain):
            for key, value in _spreads(rule):
                spreads[key].append(value)
    middle = {key: float(f"{np.quantile(values, ROOMY):.2g}") for key, values in spreads.items() if values}
    known = Measuring().model_copy(update=middle)
    for measured in seen.values():
        half = len(measured) // 2
        chance = np.random.default_rng(SEED)
        for _ in range(DRAWS):
            few = [measured[n] for n in chance.choice(half, FEW, replace=False)]
            for rule in induce(few, known):
                certain = rule.model_copy(update={"doubt": 0.0})
                outcomes = [o for m in measured[half:] if (o := evaluate(certain, m)) is not None]
                if outcomes:
                    broken[_kind(rule)].append(fmean(o.log_odds > CLEARLY for o in outcomes))
    varies = {kind: _varies(fmean(shares)) for kind, shares in broken.items() if len(shares) >= 10}
    return known.model_copy(update={"varies": Varies(**{**Varies().model_dump(), **varies})})


def _spreads(rule: Rule) -> Iterable[tuple[str, float]]:
    """The spreads that a rule was found to have, by the name of the measurement."""
    if rule.kind == "position" and rule.places:
        yield from (("place", rule.across.spread), ("place", rule.down.spread))
    elif rule.kind == "size":
        yield rule.of, rule.tolerance.spread
    elif rule.kind == "proportion":
        yield "ratio", rule.tolerance.spread
    elif rule.kind == "colour":
        yield from (("lightness", rule.lightness.spread), ("tone", rule.tone.spread))
    elif rule.kind == "same":
        yield "lightness_within", rule.lightness.spread
        yield from (("tone_within", rule.chroma.spread), ("tone_within", rule.hue.spread))
    elif rule.kind == "direction":
        yield "turn" if rule.heading is None else "heading", rule.tolerance.spread


def _kind(rule: Rule) -> str:
    if rule.kind == "direction":
        return "turn" if rule.heading is None else "heading"
    return rule.kind


def _varies(share: float) -> float:
    """The prior share that makes `doubt` of few references what it was found to be."""
    odds = share / max(1e-6, 1 - AGREES - share) / AGREES ** (FEW - 1)
    return float(np.clip(round(odds / (1 + odds), 3), 0.01, 0.9))


def main() -> None:
    """Fits and prints the values as YAML for a profile's calibration file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sight", default="truth", help="'truth', or a profile whose tools look")
    parser.add_argument("--images", type=int, default=40, help="of each training family")
    arguments = parser.parse_args()
    names = [n for n in TRAINED if family(n).is_logical]
    found = fitted(names, lambda name: _sight(arguments.sight, name, FEW, words=False)[0], arguments.images)
    sys.stdout.write(yaml.safe_dump({"measuring": found.model_dump()}, sort_keys=False))


if __name__ == "__main__":
    main()
