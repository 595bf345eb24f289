"""The second look: aimed at one hypothesis, beside a good part, with the model's bias taken out."""

from __future__ import annotations

from functools import partial

import numpy as np
from langgraph.runtime import Runtime

from agent.calibrate import Calibration
from agent.claims import place_in_words
from agent.confidence import FAINT
from agent.context import Context
from agent.crop import CropPair, crop_box, crop_pair, cut
from agent.evidence import Claim, Evidence, Hypothesis, Look, appended
from agent.fuse import log_odds, probability
from agent.measure import trusted
from agent.product import Product
from agent.rules import Measured, Rule, evaluate
from agent.state import InspectionState, Update, need_glance, need_product, need_sample
from prompts import load_yaml, questions
from tools.narrate import Narrator, Turn, debias
from tools.types import RGB, Box, Part, Region, Sample

CLEAR = 0.2
"""P(defect) this far from even is a clear answer."""


def look_again(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """Carries out the action that `suspect` chose and appends the look and what it found."""
    hypothesis = state.hypothesis
    if hypothesis is None:
        return Update()
    sample, product = need_sample(state), need_product(state)
    name = f"L{len(state.looks) + 1}"
    if hypothesis.action == "recount":
        before = need_glance(state).measured
        look, found = _recount(name, hypothesis, sample, product, before, runtime.context)
    else:
        look, found = _ask(name, hypothesis, sample, product, runtime.context)
    return Update(looks=[look], evidence=appended(found, state.evidence))


def _ask(
    name: str, hypothesis: Hypothesis, sample: Sample, product: Product, context: Context
) -> tuple[Look, list[Evidence]]:
    """Asks the narrator about the crop, beside the same place on a good part where there is one."""
    pair = crop_pair(sample, crop_box(hypothesis.region.box, sample), product.references)
    narrator = context.toolbox.narrator
    question = "compare" if pair.reference is not None else "detect"
    raw, debiased = _p_defect(narrator, question, pair, product.spec.product)
    llr = context.calibration.narrator.llr(log_odds(debiased))
    look = Look(
        name, hypothesis.name, hypothesis.action, pair.box, _worded(question, product), raw, debiased,
        pair.reference_name, llr,
    )  # fmt: skip
    return look, _answers(look, hypothesis, sample, narrator, pair, product)


def _worded(question: str, product: Product) -> str:
    return questions()[question].format(product=product.spec.product)


def _p_defect(narrator: Narrator, question: str, pair: CropPair, product: str) -> tuple[float, float]:
    """P(defect) as said, and debiased by a good part's answer, averaged over both polarities in log-odds."""
    images: list[RGB] = [pair.crop]
    good: list[RGB] = [np.full_like(pair.crop, 128)]
    if pair.reference is not None and pair.other is not None:
        images, good = [pair.crop, pair.reference], [pair.reference, pair.other]
    said: list[float] = []
    corrected: list[float] = []
    for key, sign in ((question, 1.0), (f"{question}_good", -1.0)):
        turns = [Turn("user", questions()[key].format(product=product), images=len(images))]
        asked, baseline = (narrator.yes_no(shown, turns) for shown in (images, good))
        said.append(sign * log_odds(asked))
        corrected.append(sign * log_odds(debias(asked, baseline)))
    raw, debiased = (probability(float(np.mean(x))) for x in (said, corrected))
    return raw, debiased


def _answers(
    look: Look, hypothesis: Hypothesis, sample: Sample, narrator: Narrator, pair: CropPair, product: Product
) -> list[Evidence]:
    """The answer as evidence, and a name for the defect where the narrator has a clear opinion."""
    clear = abs(look.p_yes_debiased - 0.5) >= CLEAR
    key = "look_undecided" if not clear else "look_confirms" if look.p_yes_debiased > 0.5 else "look_refutes"
    claim = Claim(
        key,
        {
            "place": place_in_words(hypothesis.region.box, *sample.size),
            "beside": f"beside the same place on {look.reference}" if look.reference else "on the crop alone",
            "raw": f"{look.p_yes:.2f}",
            "debiased": f"{look.p_yes_debiased:.2f}",
        },
    )
    region = Region(hypothesis.region.box, look.p_yes_debiased, hypothesis.region.mask)
    found = [
        Evidence(
            hypothesis.kind, claim, look.llr, "narrator", hypothesis.name,
            part=hypothesis.part, region=region, look=look.id,
        )
    ]  # fmt: skip
    named = _name(narrator, pair, product) if key == "look_confirms" else None
    if named is not None:
        found.append(Evidence(hypothesis.kind, named, 0.0, "narrator", hypothesis.name, region=region, look=look.id))
    return found


def _name(narrator: Narrator, pair: CropPair, product: Product) -> Claim | None:
    """What the narrator takes the defect for, or None where it is not sure."""
    options: list[str] = [*load_yaml("defects")["structural"], *product.spec.defects]
    turns = [Turn("user", _worded("describe_defect", product), images=1)]
    ranked = sorted(narrator.choose([pair.crop], turns, options).items(), key=lambda item: -item[1])
    (first, p), (second, p_second) = ranked[0], ranked[1]
    if p < 0.5:
        return None
    facts = {"name": first, "p": f"{p:.2f}", "second": second, "p_second": f"{p_second:.2f}"}
    return Claim("looks_like", dict(facts))


def _recount(
    name: str, hypothesis: Hypothesis, sample: Sample, product: Product, before: Measured, context: Context
) -> tuple[Look, list[Evidence]]:
    """Counts a part again, nearer, and lets both counts weigh the same."""
    rule = next(r for r in product.spec.rules if r.name == hypothesis.name)
    nearer = _grounded_nearer(sample, product, rule, before, context)
    old, new = evaluate(rule, before), evaluate(rule, nearer)
    if old is None or new is None:
        raise ValueError(f"'{rule.name}' cannot be counted again")
    worth = partial(_worth, context.calibration, product.spec.good_scores)
    llr = worth((old.log_odds + new.log_odds) / 2) - worth(old.log_odds)
    broken = new.claim.key in ("count_differs", "part_missing")
    facts = {"expected": "at least 1", "found": 0 if broken else 1, **new.claim.facts}
    claim = Claim("recount_differs" if broken else "recount_as_expected", facts)
    p_old, p_new = probability(old.log_odds), probability(new.log_odds)
    look = Look(
        name,
        hypothesis.name,
        "recount",
        hypothesis.region.box,
        f"count of {rule.part}",
        p_old,
        p_new,
        None,
        llr,
    )
    evidence = Evidence(
        "logical", claim, llr, "rule", hypothesis.name, part=rule.part, region=hypothesis.region, look=name
    )
    return look, [evidence]


def _worth(calibration: Calibration, good: tuple[float, ...], log_odds: float) -> float:
    return calibration.rule.llr(calibration.rule.standardise(log_odds, good))


def _grounded_nearer(sample: Sample, product: Product, rule: Rule, before: Measured, context: Context) -> Measured:
    """Detections of one part inside the crop that holds all parts, in coordinates of the whole photo."""
    width, height = sample.size
    boxes = [p.region.box for p in before.parts]
    around = Box(min(b.x0 for b in boxes), min(b.y0 for b in boxes), max(b.x1 for b in boxes), max(b.y1 for b in boxes))
    box = Box(*(float(round(v)) for v in around.grown(1.15).clipped(width, height)))
    phrase = next(p.phrase for p in product.spec.parts if p.label == rule.part and p.phrase is not None)
    crop = Sample(np.ascontiguousarray(cut(sample, box)), f"{sample.digest}:{box}")
    found = context.toolbox.grounder.ground(crop, [phrase], threshold=FAINT)
    return trusted(Measured(tuple(_moved(p, box, rule.part) for p in found)), product.spec)


def _moved(part: Part, by: Box, label: str) -> Part:
    b = part.region.box
    moved = Box(b.x0 + by.x0, b.y0 + by.y0, b.x1 + by.x0, b.y1 + by.y0)
    return Part(label, Region(moved, part.region.score))
