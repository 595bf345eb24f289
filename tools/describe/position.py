"""Measures where on the product a region lies: its third, the border that it is at, the part that it is on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy

from tools.describe.description import Attribute, Border, Position
from tools.describe.shape import beyond, decided
from tools.parts.masks import window_of
from tools.types import Mask, Part

AT_BORDER = 0.06
"""A region lies at a border that is nearer than this share of the product's size (square root of its area)."""
ON_PART = 0.6
"""A region lies on a part that holds at least this share of it."""
LARGEST = 512
"""Pixels along the longer side at which the distance to the border is measured at most."""
ROUND = 0.88
"""A product is round where it covers less than this share of its own box, and at least 0.6."""
NAMES: tuple[tuple[Position, Position, Position], ...] = (
    ("upper_left", "top", "upper_right"),
    ("left", "centre", "right"),
    ("lower_left", "bottom", "lower_right"),
)


def measure_position(mask: Mask, product: Mask) -> Attribute[Position] | None:
    """The third of the product's box, across and down, that holds the middle of a region."""
    rows, columns = np.nonzero(mask)
    down, across = window_of(product)
    place, confidences = [], []
    for values, span in ((rows, down), (columns, across)):
        share = min(max((float(values.mean()) + 0.5 - span.start) / (span.stop - span.start), 0.0), 0.999)
        place.append(int(3 * share))
        # 0.5 at a limit between two thirds, 1 from a sixth of the product away.
        confidences.append(min(1.0, 0.5 + 3 * min(abs(share - 1 / 3), abs(share - 2 / 3))))
    confidence = min(confidences)
    # A limit is passed by an error of about 3 % of the product's size.
    return Attribute(NAMES[place[0]][place[1]], confidence) if confidence >= 0.59 else None


def measure_border(mask: Mask, product: Mask, unit: float) -> Attribute[Border] | None:
    """The border of the product that a region lies at; None where it is away from all.

    Args:
        mask: (H, W).
        product: (H, W).
        unit: square root of the product's area, in pixels.
    """
    step = max(1, round(max(product.shape) / LARGEST))
    inside = mask[::step, ::step] if mask[::step, ::step].any() else mask
    step = step if inside is not mask else 1
    depth = step * scipy.ndimage.distance_transform_edt(np.pad(product[::step, ::step], 1))[1:-1, 1:-1]
    near = max(float(np.percentile(depth[inside], 10)), 0.25) / unit
    confidence = 1 - beyond(near, AT_BORDER)
    if not decided(confidence):
        return None
    down, across = window_of(product)
    filled = np.count_nonzero(product) / max((down.stop - down.start) * (across.stop - across.start), 1)
    if 0.6 <= filled < ROUND:
        return Attribute("rim", confidence)
    rows, columns = np.nonzero(mask)
    gaps: dict[Border, float] = {
        "left_edge": float(columns.min()) - across.start,
        "right_edge": across.stop - float(columns.max()),
        "upper_edge": float(rows.min()) - down.start,
        "lower_edge": down.stop - float(rows.max()),
    }
    first, second = sorted(gaps.items(), key=lambda item: item[1])[:2]
    if max(first[1], 0.0) > 2 * AT_BORDER * unit:
        return Attribute("rim", confidence)
    return Attribute(first[0], confidence) if second[1] > AT_BORDER * unit + max(first[1], 0.0) else None


def measure_part(mask: Mask, parts: Sequence[Part]) -> Attribute[str] | None:
    """The smallest part that holds most of a region."""
    area = np.count_nonzero(mask)
    found: list[tuple[float, float, str]] = []
    for part in parts:
        if part.region.mask is not None:
            share = float(np.count_nonzero(part.region.mask & mask) / area)
            if share >= ON_PART:
                found.append((float(np.count_nonzero(part.region.mask)), share, part.label))
    if not found:
        return None
    _, share, label = min(found)
    return Attribute(label, share)
