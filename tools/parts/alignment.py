"""Aligns the parts of one photo with those of another: the turn, scale and shift under which most masks overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from tools.parts.descriptors import Array, Descriptors

COARSE, FINE = 0.25, 0.1
"""Distances in units of the product that cost 0.5, at first and once the photos lie over each other."""
FAR = 8.0
"""A pair pays for so many of these at most."""
LEFT = 2.5
"""Price of a part that is left over while photos are laid over each other."""
DOUBT = 0.15
"""Distance at which a pair counts half as much for where the others go."""
SCALES = (0.85, 1.18)
"""Between these the scale may change: the camera moves, the product does not grow."""
TURNED = 0.15
"""Price of a quarter turn, so that it is taken only where it explains more."""
ROUNDS = 3

Points = NDArray[np.complex128]


@dataclass(frozen=True)
class Overlaid:
    """Takes places on one photo to those on another, both in product coordinates."""

    turn: complex = 1.0 + 0.0j
    shift: complex = 0.0j

    def to(self, places: Array) -> Array:
        """(N, 2) places of the one on the other."""
        return _places(_points(places) * self.turn + self.shift)

    def back(self, place: tuple[float, float]) -> tuple[float, float]:
        """A place of the other on the one."""
        z = (complex(*place) - self.shift) / self.turn
        return z.real, z.imag


def overlaid(one: Descriptors, other: Descriptors, unlike: Array) -> Overlaid:
    """The similarity that lays the segments of one photo over those of another.

    Tried from each quarter turn: segments are assigned by looks and distance, the similarity is fitted to the pairs
    (weighted least squares, Umeyama 1991), and so on; the cheapest counts.

    Args:
        one: segments of a photo, none of which overlaps another much.
        other: those of the other photo.
        unlike: (N, M), how unlike each pair is wherever it lies, 0 or more.
    """
    if not len(one) or not len(other):
        return Overlaid()
    a, b = _points(one.place), _points(other.place)
    weight = np.exp(one.shape[:, 0] / 4)
    tries = []
    for quarter in range(4):
        found = Overlaid(1j**quarter)
        for step in range(ROUNDS):
            rows, columns, _ = _paired(a * found.turn + found.shift, b, unlike, COARSE if step == 0 else FINE)
            if len(rows) < 2:
                break
            off = np.abs(a[rows] * found.turn + found.shift - b[columns])
            sure = weight[rows] * np.exp(-0.3 * unlike[rows, columns]) / (1 + (off / DOUBT) ** 2)
            found = _fitted(a[rows], b[columns], sure, found)
        *_, cost = _paired(a * found.turn + found.shift, b, unlike, FINE)
        tries.append((cost + TURNED * (quarter > 0), quarter, found))
    return min(tries, key=lambda t: t[:2])[2]


def _paired(a: Points, b: Points, unlike: Array, unit: float) -> tuple[NDArray[np.intp], NDArray[np.intp], float]:
    """Rows and columns of the cheapest assignment, each segment left over at its price, and what it costs."""
    n, m = unlike.shape
    costs = np.full((n + m, n + m), LEFT)
    costs[n:, m:] = 0.0
    costs[:n, :m] = unlike + 0.5 * np.minimum(np.abs(a[:, None] - b[None]) / unit, FAR)
    rows, columns = scipy.optimize.linear_sum_assignment(costs)
    real = (rows < n) & (columns < m)
    return rows[real], columns[real], float(costs[rows, columns].sum())


def _fitted(a: Points, b: Points, weight: Array, before: Overlaid) -> Overlaid:
    """The similarity with the least weighted squares; shift alone where all points are one."""
    share = weight / weight.sum()
    middle, target = complex(share @ a), complex(share @ b)
    spread = float(share @ np.abs(a - middle) ** 2)
    if spread < 1e-6:
        return Overlaid(before.turn, target - before.turn * middle)
    turn = complex(share @ (np.conj(a - middle) * (b - target))) / spread
    turn *= float(np.clip(abs(turn), *SCALES)) / max(abs(turn), 1e-9)
    return Overlaid(turn, target - turn * middle)


def _points(places: Array) -> Points:
    found: Points = places[:, 0] + 1j * places[:, 1]
    return found


def _places(points: Points) -> Array:
    return np.stack([points.real, points.imag], axis=1)
