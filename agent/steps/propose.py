"""Finds out what the product is, where nobody has learned it yet."""

from __future__ import annotations

import hashlib

from langgraph.runtime import Runtime

from agent.context import Context
from agent.learning.learn import learn
from agent.state import InspectionState, Update


def propose(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """Learns a product from the references and the user's sentence; once for the same ones."""
    if state.product is not None:
        return Update()
    context = runtime.context
    key = hashlib.sha256("\n".join([state.normal, *(s.digest for s in state.good)]).encode()).hexdigest()
    if key not in context.products:
        context.products[key] = learn(
            context.toolbox,
            "product",
            state.good,
            describe=state.normal,
            detection=context.calibration.detection,
            measuring=context.calibration.measuring,
        )
    return Update(product=context.products[key])
