"""The steps of the first look: decode the photos, learn the product where it is new, and measure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from langgraph.runtime import Runtime

from agent.matchers.base import PhotoInputs
from agent.matchers.places import PlaceMatcher
from agent.matchers.registry import added_matchers, matchers
from agent.products.learn import OnStage, known_parts, learn
from agent.products.spec import Product
from agent.state import Context, Glance, InspectionState, Request, Update, need_product, need_sample
from tools.anomaly.peaks import peaks
from tools.images import in_range, load_sample, range_of
from tools.pixel_values import ValueRange
from tools.types import AnomalyMap, Sample


def intake(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """Puts the photo upright, in RGB, with its digest; references likewise unless the product has them.

    Raises:
        tools.errors.InputError: a file cannot be inspected; the message says which and why.
    """
    sample, good = decoded(state, runtime.context.value_range)
    return Update(sample=sample, good=good)


def decoded(request: Request, stated: ValueRange | None) -> tuple[Sample, tuple[Sample, ...]]:
    """The photo and the references; those of more than 8 bits in one range: the product's, as stated, or as found.

    Raises:
        tools.errors.InputError: a file cannot be inspected.
    """
    product = request.product
    if product is not None:
        return in_range(
            _sample(request.photo), product.spec.value_range or stated, product.references
        ), product.references
    references = tuple(_sample(r) for r in request.references)
    value_range = stated or range_of(references)
    good = tuple(in_range(r, value_range) for r in references)
    return in_range(_sample(request.photo), value_range, good), good


def _sample(photo: Path | Sample) -> Sample:
    return photo if isinstance(photo, Sample) else load_sample(photo)


def propose(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """Learns a product from the references and the user's sentence; once for the same ones."""
    product = state.product or learned_product(runtime.context, state.good, state.normal)
    return Update(product=product, models=dict(product.models))


def learned_product(
    context: Context,
    references: Sequence[Sample],
    normal: str,
    *,
    name: str = "product",
    noun: str | None = None,
    on_stage: OnStage | None = None,
) -> Product:
    """The product of references and a sentence, from the cache where it was learned before.

    Args:
        context: tools, calibration and cache.
        references: photos of good ones.
        normal: what good means.
        name: of the product, for files and reports.
        noun: that models are told; the name by default.
        on_stage: told each stage of learning as it begins.
    """

    def learned() -> Product:
        return learn(
            context.toolbox,
            name,
            references,
            describe=normal,
            product=noun,
            calibration=context.calibration,
            on_stage=on_stage,
        )

    asked = {"name": name, "noun": noun, "normal": normal, "matchers": added_matchers()}
    return context.cache.product(asked, references, learned)


def glance(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """Scores the photo with every matcher that counts on this product, and finds its parts."""
    sample, product, toolbox = need_sample(state), need_product(state), runtime.context.toolbox
    photo = PhotoInputs(toolbox, product, sample)
    maps: list[AnomalyMap] = []
    scores: dict[str, AnomalyMap | float] = {}
    for matcher in matchers():
        if not matcher.counts(product, runtime.context.calibration):
            continue
        found = matcher.score(photo, product.states.get(matcher.name))
        if isinstance(matcher, PlaceMatcher) and isinstance(found, AnomalyMap):
            maps.append(found)
        elif found is not None:
            scores[matcher.name] = found
    measured = known_parts(toolbox, sample, product.spec, product.types)
    return Update(glance=Glance(tuple(maps), tuple(tuple(peaks(m)) for m in maps), measured, scores))
