"""Turns what was measured into evidence: raw scores become log-likelihood ratios."""

from __future__ import annotations

from dataclasses import replace

from langgraph.runtime import Runtime

from agent.evidence.claims import renamed
from agent.evidence.types import Evidence, appended
from agent.matchers.base import MatchInput
from agent.matchers.places import distinct, fused_map
from agent.matchers.registry import matchers, place_matchers
from agent.state import Context, InspectionState, Update, need_glance, need_product, need_sample


def match(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """The evidence of every matcher, each piece counting by the matcher's share on the product."""
    sample, product, glance = need_sample(state), need_product(state), need_glance(state)
    calibration = runtime.context.calibration
    inputs = MatchInput(sample, product, glance, tuple(distinct(glance.peaks)), runtime.context)
    found: dict[str, list[Evidence]] = {}
    for matcher in matchers():
        for item in matcher.evidence(inputs):
            share = matcher.share(product, calibration, item.hypothesis)
            named = replace(item, claim=renamed(item.claim, product.spec.called), llr=item.llr * share)
            found.setdefault(item.hypothesis, []).append(named)
    together = fused_map(glance.maps, place_matchers(), product, calibration)
    evidence = [item for items in found.values() for item in items]
    return Update(evidence=appended(evidence, state.evidence), glance=replace(glance, together=together))
