"""Examines the places that a report tells of: their tight bounds, what they look like, and how small one may be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.evidence.fusion import WeighedHypothesis
from agent.products.spec import Product
from agent.state import Context, Glance
from tools.describe import DescribedRegion, RegionDescriber
from tools.types import Sample


def examine(
    found: Sequence[WeighedHypothesis], sample: Sample, product: Product, glance: Glance, context: Context
) -> dict[str, DescribedRegion]:
    """What the places of hypotheses look like, by hypothesis; of rules nothing is measured.

    Args:
        found: the hypotheses that are told.
        sample: the photo.
        product: its references are compared with.
        glance: maps and parts of the first look.
        context: gives the segmenter and the scale.
    """
    places = {
        w.name: next(e.region for e in w.evidence if e.region is not None)
        for w in found
        if any(e.claim.topic == "patch" for e in w.evidence)
    }
    if not places:
        return {}
    digests = "\n".join(reference.digest for reference in product.references)
    describer = context.cache.describers.get(digests, lambda: RegionDescriber(product.references))
    named = {part.label for part in product.spec.parts if part.phrase is not None}
    parts = [part for part in glance.measured.parts if part.label in named]
    return {
        name: describer.describe(sample, region, glance.maps, mm_per_px=context.mm_per_px, parts=parts)
        for name, region in places.items()
    }


TOLD_FROM = 16
"""Pixels from which on a report says how small a defect may be missed."""


def notes_on(sample: Sample, smallest_px: float | None) -> Iterator[str]:
    """What a reader must know of how a photo was read and seen."""
    yield from (f"{sample.name}: {note}." for note in sample.notes)
    if smallest_px is not None and smallest_px > TOLD_FROM:
        width, height = sample.size
        yield (
            f"{sample.name}: it has {width} x {height} pixels and is inspected at a smaller size; a defect of less "
            f"than about {smallest_px:.0f} pixels may be missed. Inspect crops of it for smaller ones."
        )
