"""The first look: patches, and the parts that words ground."""

from __future__ import annotations

from langgraph.runtime import Runtime

from agent.context import Context
from agent.measure import find_parts, trusted
from agent.state import Glance, InspectionState, Update, need_product, need_sample
from tools.patches.peaks import peaks


def glance(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """Scores patches against the references, where there are any, and against words; finds the parts."""
    sample, product, toolbox = need_sample(state), need_product(state), runtime.context.toolbox
    maps = list(toolbox.scorer.score(toolbox.scorer.encode([sample]), product.spec.product))
    if product.bank is not None:
        maps.insert(0, toolbox.memory.score(sample, product.bank))
    measured = trusted(find_parts(toolbox, sample, product.spec), product.spec)
    return Update(glance=Glance(tuple(maps), tuple(tuple(peaks(m)) for m in maps), measured))
