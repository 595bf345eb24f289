"""Relations that hold on every reference: one beside another, touching, level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

import numpy as np

from agent.induce.spreads import Measuring, tolerance
from agent.rules.base import Measured, surest
from agent.rules.contact import touching
from agent.rules.position import PositionRule
from agent.rules.relation import RelationRule, Side, least_margin, unevenness

CLEAR = 3.0
"""One kind is beside another when the margin between them is so many spreads."""
UNEVEN = 0.15
"""Ends that differ in height by more than this on the references are not level."""


def relations(
    references: Sequence[Measured], labels: Sequence[str], measuring: Measuring, placed: Sequence[PositionRule]
) -> Iterator[RelationRule]:
    """Sides (of kinds that are not both kept in place), contacts and level ends of all pairs of kinds."""
    kept = {rule.part for rule in placed}
    for one, other in permutations(labels, 2):
        both = [(surest(m, one), surest(m, other)) for m in references]
        if any(not a or not b for a, b in both):
            continue
        counts = [[sum(touching(p, o) for o in b) for p in a] for a, b in both]
        yield from _touching(one, other, counts)
        yield from _level(one, other, both, measuring)
        for side in ("left of", "above") if not {one, other} <= kept else ():
            yield from _beside(side, one, other, both, measuring)


def _touching(one: str, other: str, counts: Sequence[Sequence[int]]) -> Iterator[RelationRule]:
    """Each part touches the same number of others, two or more: it joins them."""
    numbers = {c for photo in counts for c in photo}
    if len(numbers) == 1 and (number := numbers.pop()) >= 2:
        yield RelationRule(part=one, relation="touching", other=other, low=number, high=number, origin="induced")


def _level(one: str, other: str, both: Sequence[tuple], measuring: Measuring) -> Iterator[RelationRule]:  # type: ignore[type-arg]
    joins = all(sum(touching(p, o) for o in b) == 2 for a, b in both for p in a)
    found = [[u for p in a if (u := unevenness(p, b)) is not None] for a, b in both]
    if not joins or any(not u for u in found) or max(max(u) for u in found) > UNEVEN:
        return
    signed = [np.asarray([[sign * v] for v in u for sign in (-1.0, 1.0)]) for u in found]
    spread = tolerance(signed, measuring.place, measuring.worth)
    yield RelationRule(part=one, relation="level", other=other, tolerance=spread, origin="induced")


def _beside(side: Side, one: str, other: str, both: Sequence[tuple], measuring: Measuring) -> Iterator[RelationRule]:  # type: ignore[type-arg]
    found = [least_margin(side, a, b) for a, b in both]
    margins = [f[0] for f in found if f is not None]
    if len(margins) < len(both):
        return
    spread = tolerance([np.full((1, 1), m - np.mean(margins)) for m in margins], measuring.place, measuring.worth)
    if min(margins) > CLEAR * spread.spread:
        margin = round(float(np.mean(margins)), 3)
        yield RelationRule(part=one, relation=side, other=other, margin=margin, tolerance=spread, origin="induced")
