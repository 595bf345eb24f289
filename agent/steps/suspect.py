"""Asks which open question, if settled, would move the verdict most for its price."""

from __future__ import annotations

import math

from langgraph.runtime import Runtime

from agent.context import Budget, Context
from agent.evidence import Action, Evidence, Hypothesis
from agent.fuse import Weighed, anomaly_llr, by_hypothesis, probability
from agent.product import Product
from agent.state import InspectionState, Update, need_product
from tools.types import Region

PRICE: dict[Action, float] = {"compare": 1.0, "zoom": 1.0, "recount": 1.5}
"""Relative cost of each way to look again."""
WORTH = 0.05
"""Below this expected change of the verdict's probability, per unit of price, no look is taken."""


def suspect(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """The hypothesis to look at again, or none when the verdict is decided or the budget is spent."""
    budget = runtime.context.budget
    if len(state.looks) >= budget.looks or sum(state.seconds.values()) > budget.seconds:
        return Update(hypothesis=None)
    return Update(hypothesis=_best(state.evidence, need_product(state), budget, {k.hypothesis for k in state.looks}))


def _best(evidence: list[Evidence], product: Product, budget: Budget, seen: set[str]) -> Hypothesis | None:
    total = anomaly_llr(evidence)
    if abs(total) > budget.decided:
        return None
    candidates = [_as_hypothesis(w, product, total) for w in by_hypothesis(evidence) if w.name not in seen]
    worthwhile = [c for c in candidates if c is not None and c.value >= WORTH]
    return max(worthwhile, key=lambda c: c.value, default=None)


def _as_hypothesis(weighed: Weighed, product: Product, total: float) -> Hypothesis | None:
    """A hypothesis with its place and its value, or None where there is no place to look at."""
    places = [e.region for e in weighed.evidence if e.region is not None]
    if not places:
        return None
    part = next((e.part for e in weighed.evidence if e.part), None)
    action: Action = "recount" if product.counts(weighed.name) else "compare" if product.references else "zoom"
    value = _uncertainty(weighed.llr) * _share(weighed.llr, total) / PRICE[action]
    place: Region = places[0]
    return Hypothesis(weighed.name, weighed.kind, place, weighed.llr, action, value, part)


def _uncertainty(llr: float) -> float:
    """1 where the odds are even, falling to 0 where they are clear: 4 p (1 - p)."""
    p = probability(llr)
    return 4 * p * (1 - p)


def _share(llr: float, total: float) -> float:
    """How much of the verdict hangs on a hypothesis: 1 for the one that carries it, less for weaker ones."""
    return math.exp(min(0.0, llr - total))
