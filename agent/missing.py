"""Where a part ought to be that is not there: the place it has on the reference that explains the photo best."""

from __future__ import annotations

from agent.product import Product
from agent.rules import Measured
from tools.parts import Assignment, assign
from tools.types import Box, Region, Sample

PRICE = 1.0
"""Of a part that is missing or one too many, in the cost unit of part matching."""


def missing_place(label: str, measured: Measured, product: Product, sample: Sample) -> Region | None:
    """The place of the first missing part of that label, in pixels of the photo.

    Several references are several explanations of the photo; the cheapest one says what is missing.
    None where there is no reference, or where it misses nothing of that label.
    """
    best: tuple[Assignment, Measured, Sample] | None = None
    for good, parts in zip(product.references, product.parts, strict=True):
        found = assign(
            measured.of(label),
            parts.of(label),
            sample.size,
            missing_price=PRICE,
            extra_price=PRICE,
            reference_size=good.size,
        )
        if best is None or found.cost < best[0].cost:
            best = (found, parts, good)
    if best is None or not best[0].missing:
        return None
    assignment, parts, good = best
    surest = min(assignment.missing, key=lambda n: -parts.of(label)[n].region.score)
    box, (sx, sy) = parts.of(label)[surest].region.box, (a / b for a, b in zip(sample.size, good.size, strict=True))
    return Region(Box(box.x0 * sx, box.y0 * sy, box.x1 * sx, box.y1 * sy), parts.of(label)[surest].region.score)
