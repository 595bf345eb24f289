"""Turns what was measured into evidence: raw scores become log-likelihood ratios."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np
from langgraph.runtime import Runtime

from agent.calibration.maps import Calibration, log_of_excess
from agent.evidence.claims import place_in_words, renamed
from agent.evidence.fusion import NOTABLE, WHOLE, log_odds
from agent.evidence.types import Claim, Evidence, Fact, appended
from agent.matchers.layout import arranged, missing_place
from agent.matchers.questions import answer_to
from agent.products.spec import Product
from agent.rules import AskRule, CountRule, MeasuredParts, Rule, evaluate
from agent.rules.base import count_of
from agent.rules.union import region_of
from agent.state import Context, Glance, InspectionState, Update, need_glance, need_product, need_sample
from tools.anomaly.peaks import peaks
from tools.types import AnomalyMap, Box, FloatMap, Region, Sample, Source

KNOTS = 65
"""A map is weighed at so many of its scores."""
SAME = 0.5
"""Share of the smaller of two boxes from which on both are one place."""
_SENTENCES: dict[Source, tuple[str, str]] = {
    "reference": ("region_within", "region_differs"),
    "differ": ("surface_like", "surface_unlike"),
    "tracer": ("surface_sound", "surface_damaged"),
    "text": ("words_fit", "words_differ"),
}


def match(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """One piece of evidence for each place that stands out and for each rule."""
    sample, product, glance = need_sample(state), need_product(state), need_glance(state)
    calibration = runtime.context.calibration
    found = [
        *_places(sample, product, glance, calibration),
        *_rules(sample, product, glance, calibration),
        *arranged(sample, product, glance.measured, calibration),
        *_layout(sample, product, glance, calibration),
        *_answers(sample, product, glance, runtime.context),
    ]
    trust = _trust(product, calibration)
    stated = {rule.name for rule in product.spec.rules if rule.origin == "told"}
    found = [
        replace(item, claim=renamed(item.claim, product.spec.called), llr=item.llr * _share(item, trust, stated))
        for item in found
    ]
    weighed = replace(glance, together=together(glance.maps, product, calibration, trust))
    return Update(evidence=appended(found, state.evidence), glance=weighed)


def _trust(product: Product, calibration: Calibration) -> tuple[float, float, float]:
    """Shares in [0, 1] of the tracer's evidence, of what compares by it or its parts, and of the reference matcher's.

    A single reference does not show how good photos differ. Where the levels of the tracer are known, only the
    reference matcher, which needs no such scale to rank photos, compares with it.
    """
    trust = calibration.trust(product.tracer_scores)
    if len(product.references) == 1 and calibration.tracer_levels is not None:
        return trust, 0.0, 1.0
    return trust, trust, calibration.reference_trust(product.tracer_scores)


def _share(item: Evidence, trust: tuple[float, float, float], stated: Collection[str]) -> float:
    """How much a piece of evidence counts, see `_trust`.

    Rules that a person stated keep their weight: their parts were validated on the references.
    """
    tracer, compared, reference = trust
    if item.source in ("differ", "parts") or (item.source == "rule" and item.hypothesis not in stated):
        return compared
    return {"tracer": tracer, "reference": reference}.get(item.source, 1.0)


def _places(sample: Sample, product: Product, glance: Glance, calibration: Calibration) -> Iterator[Evidence]:
    """Evidence of the patch matchers: a hypothesis for each place, about which every matcher has its say."""
    for number, region in enumerate(distinct(glance.peaks), start=1):
        for score_map in glance.maps:
            deviation, llr = _worth(score_map, region, product, calibration)
            within, beyond = _SENTENCES[score_map.source]
            claim = Claim(
                beyond if llr >= NOTABLE else within,
                {
                    "width": round(region.box.width),
                    "height": round(region.box.height),
                    "place": place_in_words(region.box, *sample.size),
                    "references": len(product.references),
                    "sd": round(deviation, 1),
                    "product": product.spec.product,
                },
                "patch",
            )
            yield Evidence("structural", claim, llr, score_map.source, f"region {number}", region=region)


def distinct(by_map: Sequence[Sequence[Region]]) -> list[Region]:
    """The places of all maps, map by map; one that overlaps a place before it by half of either is that place."""
    found: list[Region] = []
    for region in (r for regions in by_map for r in regions):
        shared = (_shared(region.box, other.box) for other in found)
        if all(share < SAME for share in shared):
            found.append(region)
    return found


def _shared(a: Box, b: Box) -> float:
    """Area of the intersection over that of the smaller box, in [0, 1]."""
    width, height = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
    return max(width, 0.0) * max(height, 0.0) / max(min(a.area, b.area), 1e-9)


def _worth(score_map: AnomalyMap, region: Region, product: Product, calibration: Calibration) -> tuple[float, float]:
    """(standard deviations above good parts, log-likelihood ratio) of one place.

    Patch scores are standardised as logarithms, probabilities as log-odds, log-odds as they are; the place stands in
    for the photo's worst.
    """
    return _weighed(score_map.own_score_at(region), score_map.source, product, calibration)


def together(
    maps: Sequence[AnomalyMap],
    product: Product,
    calibration: Calibration,
    trust: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> AnomalyMap:
    """Each pixel's probability of an anomaly at even odds, were it the photo's worst: log-likelihood ratios add.

    Args:
        maps: of one photo, at least one.
        product: says what its good ones score.
        calibration: what each matcher's score is worth.
        trust: shares of the tracer, of what compares by it, and of the reference matcher.
    """
    from scipy.special import expit

    total = np.zeros_like(maps[0].values)
    for score_map in maps:
        raw = score_map.values if score_map.raw is None else score_map.raw
        # A matcher's worth rises with its score alone: it is weighed at a few scores and drawn through them.
        knots = np.linspace(float(raw.min()), float(raw.max()), KNOTS)
        below = score_map.of_worst * (float(raw.max()) - knots)
        llrs = [_weighed(score_map.own_score - b, score_map.source, product, calibration)[1] for b in below.tolist()]
        share = {"tracer": trust[0], "differ": trust[1], "reference": trust[2]}.get(score_map.source, 1.0)
        total += share * np.interp(raw, knots, llrs).astype(np.float32)
    values: FloatMap = expit(total)
    return AnomalyMap(values, float(values.max()), "together")


def _weighed(score: float, source: Source, product: Product, calibration: Calibration) -> tuple[float, float]:
    """(standard deviations above good parts, log-likelihood ratio) of a matcher's own score."""
    if source == "reference":
        scores = product.reference_scores
        references = [log_of_excess(r, scores) for r in scores]
        deviation = calibration.reference.standardise(log_of_excess(score, scores), references)
        return deviation, calibration.reference.llr(deviation)
    if source == "differ":
        deviation = calibration.differ.standardise(score, [structural for _, structural in product.beside_scores])
        return deviation, calibration.differ.llr(deviation)
    if source == "tracer":
        deviation = calibration.tracer.standardise(score, product.tracer_scores)
        return deviation, calibration.tracer.llr(deviation)
    deviation = calibration.text.standardise(log_odds(score), [log_odds(t) for t in product.text_scores])
    return deviation, calibration.text.llr(deviation)


def _rules(sample: Sample, product: Product, glance: Glance, calibration: Calibration) -> Iterator[Evidence]:
    """Evidence of the rules over the measured parts; of a missing part, the place where it ought to be.

    What a rule says is set against what the most surprising rule of its sort says of good ones (leave-one-out over the
    references), so that many rules do not make a good product look bad. A rule that references proved and that most of
    them break is one that a person edited: what they say of the others tells nothing of it.
    """
    for rule in product.spec.rules:
        outcome = evaluate(rule, glance.measured)
        if outcome is None:
            continue
        short = outcome.missing and missing_place(rule.part, glance.measured, product, sample)
        proved = rule.origin != "told"
        edited = proved and not product.shows(rule)
        lone = proved and len(product.references) == 1 and not edited
        worth = calibration.lone if lone else calibration.rule
        deviation = worth.standardise(outcome.log_odds, () if edited else product.spec.usual(rule))
        llr = worth.llr(deviation)
        yield Evidence(
            "logical",
            outcome.claim,
            min(llr, 0.0) if _unknown(rule, glance.measured, product) else llr,
            "rule",
            rule.name,
            part=rule.part,
            region=short or region_of(outcome),
            shown=product.shows(rule),
        )


def _layout(sample: Sample, product: Product, glance: Glance, calibration: Calibration) -> Iterator[Evidence]:
    """What the whole photo says of its parts beside the references.

    Nothing where no calibration says what that is worth: it would be told as a rule that holds.
    """
    if glance.layout is None or not calibration.layout.slope:
        return
    score = glance.layout.own_score
    deviation = calibration.layout.standardise(score, [logical for logical, _ in product.beside_scores])
    llr = calibration.layout.llr(deviation)
    region = peaks(glance.layout, limit=1)[0]
    facts: dict[str, Fact] = {
        "references": len(product.references), "sd": round(deviation, 1),
        "place": place_in_words(region.box, *sample.size),
    }  # fmt: skip
    claim = Claim.check("layout", facts, holds=llr < NOTABLE)
    yield Evidence("logical", claim, llr, "differ", WHOLE, region=region)


def _unknown(rule: Rule, measured: MeasuredParts, product: Product) -> bool:
    """Whether the part finder may not know what a rule is about: none of several parts, no reference to prove it.

    That all of them are missing is rarer than that their name is none that it was taught.
    """
    several = isinstance(rule, CountRule) and rule.low > 1
    return several and not product.references and not count_of(measured, rule.part)


def _answers(sample: Sample, product: Product, glance: Glance, context: Context) -> Iterator[Evidence]:
    """Evidence of the rules that ask the narrator."""
    for rule in product.spec.rules:
        if isinstance(rule, AskRule):
            narrator = context.toolbox.narrator
            yield answer_to(rule, sample, glance.measured, product, narrator, context.calibration)
