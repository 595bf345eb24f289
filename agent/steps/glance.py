"""The first look: patches, and the parts that words ground."""

from __future__ import annotations

from langgraph.runtime import Runtime

from agent.context import Context
from agent.learning.learn import known_parts
from agent.state import Glance, InspectionState, Update, need_product, need_sample
from tools.patches.peaks import peaks
from tools.types import ScoreMap


def glance(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """Scores patches and the whole beside the references, if any, damage by its look and by words; finds the parts."""
    sample, product, toolbox = need_sample(state), need_product(state), runtime.context.toolbox
    spec = product.spec
    encoded = toolbox.scorer.encode([sample])
    maps = list(toolbox.scorer.score(encoded, spec.product, spec.defects, references=product.windows))
    layout: ScoreMap | None = None
    if toolbox.tracer is not None:
        (traces,) = toolbox.tracer.trace([sample])
        maps.insert(0, traces.flaws)
        if product.tokens:
            beside = toolbox.tracer.beside(traces.tokens, product.tokens, sample.size)
            layout = beside.logical
            maps.insert(0, beside.structural)
    if product.bank is not None:
        maps.insert(0, toolbox.memory.score(sample, product.bank))
    measured = known_parts(toolbox, sample, spec, product.types)
    return Update(glance=Glance(tuple(maps), tuple(tuple(peaks(m)) for m in maps), measured, layout))
