"""Which part of a good product each part stands for, and what is missing or left over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tools.errors import InputError
from tools.types import Box, Part

OTHER_LABEL = 1.0
"""Cost of standing for a part of another label."""
PLACE = 2.0
"""Cost of being the photo's diagonal away."""
SIZE = 0.5
"""Cost of each doubling or halving of the area."""
COLOUR = 1.0 / 50.0
"""Cost of each unit of CIELAB distance (CIE76)."""
DEAREST = 4.0
"""A pair never costs more than this, so that a wild measure does not drown the others."""


@dataclass(frozen=True)
class Assignment:
    """The cheapest explanation of the parts of one photo by those of a good one."""

    pairs: tuple[tuple[int, int], ...]
    """(index in query, index in reference), by query."""
    missing: tuple[int, ...]
    """Reference parts that nothing stands for."""
    extra: tuple[int, ...]
    """Query parts that stand for nothing."""
    cost: float
    """Sum over pairs plus the prices of all that is missing or extra."""


def assign(
    query: Sequence[Part],
    reference: Sequence[Part],
    size: tuple[int, int],
    *,
    missing_price: float,
    extra_price: float,
    reference_size: tuple[int, int] | None = None,
) -> Assignment:
    """Assigns parts one to one by least total cost, each part that is left over at its price.

    The cost matrix is padded to a square of len(query) + len(reference), so that missing and extra parts
    are paid for (and a pair dearer than missing plus extra is not made); the solver is the Hungarian method.

    Args:
        query: parts of the photo.
        reference: parts of a good one.
        size: (width, height) of the photo in pixels; places are compared relative to it.
        missing_price: cost of a reference part that nothing stands for, 0 or more.
        extra_price: cost of a query part that stands for nothing, 0 or more.
        reference_size: (width, height) of the good one's photo, where it differs.

    Raises:
        InputError: a price below 0, or a size that is not above 0.
    """
    from scipy.optimize import linear_sum_assignment

    if not (missing_price >= 0 and extra_price >= 0 and math.isfinite(missing_price + extra_price)):
        raise InputError(
            f"prices must be finite and 0 or more; found {missing_price} (missing), {extra_price} (extra)."
        )
    sizes = (size, reference_size or size)
    if min(*sizes[0], *sizes[1]) <= 0:
        raise InputError(f"photo sizes must be above 0; found {sizes[0]} and {sizes[1]}.")
    n, m = len(query), len(reference)
    costs = np.zeros((n + m, n + m))
    costs[:n, m:] = extra_price
    costs[n:, :m] = missing_price
    for i, part in enumerate(query):
        for j, good in enumerate(reference):
            costs[i, j] = pair_cost(part, good, *sizes)
    rows, columns = linear_sum_assignment(costs)
    chosen = list(zip(rows.tolist(), columns.tolist(), strict=True))
    return Assignment(
        pairs=tuple((i, j) for i, j in chosen if i < n and j < m),
        missing=tuple(sorted(j for i, j in chosen if i >= n and j < m)),
        extra=tuple(i for i, j in chosen if i < n and j >= m),
        cost=float(costs[rows, columns].sum()),
    )


def pair_cost(part: Part, good: Part, size: tuple[int, int], good_size: tuple[int, int]) -> float:
    """How unlike two parts are: label, relative place, relative area and, where measured, colour; at most 4."""
    (x, y), (u, v) = _place(part, size), _place(good, good_size)
    cost = PLACE * math.hypot(x - u, y - v) / math.sqrt(2)
    cost += SIZE * abs(math.log2(_area(part, size) / _area(good, good_size)))
    if part.label != good.label:
        cost += OTHER_LABEL
    if part.measures is not None and good.measures is not None:
        cost += COLOUR * math.dist(part.measures.lab, good.measures.lab)
    return min(cost, DEAREST)


def _place(part: Part, size: tuple[int, int]) -> tuple[float, float]:
    """Middle of the box in fractions of the photo."""
    x, y = part.region.box.centre
    return x / size[0], y / size[1]


def _area(part: Part, size: tuple[int, int]) -> float:
    """Area of the box as a fraction of the photo, never below a pixel; boxes are known of every part."""
    box: Box = part.region.box
    return max(box.area, 1.0) / (size[0] * size[1])
