"""The second look: carries out the action that `suspect` chose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from langgraph.runtime import Runtime

from agent.context import Context
from agent.evidence import Action, appended
from agent.looks import Again, Found, ask, compare, recount, segment, zoom
from agent.state import InspectionState, Update, need_glance, need_product, need_sample
from tools.together import own_seconds

ACTIONS: dict[Action, Callable[[Again], Found]] = {
    "zoom": zoom,
    "compare": compare,
    "ask": ask,
    "recount": recount,
    "segment": segment,
}


def look_again(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """Appends the look and what it found."""
    aimed = state.hypothesis
    if aimed is None:
        return Update()
    start = own_seconds()
    again = Again(
        f"L{len(state.looks) + 1}", aimed, need_sample(state), need_product(state), need_glance(state),
        tuple(state.evidence), runtime.context,
    )  # fmt: skip
    found = ACTIONS[aimed.action](again)
    look = replace(found.look, seconds=own_seconds() - start)
    return Update(looks=[look], evidence=appended(found.evidence, state.evidence))
