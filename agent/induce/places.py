"""Places that recur: one for each part, or a zone that holds them all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from agent.induce.spreads import Measuring, tidy, tolerance
from agent.rules.base import Measured, surest
from agent.rules.position import PositionRule, Zone
from agent.rules.surprise import Tolerance

APART = 4.0
"""Places are told apart when they are so many spreads from each other."""
WIDE = 0.35
"""A zone, or places together, of more than this share of the product says too little."""


def positions(references: Sequence[Measured], labels: Sequence[str], measuring: Measuring) -> Iterator[PositionRule]:
    """Where each kind of part lies, wherever that is narrower than the product."""
    for label in labels:
        found = [_places(m, label) for m in references]
        if any(len(p) == 0 for p in found):
            continue
        rule = _own_places(label, found, measuring) or _zone(label, found, measuring)
        if rule is not None:
            yield rule


def _places(measured: Measured, label: str) -> NDArray[np.float64]:
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
