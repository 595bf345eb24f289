"""Induces rules on places, zones, directions and relations of parts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from agent.rules.base import MeasuredParts, surest
from agent.rules.induction.sizes import Measuring, tidy, tolerance
from agent.rules.likelihood import Tolerance
from agent.rules.placement import DirectionRule, PositionRule, Zone, between_axes
from agent.rules.relation import RelationRule, Side, least_margin, touching, unevenness
from tools.types import Measures

APART = 4.0
"""Places are told apart when they are so many spreads from each other."""
WIDE = 0.35
"""A zone, or places together, of more than this share of the product says too little."""


def positions(
    references: Sequence[MeasuredParts], labels: Sequence[str], measuring: Measuring
) -> Iterator[PositionRule]:
    """Where each kind of part lies, wherever that is narrower than the product."""
    for label in labels:
        found = [_places(m, label) for m in references]
        if any(len(p) == 0 for p in found):
            continue
        rule = _own_places(label, found, measuring) or _zone(label, found, measuring)
        if rule is not None:
            yield rule


def _places(measured: MeasuredParts, label: str) -> NDArray[np.float64]:
    known = [p.measures.place for p in surest(measured, label) if p.measures is not None and p.measures.place]
    return np.asarray(known, dtype=np.float64).reshape(-1, 2)


def _own_places(label: str, found: Sequence[NDArray[np.float64]], measuring: Measuring) -> PositionRule | None:
    """A place for each part, where every reference has as many and they recur within narrow bounds."""
    many = len(found[0])
    if any(len(p) != many for p in found):
        return None
    means, ordered = matched(found)
    off = [p - means for p in ordered]
    across, down = (
        tolerance([o[:, k : k + 1] for o in off], measuring.place, measuring.worth, lost=many - 1) for k in (0, 1)
    )
    scale = np.array([across.spread, down.spread])
    if many > 1:
        gaps = [float(np.abs((a - b) / scale).max()) for n, a in enumerate(means) for b in means[:n]]
        if min(gaps) < APART:
            return None
    if many * APART**2 * float(scale.prod()) > WIDE:
        return None
    places = tuple((x, y) for x, y in (tidy(m) for m in means))
    return PositionRule(part=label, places=places, across=across, down=down, origin="induced")


def matched(
    found: Sequence[NDArray[np.float64]], rounds: int = 3
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Mean places (m, 2), and the parts of each photo in their order, by repeated cheapest assignment."""
    from scipy.optimize import linear_sum_assignment

    means, ordered = found[0], list(found)
    for _ in range(rounds):
        for n, places in enumerate(found):
            cost = ((means[:, None] - places[None]) ** 2).sum(axis=2)
            ordered[n] = places[linear_sum_assignment(cost)[1]]
        means = np.mean(ordered, axis=0)
    return means, ordered


def _zone(label: str, found: Sequence[NDArray[np.float64]], measuring: Measuring) -> PositionRule | None:
    """The box that holds all parts of a kind; how far the next may go beyond it, by how densely they fill it."""
    everywhere = np.concatenate(found)
    many = len(everywhere)
    if many < 3:
        return None
    low, high = everywhere.min(axis=0), everywhere.max(axis=0)
    # Parts exactly in a row span no area; the zone is then as wide as their places are sure.
    flat = (high - low < 2 * measuring.place) * measuring.place
    low, high = low - flat, high + flat
    step = (high - low) / (many - 1)
    if float(np.prod(high - low + 2 * step)) > WIDE:
        return None
    free = float(len(found) - 1 + measuring.worth)
    across, down = (Tolerance(spread=round(math.hypot(measuring.place, float(s)), 4), freedom=free) for s in step)
    zone = Zone(left=round(low[0], 3), right=round(high[0], 3), top=round(low[1], 3), bottom=round(high[1], 3))
    return PositionRule(part=label, zone=zone, across=across, down=down, origin="induced")


SLENDER = 1.3
"""A part has an axis when it is so many times longer than wide."""
ANY_WAY = 20.0
"""Axes that spread by more degrees than this point any way."""
CLEAR = 3.0
"""A lighter side is one when it is so many spreads from the middle, across or down."""


def directions(
    references: Sequence[MeasuredParts], labels: Sequence[str], measuring: Measuring
) -> Iterator[DirectionRule]:
    """The direction of each kind of part that has one on all references."""
    for label in labels:
        found = [[p.measures for p in surest(m, label) if p.measures is not None] for m in references]
        if any(not measures for measures in found):
            continue
        for rule in (_turn(label, found, measuring), _heading(label, found, measuring)):
            if rule is not None:
                yield rule


def _turn(label: str, found: Sequence[Sequence[Measures]], measuring: Measuring) -> DirectionRule | None:
    measures = [m for photo in found for m in photo]
    if any(m.turn is None or m.length < SLENDER * m.width for m in measures):
        return None
    turns = [np.asarray([m.turn for m in photo], dtype=np.float64) for photo in found]
    doubled = np.radians(2 * np.concatenate(turns))
    mean = float(np.degrees(np.arctan2(np.sin(doubled).mean(), np.cos(doubled).mean())) / 2)
    off = [np.asarray([[between_axes(float(t), mean)] for t in photo]) for photo in turns]
    spread = tolerance(off, measuring.turn, measuring.worth)
    if spread.spread > ANY_WAY:
        return None
    return DirectionRule(part=label, turn=round(mean, 1), tolerance=spread, origin="induced")


def _heading(label: str, found: Sequence[Sequence[Measures]], measuring: Measuring) -> DirectionRule | None:
    headings = [np.asarray([m.heading for m in photo if m.heading is not None]).reshape(-1, 2) for photo in found]
    if any(len(h) == 0 for h in headings):
        return None
    mean = np.mean([h.mean(axis=0) for h in headings], axis=0)
    across, down = (
        tolerance([h[:, k : k + 1] - mean[k] for h in headings], measuring.heading, measuring.worth) for k in (0, 1)
    )
    if abs(mean[0]) < CLEAR * across.spread and abs(mean[1]) < CLEAR * down.spread:
        return None
    x, y = tidy(mean)
    return DirectionRule(part=label, heading=(x, y), tolerance=across, down=down, origin="induced")


CLEAR_MARGIN = 3.0
"""One kind is beside another when the margin between them is so many spreads."""
UNEVEN = 0.15
"""Ends that differ in height by more than this on the references are not level."""


def relations(
    references: Sequence[MeasuredParts], labels: Sequence[str], measuring: Measuring, placed: Sequence[PositionRule]
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
    if min(margins) > CLEAR_MARGIN * spread.spread:
        margin = round(float(np.mean(margins)), 3)
        yield RelationRule(part=one, relation=side, other=other, margin=margin, tolerance=spread, origin="induced")
