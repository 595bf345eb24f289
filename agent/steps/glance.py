"""The first look: patches, and the parts that words ground."""

from __future__ import annotations

from langgraph.runtime import Runtime
from tools.patches.peaks import peaks

from agent.context import Context
from agent.measure import find_parts
from agent.state import Glance, InspectionState, Update, need_product, need_sample


def glance(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """Scores patches against the references (or against words, without any) and finds the parts."""
    sample, product, toolbox = need_sample(state), need_product(state), runtime.context.toolbox
    if product.bank is not None:
        score_map = toolbox.memory.score(sample, product.bank)
    else:
        score_map = toolbox.scorer.score(toolbox.scorer.encode([sample]), product.spec.product)[0]
    measured = find_parts(toolbox, sample, product.spec)
    return Update(glance=Glance(score_map, tuple(peaks(score_map)), measured))
