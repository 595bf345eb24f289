"""The second look: carries out the action that `suspect` chose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter

from langgraph.runtime import Runtime

from agent.context import Context
from agent.evidence import Action, appended
from agent.looks import Again, Found, ask, compare, recount, zoom
from agent.state import InspectionState, Update, need_glance, need_product, need_sample

ACTIONS: dict[Action, Callable[[Again], Found]] = {
    "zoom": zoom,
    "compare": compare,
    "ask": ask,
    "recount": recount,
}


def look_again(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """Appends the look and what it found."""
    aimed = state.hypothesis
    if aimed is None:
        return Update()
    start = perf_counter()
    again = Again(
        f"L{len(state.looks) + 1}", aimed, need_sample(state), need_product(state), need_glance(state),
        tuple(state.evidence), runtime.context,
    )  # fmt: skip
    found = ACTIONS[aimed.action](again)
    look = replace(found.look, seconds=perf_counter() - start)
    return Update(looks=[look], evidence=appended(found.evidence, state.evidence))
