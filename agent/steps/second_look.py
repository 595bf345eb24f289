"""The steps of the second look: choose the hypothesis whose look would move the verdict most, and carry it out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import perf_counter

from langgraph.runtime import Runtime

from agent.evidence.fusion import WeighedHypothesis, anomaly_llr, by_hypothesis, probability
from agent.evidence.types import Action, Evidence, Hypothesis, Look, Option, appended
from agent.looks import LookInput, LookResult, able, ask, choose, compare, recount, zoom
from agent.matchers.questions import looks_for
from agent.products.spec import Product
from agent.state import Context, InspectionState, Revision, Update, need_glance, need_product, need_sample
from tools.types import Box, Region, Sample

EVERYWHERE: tuple[Action, ...] = ("zoom", "recount")
"""Actions that see the whole photo: once they are done they have said what they can about every hypothesis."""
WORTH = 0.01
"""Below this expected change of the verdict's probability a look is not taken, however quick it is."""


TIMED = ("suspect", "look_again")
"""Steps whose seconds the budget counts: learning and the first look are not among them."""


def suspect(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """The hypothesis to look at again and how, or none when the verdict is decided or the budget is spent."""
    context, budget = runtime.context, runtime.context.budget
    product, sample = need_product(state), need_sample(state)
    if len(state.looks) >= budget.looks or context.policy == "none" or _decided(state.evidence, product, context):
        return Update(hypothesis=None)
    open_ones = list(_hypotheses(state.evidence, state.looks, product, sample, context))
    best = max(open_ones, key=lambda h: h.value, default=None)
    spent = sum(state.seconds.get(step, 0.0) for step in TIMED)
    if best is not None and budget.seconds is not None and spent >= budget.seconds:
        return Update(hypothesis=None, looks_ended=True)
    if best is not None and context.policy == "chosen":
        best = choose(context.toolbox.vlm, best, sample, product.spec.product)
    return Update(hypothesis=best)


def _decided(evidence: list[Evidence], product: Product, context: Context) -> bool:
    """Whether the log-odds lie so far from the threshold that no look is worth it."""
    return abs(context.log_odds(evidence, product) - context.threshold(product)) > context.budget.decided


def _hypotheses(
    evidence: list[Evidence], taken: list[Look], product: Product, sample: Sample, context: Context
) -> Iterator[Hypothesis]:
    """Every hypothesis with its menu, its best action first."""
    done = {("" if look.action in EVERYWHERE else look.hypothesis, str(look.action)) for look in taken}
    looks = looks_for(context, product, sample)
    total, most = anomaly_llr(evidence), looks.most
    for weighed in by_hypothesis(evidence):
        # An answer that is right with probability s changes p by 2 p (1 - p) (2 s - 1) on average.
        moves = _spread(weighed.llr) * _share(weighed.llr, total)
        if moves * most < WORTH:
            continue
        gains = {a: moves * looks.gain(a, weighed.kind) for a in able(weighed, product, context, looks, done)}
        menu = [Option(a, gain / looks.seconds(a, weighed.kind)) for a, gain in gains.items() if gain >= WORTH]
        menu.sort(key=lambda option: -option.value)
        if menu:
            part = next((e.part for e in weighed.evidence if e.part), None)
            place = _place(weighed, sample)
            action, value = menu[0].action, menu[0].value
            yield Hypothesis(weighed.name, weighed.kind, place, weighed.llr, action, value, part, tuple(menu))


def _place(weighed: WeighedHypothesis, sample: Sample) -> Region:
    """Where the hypothesis is; the whole photo where it has no place."""
    placed = (e.region for e in weighed.evidence if e.region is not None)
    width, height = sample.size
    return next(placed, Region(Box(0.0, 0.0, float(width), float(height)), probability(weighed.llr)))


def _spread(llr: float) -> float:
    """1 where the odds are even, falling to 0 where they are clear: 4 p (1 - p)."""
    p = probability(llr)
    return 4 * p * (1 - p)


def _share(llr: float, total: float) -> float:
    """How much of the verdict hangs on a hypothesis: 1 for the one that carries it, less for weaker ones."""
    return math.exp(min(0.0, llr - total))


ACTIONS: dict[Action, Callable[[LookInput], LookResult]] = {
    "zoom": zoom,
    "compare": compare,
    "ask": ask,
    "recount": recount,
}


def look_again(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """Appends the look and what it found; the hypothesis has then been looked at."""
    aimed = state.hypothesis
    if aimed is None:
        return Update()
    start = perf_counter()
    again = LookInput(
        f"L{len(state.looks) + 1}",
        aimed,
        need_sample(state),
        need_product(state),
        need_glance(state),
        tuple(state.evidence),
        runtime.context,
    )
    found = ACTIONS[aimed.action](again)
    look = replace(found.look, seconds=perf_counter() - start)
    return Update(looks=[look], evidence=appended(found.evidence, state.evidence), hypothesis=None)


def amend(state: Revision, runtime: Runtime[Context]) -> Update:
    """Appends the evidence that a person adds to a finished inspection."""
    del runtime
    return Update(evidence=list(state.added))
