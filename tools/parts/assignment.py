"""Assigns the parts of a photo to those of a reference, with a cost for missing and extra parts (Hungarian method)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tools.errors import InputError
from tools.types import Box, Part

STORED = Path(__file__).with_name("assignment_costs.yaml")


class Prices(BaseModel):
    """Costs of differences, missing and extra parts without references (`python -m evals.fit.assignment_costs`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    usual: dict[str, float]
    """Mean difference of a part between two good photos, by what differs."""
    power: float = Field(ge=1)
    """Of the mean over what differs: the larger, the more a single difference counts."""
    together: float = Field(ge=1)
    """Of the sum over parts, likewise."""
    place: float = Field(gt=0)
    """The same of its place, in units of the product, once the photos lie over each other."""
    places: float = Field(ge=0)
    """Weight of places beside looks."""
    headings: float = Field(ge=0)
    """Weight of how a part is turned beside looks."""
    free: float = Field(gt=0)
    """Parts whose places differ by more than this at the median may lie anywhere."""
    worth: float = Field(gt=0)
    """How many references' worth of pairs `usual` counts for (their number counts by its root)."""
    dearest: float = Field(gt=0)
    """Unlikeness above which two segments are no pair."""
    loose: float = Field(ge=0)
    """The same between the references, above which what is not traced as one thing is no part."""
    outline: float = Field(ge=0)
    """What the outline of a reference's segment adds to its being a part."""
    item: float = Field(ge=0)
    """What being traced as one thing adds to that."""
    clear: float = Field(ge=0)
    """What the outline of a photo's segment adds to its being taken for a part."""
    known: float = Field(ge=0)
    """Share of a pair's cost among the references that a pair on a photo has for free."""
    missing: float = Field(ge=0)
    """Price of a part that recurs perfectly and is missing."""
    recurring: float = Field(ge=0)
    """Power of the share of the other references on which it is found, by which that price falls."""
    extra: float = Field(ge=0)
    """Price of a thing that stands for nothing."""


@cache
def shipped() -> Prices:
    """The prices in prices.yaml."""
    import yaml

    return Prices.model_validate(yaml.safe_load(STORED.read_text(encoding="utf-8")))


_TRIED: ContextVar[Prices | None] = ContextVar("tried", default=None)


def prices() -> Prices:
    """The shipped prices, or those that are being tried."""
    return _TRIED.get() or shipped()


@contextmanager
def priced(tried: Prices) -> Iterator[None]:
    """Others than the shipped prices for a while: for those who look for better ones."""
    token = _TRIED.set(tried)
    try:
        yield
    finally:
        _TRIED.reset(token)


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
            costs[i, j] = max(0.0, pair_cost(part, good, *sizes) - usual)
    rows, columns = linear_sum_assignment(costs)
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
