"""Assigns the parts of a photo to those of a reference, with a cost for missing and extra parts (Hungarian method)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy

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
TINY = 1e-6
"""Share of the product's area below which areas do not differ."""
TURN = 0.5
"""Cost of being turned by 90 degrees, for parts more than twice as long as wide."""
LONG = 2.0
"""Length by width from which on a direction is a part's own."""
GOOD = 0.9
"""Quantile of the costs of pairs among good parts below which a pair is surely one."""
LEAST_PRICE = 0.5
"""Least price, however alike the good ones are: measuring has errors of its own."""
DEAREST = 4.0
"""A pair never costs more than this, so that a wild measure does not drown the others."""


class Price(NamedTuple):
    """What explaining the parts of a photo by those of a good one costs."""

    lost: float
    """Of a part that is missing, or one too many."""
    usual: float = 0.0
    """What a pair costs among good ones, which it has for free: else a photo would cost less for each part it lacks."""


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
    """Sum over pairs, beyond what they have for free, plus the prices of all that is missing or extra."""


def assign(
    query: Sequence[Part],
    reference: Sequence[Part],
    size: tuple[int, int],
    *,
    missing_price: float,
    extra_price: float,
    usual: float = 0.0,
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
        usual: what a pair of parts has for free, 0 or more.
        reference_size: (width, height) of the good one's photo, where it differs.

    Raises:
        InputError: a price below 0, or a size that is not above 0.
    """
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
            costs[i, j] = max(0.0, pair_cost(part, good, *sizes) - usual)
    rows, columns = scipy.optimize.linear_sum_assignment(costs)
    chosen = list(zip(rows.tolist(), columns.tolist(), strict=True))
    return Assignment(
        pairs=tuple((i, j) for i, j in chosen if i < n and j < m),
        missing=tuple(sorted(j for i, j in chosen if i >= n and j < m)),
        extra=tuple(i for i, j in chosen if i < n and j >= m),
        cost=float(costs[rows, columns].sum()),
    )


def calibrated_price(references: Sequence[Sequence[Part]], sizes: Sequence[tuple[int, int]]) -> Price:
    """The price of a part that is missing or one too many, from how alike the parts of good ones are.

    The parts of every two references are paired. Nine tenths of those pairs cost no more than `usual`; a lost part
    costs as much again, so that a pair is dearer than leaving both out only where it is far dearer than good ones are.

    Args:
        references: parts of each good one.
        sizes: (width, height) of their photos.

    Returns:
        1.0, and nothing for free, where there are no two references with parts.
    """
    costs: list[float] = []
    for n, parts in enumerate(references):
        for m in range(n + 1, len(references)):
            found = assign(
                parts, references[m], sizes[n], missing_price=DEAREST, extra_price=DEAREST, reference_size=sizes[m]
            )
            costs += [pair_cost(parts[i], references[m][j], sizes[n], sizes[m]) for i, j in found.pairs]
    usual = float(np.quantile(costs, GOOD)) if costs else 0.0
    return Price(max(LEAST_PRICE, usual), usual) if costs else Price(1.0)


def explained(
    query: Sequence[Part],
    references: Sequence[Sequence[Part]],
    size: tuple[int, int],
    sizes: Sequence[tuple[int, int]],
    price: Price,
) -> tuple[int, Assignment] | None:
    """The reference that explains a photo most cheaply, and how; None without references.

    Args:
        query: parts of the photo.
        references: parts of each good one.
        size: (width, height) of the photo.
        sizes: (width, height) of the references' photos.
        price: of a part that is missing or one too many; see `calibrated_price`.
    """
    tries = [
        assign(
            query,
            good,
            size,
            missing_price=price.lost,
            extra_price=price.lost,
            usual=price.usual,
            reference_size=other,
        )
        for good, other in zip(references, sizes, strict=True)
    ]
    return min(enumerate(tries), key=lambda t: t[1].cost) if tries else None


def pair_cost(part: Part, good: Part, size: tuple[int, int], good_size: tuple[int, int]) -> float:
    """How unlike two parts are: label, place, area and, where measured, colour and direction; at most 4.

    Places and areas are the product's where both are known so, else those of the boxes on their photos.
    """
    cost = OTHER_LABEL if part.label != good.label else 0.0
    one, other = part.measures, good.measures
    if one is not None and other is not None:
        cost += COLOUR * math.dist(one.lab, other.lab)
    if one is not None and other is not None and one.place is not None and other.place is not None:
        cost += PLACE * math.dist(one.place, other.place) / math.sqrt(2)
        cost += SIZE * abs(math.log2(max(one.relative_area or 0.0, TINY) / max(other.relative_area or 0.0, TINY)))
        if min(one.length / max(one.width, 1.0), other.length / max(other.width, 1.0)) > LONG:
            apart = abs((one.turn or 0.0) - (other.turn or 0.0))
            cost += TURN * min(apart, 180.0 - apart) / 90.0
    else:
        (x, y), (u, v) = _place(part, size), _place(good, good_size)
        cost += PLACE * math.hypot(x - u, y - v) / math.sqrt(2)
        cost += SIZE * abs(math.log2(_area(part, size) / _area(good, good_size)))
    return min(cost, DEAREST)


def _place(part: Part, size: tuple[int, int]) -> tuple[float, float]:
    """Middle of the box in fractions of the photo."""
    x, y = part.region.box.centre
    return x / size[0], y / size[1]


def _area(part: Part, size: tuple[int, int]) -> float:
    """Area of the box as a fraction of the photo, never below a pixel; boxes are known of every part."""
    box: Box = part.region.box
    return max(box.area, 1.0) / (size[0] * size[1])
