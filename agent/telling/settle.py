"""What would settle an undecided verdict: more good photos, words, a nearer photo, larger models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.claims import Sentence, in_words, place_in_words, tell
from agent.context import Context
from agent.evidence import Evidence
from agent.fuse import Weighed
from agent.product import Product
from tools.types import Sample

ENOUGH = 8
"""References from which on more of them hardly narrow what is usual."""
RENDERED = "nano"
"""The profile whose models know rendered products alone."""


def tell_settling(open_ones: Sequence[Weighed], product: Product, sample: Sample, context: Context) -> Sentence:
    """One sentence, which cites the hypotheses that are undecided; at least one."""
    cites = tuple(e.id for w in open_ones for e in w.evidence)
    ways = list(_ways(open_ones[0].evidence, product, sample, context))
    return Sentence(tell("settle", {"ways": in_words(ways, context.language, "or")}, context.language), cites)


def _ways(leading: Sequence[Evidence], product: Product, sample: Sample, context: Context) -> Iterator[str]:
    language, count = context.language, len(product.references)
    if not count:
        yield tell("way_first_references", language=language)
    elif count < ENOUGH:
        yield tell("way_references", {"more": ENOUGH - count, "references": count}, language)
    if not product.spec.normal:
        yield tell("way_words", language=language)
    region = next((e.region for e in leading if e.region is not None), None)
    if region is not None:
        yield tell("way_nearer", {"place": place_in_words(region.box, *sample.size)}, language)
    if context.profile == RENDERED:
        yield tell("way_profile", language=language)
