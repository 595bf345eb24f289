"""Where labels go on a photo: beside what they name, off each other, and off what is shown, as far as there is room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.types import Box

STEP = 6
"""Pixels between the places that are tried for a plate."""
COVERS = 3.0
"""What covering a shown thing entirely costs, in plates' widths of distance."""
GAP = 3.0
"""Pixels between a plate and the box that it names."""


@dataclass(frozen=True)
class Plate:
    """One label's place."""

    box: Box
    leader: tuple[tuple[float, float], tuple[float, float]] | None
    """From the plate to what it names, where it is not right beside it."""


def placed(
    sizes: Sequence[tuple[float, float]], boxes: Sequence[Box], shown: Sequence[Box], size: tuple[int, int]
) -> list[Plate]:
    """A plate for each box, in the order given; earlier ones have the choice.

    Args:
        sizes: (width, height) of the plates, each at most that of the picture.
        boxes: what they name.
        shown: everything that is drawn and had better be seen.
        size: (width, height) of the picture.
    """
    taken: list[Box] = []
    found = []
    for (width, height), box in zip(sizes, boxes, strict=True):
        plate = _best(width, height, box, shown, taken, size)
        taken.append(plate)
        found.append(Plate(plate, _leader(plate, box)))
    return found


def _best(
    width: float, height: float, box: Box, shown: Sequence[Box], taken: Sequence[Box], size: tuple[int, int]
) -> Box:
    """The cheapest place: near its box, off the others; on a plate only where there is no other room."""
    right, bottom = max(size[0] - width, 0.0), max(size[1] - height, 0.0)
    xs = np.unique(np.clip([*np.arange(0, right + STEP, STEP), box.x0, box.x1 - width, box.x1 + GAP], 0, right))
    ys = np.unique(np.clip([*np.arange(0, bottom + STEP, STEP), box.y0 - height - GAP, box.y1 + GAP], 0, bottom))
    x, y = (v.ravel() for v in np.meshgrid(xs, ys))
    places = np.stack([x, y, x + width, y + height], axis=1)
    across = np.maximum(0, np.maximum(places[:, 0] - box.x1, box.x0 - places[:, 2]))
    down = np.maximum(0, np.maximum(places[:, 1] - box.y1, box.y0 - places[:, 3]))
    # Above is where people look first; a plate that starts with its box reads as its title.
    cost = np.hypot(across, down) + 0.05 * np.abs(places[:, 0] - box.x0) + 2.0 * (places[:, 1] > box.y0)
    area = width * height
    for other in shown:
        cost = cost + COVERS * width * _shared(places, other) / area
    for other in taken:
        cost = cost + 1e6 * _shared(places, other.grown(1.02)) / area
    return Box(*places[int(cost.argmin())].tolist())


def _shared(places: NDArray[np.float64], other: Box) -> NDArray[np.float64]:
    """(N,): area that each place has in common with a box."""
    across = np.minimum(places[:, 2], other.x1) - np.maximum(places[:, 0], other.x0)
    down = np.minimum(places[:, 3], other.y1) - np.maximum(places[:, 1], other.y0)
    found: NDArray[np.float64] = np.maximum(across, 0) * np.maximum(down, 0)
    return found


def _leader(plate: Box, box: Box) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """The shortest line between a plate and its box; None where they all but touch."""
    xs = _between(plate.x0, plate.x1, box.x0, box.x1)
    ys = _between(plate.y0, plate.y1, box.y0, box.y1)
    apart = np.hypot(xs[1] - xs[0], ys[1] - ys[0])
    return None if apart <= 2 * GAP else ((xs[0], ys[0]), (xs[1], ys[1]))


def _between(a0: float, a1: float, b0: float, b1: float) -> tuple[float, float]:
    """Nearest values of two ranges; where they overlap, the middle of what they share."""
    low, high = max(a0, b0), min(a1, b1)
    if low <= high:
        return (low + high) / 2, (low + high) / 2
    return (a1, b0) if a1 < b0 else (a0, b1)
