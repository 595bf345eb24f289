"""The steps of the first look: decode the photos, learn the product where it is new, and measure."""

from __future__ import annotations

import hashlib
from pathlib import Path

from langgraph.runtime import Runtime

from agent.products.learn import known_parts, learn
from agent.products.spec import Product
from agent.state import Context, Glance, InspectionState, Update, need_product, need_sample
from tools.anomaly.peaks import peaks
from tools.images import load_sample
from tools.types import AnomalyMap, Sample


def intake(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """Puts the photo upright, in RGB, with its digest; references likewise unless the product has them.

    Raises:
        tools.errors.InputError: a file cannot be inspected; the message says which and why.
    """
    del runtime
    good = tuple(_sample(r) for r in state.references) if state.product is None else state.product.references
    return Update(sample=_sample(state.photo), good=good)


def _sample(photo: Path | Sample) -> Sample:
    return photo if isinstance(photo, Sample) else load_sample(photo)


def propose(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """Learns a product from the references and the user's sentence; once for the same ones."""
    if state.product is not None:
        return Update()
    return Update(product=learned_product(runtime.context, state.good, state.normal))


def learned_product(context: Context, references: tuple[Sample, ...], normal: str) -> Product:
    """The product of references and a sentence, from the inspector's cache where it was learned before."""

    def learned() -> Product:
        return learn(
            context.toolbox,
            "product",
            references,
            describe=normal,
            detection=context.calibration.detection,
            measuring=context.calibration.measuring,
        )

    key = hashlib.sha256("\n".join([normal, *(s.digest for s in references)]).encode()).hexdigest()
    return context.cache.learned.get(key, learned)


def glance(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """Scores patches and the whole beside the references, if any, damage by its look and by words; finds the parts."""
    sample, product, toolbox = need_sample(state), need_product(state), runtime.context.toolbox
    spec = product.spec
    encoded = toolbox.scorer.encode([sample])
    maps = list(toolbox.scorer.score(encoded, spec.product, spec.defects, references=product.windows))
    layout: AnomalyMap | None = None
    if toolbox.tracer is not None:
        (traces,) = toolbox.tracer.trace([sample])
        maps.insert(0, traces.flaws)
        if product.tokens:
            beside = toolbox.tracer.beside(traces.tokens, product.tokens, sample.size)
            layout = beside.logical
            maps.insert(0, beside.structural)
    if product.bank is not None:
        maps.insert(0, toolbox.reference_matcher.score(sample, product.bank))
    measured = known_parts(toolbox, sample, spec, product.types)
    return Update(glance=Glance(tuple(maps), tuple(tuple(peaks(m)) for m in maps), measured, layout))
