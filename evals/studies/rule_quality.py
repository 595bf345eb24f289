"""Measures rules on the world: which true ones are found, which false ones kept, and what they find alone.

python -m evals.studies.rule_quality --sight truth --shots 4      # with true parts: errors of rules, not of measuring
python -m evals.studies.rule_quality --sight nano --shots 4       # with what the profile's tools see
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np

from agent.evidence.fusion import NOTABLE
from agent.products.description import read_words
from agent.products.files import in_yaml
from agent.products.spec import PartSpec, ProductSpec
from agent.products.validation import kept_told
from agent.rules import ANY, MeasuredParts, Rule, RuleOutcome, Tolerance, evaluate
from agent.rules.induction import Measuring, induce, leave_one_out
from agent.rules.likelihood import log_odds_of
from agent.rules.union import region_of
from evals.metrics.ranking import auroc
from evals.run.ground_truth import measured_truth, seen_by
from nano.world import HELDOUT, TRAINED, Family, Scene, family, render
from tools.parts import calibrated_price, explained
from tools.types import Mask

SEED = 5
"""Of the photos; models learned from seed 1, maps from seed 3."""
REFERENCES_FROM, DEFECTS_FROM = 1_000_000, 2_000_000
"""Indices of the scenes that are references and of those that are defective."""
SIZE = (256, 256)
"""Of the rendered photos, in pixels."""
FALSE = 0.1
"""A rule is false when more than this share of fresh good photos breaks it."""
COST_SPREAD = 0.3
"""Usual spread of the cost of matching parts among good photos, where references are too few to say."""
FIGURES = (
    "rules",
    "true_found",
    "false_kept",
    "logical_auroc",
    "matching_auroc",
    "both_auroc",
    "right_reason",
    "fires",
)
"""Of which the mean over families is said."""
Sight = Callable[["Scene"], MeasuredParts]
"""How a photo's parts are known: truth, or what tools see."""


@dataclass(frozen=True)
class RuleFigures:
    """What rules are worth on one family."""

    family: str
    shots: int
    rules: float
    """How many there are."""
    true_found: float
    """Share of the family's true rules among them."""
    false_kept: float
    """Share of them that good photos break."""
    logical_auroc: float
    """Of the rules alone."""
    matching_auroc: float
    """Of matching parts with the references' alone."""
    both_auroc: float
    right_reason: float
    """Of the defective photos on which a rule fires, those where it points at the defect."""
    fires: float
    """Share of defective photos on which a rule fires at all."""
    by_defect: dict[str, float]
    """AUROC of the rules alone, by defect."""


def measure_family(
    name: str, *, shots: int, sight: Sight, images: int, repeats: int, words: bool, measuring: Measuring | None
) -> RuleFigures:
    """Figures of one family, the mean over `repeats` sets of references.

    Args:
        name: of a family with logical defects.
        shots: references, 0 or more; none needs `words`.
        sight: how parts are known.
        images: good photos, and as many defective ones (rounded up to the same number of each defect).
        repeats: sets of references.
        words: whether the family's description is told as well.
        measuring: how well things can be measured; cautious values by default.
    """
    about = family(name)
    good = [sight(render(name, seed=SEED, index=n, defect=None)) for n in range(images)]
    each = math.ceil(images / len(about.logical))
    bad = []
    for number, defect in enumerate(d for d in about.logical for _ in range(each)):
        scene = render(name, seed=SEED, index=DEFECTS_FROM + number, defect=defect)
        bad.append((defect, sight(scene), scene.anomaly_mask))
    found = []
    for repeat in range(repeats):
        start = REFERENCES_FROM + repeat * shots
        references = [sight(render(name, seed=SEED, index=start + n, defect=None)) for n in range(shots)]
        found.append(_once(about, references, good, bad, words=words, measuring=measuring))
    mean = {key: round(_mean([f[key] for f in found]), 4) for key in found[0] if key != "by_defect"}
    by_defect = {d: round(fmean(f["by_defect"][d] for f in found), 3) for d in found[0]["by_defect"]}
    return RuleFigures(family=name, shots=shots, by_defect=by_defect, **mean)


def _mean(values: Sequence[float]) -> float:
    known = [v for v in values if not math.isnan(v)]
    return fmean(known) if known else math.nan


def _once(
    about: Family,
    references: list[MeasuredParts],
    good: list[MeasuredParts],
    bad: list[tuple[str, MeasuredParts, Mask]],
    *,
    words: bool,
    measuring: Measuring | None,
) -> dict[str, Any]:
    told = kept_told(read_words(about.normal).rules, references)[0] if words else ()
    names = {rule.name for rule in told}

    def learned(some: Sequence[MeasuredParts]) -> tuple[Rule, ...]:
        return (*told, *(r for r in induce(some, measuring) if r.name not in names))

    rules = learned(references)
    usual = leave_one_out(references, learned)
    costs = [_least_cost(m, [r for r in references if r is not m]) for m in references] if len(references) > 1 else []
    good_scores = [_strongest(rules, m)[0] for m in good]
    bad_scores = [_strongest(rules, m)[0] for _, m, _ in bad]
    good_costs, bad_costs = ([_least_cost(m, references) for m in some] for some in (good, [m for _, m, _ in bad]))
    truth = np.array([False] * len(good) + [True] * len(bad))
    alone, matching = np.array(good_scores + bad_scores), np.array(good_costs + bad_costs)
    worth = np.array([_worth(c, costs) for c in matching])
    level = fmean(usual) if usual else 0.0
    fired = [(_strongest(rules, m), mask) for (_, m, mask) in bad]
    fired = [(s, mask) for s, mask in fired if s[0] - max(0.0, level) >= NOTABLE]
    return {
        "rules": len(rules),
        "true_found": _share_found(about, rules),
        "false_kept": _share_false(rules, good),
        "logical_auroc": auroc(truth, alone),
        "matching_auroc": auroc(truth, matching) if references else math.nan,
        "both_auroc": auroc(truth, np.maximum(alone, worth)) if references else math.nan,
        "right_reason": fmean(_points_at(s[1], mask) for s, mask in fired) if fired else math.nan,
        "fires": len(fired) / len(bad),
        "by_defect": {
            d: auroc(
                np.array([False] * len(good) + [True] * sum(x == d for x, _, _ in bad)),
                np.array(good_scores + [s for s, (x, _, _) in zip(bad_scores, bad, strict=True) if x == d]),
            )
            for d in about.logical
        },
    }


def _strongest(rules: Sequence[Rule], measured: MeasuredParts) -> tuple[float, RuleOutcome | None]:
    """What the most surprising rule says, and its outcome."""
    outcomes = [o for rule in rules if (o := evaluate(rule, measured)) is not None]
    best = max(outcomes, key=lambda o: o.log_odds, default=None)
    return (best.log_odds, best) if best is not None else (-2.0, None)


def _least_cost(measured: MeasuredParts, references: Sequence[MeasuredParts]) -> float:
    """Cost of the cheapest explanation by a reference, at the price that the references set."""
    shown, sizes = [r.parts for r in references], [SIZE] * len(references)
    best = explained(measured.parts, shown, SIZE, sizes, calibrated_price(shown, sizes))
    return best[1].cost if best is not None else 0.0


def _worth(cost: float, usual: Sequence[float]) -> float:
    """Log-odds of a cost of matching above those of the references among themselves (Student-t)."""
    if not usual:
        return log_odds_of(1.0)
    spread = math.sqrt((np.var(usual) * len(usual) + 3 * COST_SPREAD**2) / (len(usual) + 2) * (1 + 1 / len(usual)))
    return log_odds_of(Tolerance(spread=spread, freedom=len(usual) + 2).beyond(cost - fmean(usual)))


def _share_found(about: Family, rules: Sequence[Rule]) -> float:
    return fmean(any(_says(rule, truth) for rule in rules) for truth in about.rules)


def _says(rule: Rule, truth: dict[str, Any]) -> bool:
    """Whether a rule says what a true one of families.yaml says."""
    kind, part, other = truth["kind"], truth["part"], truth.get("other", truth.get("of"))
    alike = set(rule.named) == {part, other}
    if kind == "count":
        return rule.kind == "count" and (rule.part, rule.low, rule.high) == (part, truth["min"], truth["max"])
    if kind == "position":
        return rule.kind == "position" and rule.part == part
    if kind == "proportion":
        return (rule.kind == "proportion" and alike) or (rule.kind == "size" and rule.part == part)
    if kind == "match":
        return rule.kind in ("match", "same") and alike
    if kind == "relation":
        return _relates(rule, truth)
    kinds = {"colour": ("colour", "same"), "length": ("size", "ranks"), "orientation": ("direction",)}
    return rule.kind in kinds[truth["attribute"]] and part in rule.named


def _relates(rule: Rule, truth: dict[str, Any]) -> bool:
    if truth["relation"] == "one in each":
        return rule.kind in ("position", "each") and rule.part == truth["part"]
    wanted = "level" if truth["relation"] == "same row" else "touching"
    return rule.kind == "relation" and rule.relation == wanted and set(rule.named) == {truth["part"], truth["other"]}


def _share_false(rules: Sequence[Rule], good: Sequence[MeasuredParts]) -> float:
    """Share of the rules that more good photos break than may be chance."""
    broken = []
    for rule in rules:
        outcomes = [o for m in good if (o := evaluate(rule, m)) is not None]
        broken.append(bool(outcomes) and fmean(not o.holds for o in outcomes) > FALSE)
    return fmean(broken) if broken else 0.0


def _points_at(outcome: RuleOutcome | None, mask: Mask) -> bool:
    """Whether the place that an outcome speaks of overlaps the defect; where nothing is left to show, it cannot."""
    region = region_of(outcome) if outcome is not None else None
    if region is None:
        return False
    x0, y0, x1, y1 = (int(v) for v in region.box)
    return bool(mask[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)].any())


def main() -> None:
    """Measures families and prints a line of JSON for each, and the mean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sight", default="truth", help="'truth', or a profile whose tools look")
    parser.add_argument("--split", choices=("trained", "heldout", "all"), default="all")
    parser.add_argument("--family", nargs="*", default=None)
    parser.add_argument("--shots", type=int, default=4)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--words", action="store_true", help="tell the family's description as well")
    parser.add_argument("--show", action="store_true", help="print the product file as learned, and measure nothing")
    arguments = parser.parse_args()
    names = arguments.family or {"trained": TRAINED, "heldout": HELDOUT, "all": TRAINED + HELDOUT}[arguments.split]
    found = []
    for name in [n for n in names if family(n).is_logical]:
        sight, measuring = _sight(arguments.sight, name, arguments.shots, words=arguments.words)
        if arguments.show:
            sys.stdout.write(as_learned(name, shots=arguments.shots, sight=sight, measuring=measuring))
            continue
        figures = measure_family(
            name,
            shots=arguments.shots,
            sight=sight,
            images=arguments.images,
            repeats=arguments.repeats,
            words=arguments.words,
            measuring=measuring,
        )
        found.append(figures)
        sys.stdout.write(json.dumps(asdict(figures)) + "\n")
        sys.stdout.flush()
    for key in FIGURES if found else ():
        sys.stdout.write(f"mean {key}: {_mean([getattr(f, key) for f in found]):.3f}\n")


def as_learned(name: str, *, shots: int, sight: Sight, measuring: Measuring | None) -> str:
    """The product file that so many good photos give, in YAML."""
    references = [sight(render(name, seed=SEED, index=REFERENCES_FROM + n, defect=None)) for n in range(shots)]
    rules = induce(references, measuring)
    labels = sorted({label for rule in rules for label in rule.named} - {ANY})
    scores = leave_one_out(references, lambda some: induce(some, measuring))
    spec = ProductSpec(
        name=name,
        product=family(name).product,
        parts=tuple(PartSpec(label=label, phrase=label) for label in labels),
        rules=rules,
        good_scores=tuple(round(s, 3) for s in scores),
    )
    return in_yaml(spec)


def _sight(name: str, family: str, shots: int, *, words: bool) -> tuple[Sight, Measuring]:
    """The truth, or what a profile's tools see of a family once they know its parts."""
    if name == "truth":
        from evals.fit.part_tolerances import TRUTH  # which imports this module

        return measured_truth, TRUTH
    return seen_by(name, family, shots, words=words)


if __name__ == "__main__":
    main()
