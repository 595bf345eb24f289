"""Fuses the evidence into one verdict that still ranks."""

from __future__ import annotations

import math

from langgraph.runtime import Runtime

from agent.context import Context
from agent.evidence import Evidence, Kind, Verdict
from agent.fuse import by_hypothesis, probability
from agent.state import InspectionState, Update, need_product
from agent.telling.statements import may_be_stated

CARRIES = 1.0
"""A kind carries the verdict when one of its hypotheses is worth at least this log-likelihood ratio."""


def judge(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """Adds what speaks about one hypothesis and mixes the hypotheses; the order of images is kept."""
    context = runtime.context
    product = need_product(state)
    log_odds, line = context.log_odds(state.evidence, product), context.threshold(product)
    score = probability(log_odds)
    anomalous = log_odds > line
    kinds = _kinds(state.evidence) if anomalous else ()
    confidence, threshold = score if anomalous else 1 - score, probability(line)
    stated = not anomalous or any(may_be_stated(w, product) for w in by_hypothesis(state.evidence))
    return Update(verdict=Verdict(anomalous, score, confidence, kinds, threshold, stated))


def _kinds(evidence: list[Evidence]) -> tuple[Kind, ...]:
    worth: dict[Kind, float] = {}
    for hypothesis in by_hypothesis(evidence):
        worth[hypothesis.kind] = max(worth.get(hypothesis.kind, -math.inf), hypothesis.llr)
    strongest = max(worth.values())
    carrying = [kind for kind, llr in worth.items() if llr >= CARRIES or llr == strongest]
    return tuple(sorted(carrying))
