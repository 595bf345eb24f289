"""Turns what was measured into evidence: raw scores become log-likelihood ratios."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from langgraph.runtime import Runtime

from agent.calibrate import Calibration, log_of_distance
from agent.claims import place_in_words
from agent.context import Context
from agent.evidence import Claim, Evidence, appended
from agent.fuse import NOTABLE, log_odds
from agent.missing import missing_place
from agent.product import Product
from agent.rules import evaluate
from agent.rules.union import region_of
from agent.state import Glance, InspectionState, Update, need_glance, need_product, need_sample
from tools.types import Box, Region, Sample, ScoreMap

SAME = 0.5
"""Share of the smaller of two boxes from which on both are one place."""
_SENTENCES = {"reference": ("region_within", "region_differs"), "text": ("words_fit", "words_differ")}


def match(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """One piece of evidence for each place that stands out and for each rule."""
    sample, product, glance = need_sample(state), need_product(state), need_glance(state)
    calibration = runtime.context.calibration
    found = [
        *_places(sample, product, glance, calibration),
        *_rules(sample, product, glance, calibration),
    ]
    return Update(evidence=appended(found, state.evidence))


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


def _worth(score_map: ScoreMap, region: Region, product: Product, calibration: Calibration) -> tuple[float, float]:
    """(standard deviations above good parts, log-likelihood ratio) of one place.

    Distances are standardised as logarithms, probabilities as log-odds; the place stands in for the photo's worst.
    """
    score = score_map.own_score_at(region)
    if score_map.source == "reference":
        references = [log_of_distance(r) for r in product.reference_scores]
        deviation = calibration.reference.standardise(log_of_distance(score), references)
        return deviation, calibration.reference.llr(deviation)
    deviation = calibration.text.standardise(log_odds(score), [log_odds(t) for t in product.text_scores])
    return deviation, calibration.text.llr(deviation)


def _rules(sample: Sample, product: Product, glance: Glance, calibration: Calibration) -> Iterator[Evidence]:
    """Evidence of the rules over the measured parts; of a missing part, the place where it ought to be."""
    for rule in product.spec.rules:
        outcome = evaluate(rule, glance.measured)
        short = outcome.missing and missing_place(rule.part, glance.measured, product, sample)
        yield Evidence(
            "logical",
            outcome.claim,
            calibration.rule.llr(outcome.log_odds),
            "rule",
            f"{rule.kind} of {rule.part}",
            part=rule.part,
            region=short or region_of(outcome),
        )
