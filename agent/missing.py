"""Where a part ought to be that is not there: the place it has on the reference that explains the photo best."""

from __future__ import annotations

from agent.product import Product
from agent.rules import Measured
from tools.parts import calibrated_price, explained, find_product
from tools.types import Box, Part, Region, Sample


def missing_place(label: str, measured: Measured, product: Product, sample: Sample) -> Region | None:
    """The place of the first missing part of that label, in pixels of the photo.

    Several references are several explanations of the photo; the cheapest one says what is missing, at a price that
    the references set. None where there is no reference, or where it misses nothing of that label.
    """
    shown = [m.of(label) for m in product.parts]
    sizes = [good.size for good in product.references]
    price = calibrated_price(shown, sizes)
    best = explained(measured.of(label), shown, sample.size, sizes, price)
    if best is None or not best[1].missing:
        return None
    which, assignment = best
    surest = shown[which][min(assignment.missing, key=lambda n: -shown[which][n].region.score)]
    return Region(_moved(surest, sample, sizes[which]), surest.region.score)


def _moved(part: Part, sample: Sample, size: tuple[int, int]) -> Box:
    """The box of a reference's part where it would be on the photo: by the product's pose where that is known."""
    box = part.region.box
    if part.measures is not None and part.measures.place is not None and part.measures.relative_length is not None:
        pose = find_product(sample.image)
        scale = pose.unit * part.measures.relative_length / max(part.measures.length, 1e-6)
        x, y = pose.point(part.measures.place)
        half = box.width * scale / 2, box.height * scale / 2
        return Box(x - half[0], y - half[1], x + half[0], y + half[1]).clipped(*sample.size)
    sx, sy = (a / b for a, b in zip(sample.size, size, strict=True))
    return Box(box.x0 * sx, box.y0 * sy, box.x1 * sx, box.y1 * sy)
