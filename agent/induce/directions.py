"""Directions that recur: of a part's main axis, and of its lighter side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from agent.induce.spreads import Measuring, tidy, tolerance
from agent.rules.base import Measured, surest
from agent.rules.direction import DirectionRule, between_axes
from tools.types import Measures

SLENDER = 1.3
"""A part has an axis when it is so many times longer than wide."""
ANY_WAY = 20.0
"""Axes that spread by more degrees than this point any way."""
CLEAR = 3.0
"""A lighter side is one when it is so many spreads from the middle, across or down."""


def directions(references: Sequence[Measured], labels: Sequence[str], measuring: Measuring) -> Iterator[DirectionRule]:
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
