"""Measures the shape of a mask: spot, line, branching line, ring or patch; its direction, size and pieces."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
import skimage
from numpy.typing import NDArray

from tools.describe.description import Attribute, Course, Orientation, RegionShape
from tools.parts.masks import filled, window_of
from tools.types import Mask

STATED = 0.75
"""Confidence from which on an attribute is stated."""
STEEPNESS = 6.0
"""How quickly confidence rises with the logarithm of the distance from a limit: 15 % beyond it is 0.7."""
LINE = 3.5
"""A line is longer than so many times its width."""
LONG = 2.0
"""A straight line is so many times as long as wide along its main axes; a curved or branching one need not be, but"""
HOLLOW = 0.45
"""covers less than this share of its convex hull."""
LARGE_SPOT = 0.09
"""A spot's size (square root of the area) is at most this share of the product's."""
RING_HOLE = 0.25
"""A ring encloses at least this share of what is within its outline."""
LONE_PIECE = 0.2
"""Pieces smaller than this share of the largest are not counted."""
NEAR, APART = 0.5, 1.0
"""Pieces are one where the gap between them is below the first share of the smallest one's size, and several where it
is above the second; between the two their number is not stated."""
BRANCH = 0.25
"""A branch is at least this share of the line's length, and longer than 1.5 times its width."""
CURVED = 0.09
"""A curved line leaves the straight one between its ends by more than this share of its length."""


@dataclass(frozen=True)
class MeasuredShape:
    """Shape of a mask; lengths in pixels."""

    length: float
    width: float
    area: float
    shape: Attribute[RegionShape] | None
    orientation: Attribute[Orientation] | None
    course: Attribute[Course] | None
    count: Attribute[int] | None


@dataclass(frozen=True)
class Skeleton:
    """The middle line of one piece."""

    length: float
    """Of the longest path between two ends."""
    width: float
    """Mean width of the piece along it."""
    bend: float
    """Largest distance of that path from the straight line between those ends, as a share of its length."""
    branches: int
    """Long branches that leave the longest path."""


def beyond(value: float, limit: float) -> float:
    """Confidence in [0, 1] that a positive value lies above a limit; 0.5 at the limit.

    >>> beyond(2.0, 2.0)
    0.5
    >>> beyond(3.0, 2.0) > 0.9 > 0.1 > beyond(1.3, 2.0)
    True
    """
    exponent = STEEPNESS * math.log(max(value, 1e-9) / limit)
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, exponent))))


def decided(confidence: float) -> bool:
    """Whether a confidence is high enough for an attribute to be stated."""
    return confidence >= STATED


def measure_shape(mask: Mask, product_unit: float) -> MeasuredShape:
    """Measure the shape of a mask that is not empty.

    Args:
        mask: (H, W).
        product_unit: square root of the product's area, in pixels.
    """
    window = mask[window_of(mask, margin=1)]
    pieces = alike_pieces(window, NEAR)
    main = pieces[0]
    skeleton = _skeleton(main)
    area = float(np.count_nonzero(main))
    length, width, angle, ratio = _axes(main)
    # The skeleton ends half a width before the piece does.
    course_length = skeleton.length + skeleton.width
    line = min(
        beyond(course_length / skeleton.width, LINE), max(beyond(ratio, LONG), beyond(HOLLOW / _solidity(main), 1.0))
    )
    shape = _shape(main, skeleton, line, math.sqrt(area) / product_unit)
    is_line = shape is not None and shape.value in ("line", "branching_line")
    if is_line:
        length, width = course_length, skeleton.width
    if len(pieces) > 1 and not is_line:
        length, width, angle, ratio = _axes(window)
    return MeasuredShape(
        length,
        width,
        float(np.count_nonzero(mask)),
        shape,
        _orientation(angle, ratio),
        _course(skeleton) if is_line else None,
        _count(window, pieces),
    )


def alike_pieces(mask: Mask, gap: float) -> list[Mask]:
    """The pieces of a mask, largest first, without those that are small beside the largest.

    Args:
        mask: (H, W), not empty.
        gap: pieces are joined that are nearer than this share of the smallest one's size (square root of its area).
    """
    labels, number = scipy.ndimage.label(mask, structure=np.ones((3, 3)))
    if number == 1:
        return [mask]
    sizes = np.bincount(labels.ravel())[1:]
    kept = np.isin(labels, 1 + np.flatnonzero(sizes >= LONE_PIECE * sizes.max()))
    smallest = float(sizes[sizes >= LONE_PIECE * sizes.max()].min())
    reach = max(1, round(gap * math.sqrt(smallest) / 2))
    joined, number = scipy.ndimage.label(scipy.ndimage.binary_dilation(np.pad(kept, reach), iterations=reach))
    joined = joined[reach:-reach, reach:-reach]
    found = [kept & (joined == n) for n in range(1, number + 1)]
    return sorted(found, key=lambda piece: -int(np.count_nonzero(piece)))


def _count(mask: Mask, pieces: list[Mask]) -> Attribute[int] | None:
    """The number of pieces; None where it depends on how far apart separate pieces are, or on small ones."""
    if len(alike_pieces(mask, APART)) != len(pieces):
        return None
    sizes = [int(np.count_nonzero(piece)) for piece in pieces]
    if len(pieces) == 1:
        confidence = sizes[0] / int(np.count_nonzero(mask))
    else:
        confidence = beyond(min(sizes) / max(sizes), LONE_PIECE)
    return Attribute(len(pieces), confidence) if decided(confidence) else None


def _shape(main: Mask, skeleton: Skeleton, line: float, size: float) -> Attribute[RegionShape] | None:
    """The shape of one piece, given the confidence that it is a line and its size in units of the product."""
    area = np.count_nonzero(main)
    hole = 1 - area / np.count_nonzero(filled(main))
    ring = beyond(hole, RING_HOLE) if hole > 0 else 0.0
    if decided(ring):
        return Attribute("ring", ring)
    if decided(line):
        return Attribute("branching_line" if skeleton.branches else "line", line)
    spot = 1 - beyond(size, LARGE_SPOT)
    confidence = min(1 - line, 1 - ring, max(spot, 1 - spot))
    if not decided(confidence):
        return None
    return Attribute("spot" if spot >= 0.5 else "patch", confidence)


def _orientation(angle: float, ratio: float) -> Attribute[Orientation] | None:
    """The direction of an axis at `angle` degrees (counter-clockwise from x) of a piece so many times as long as wide.

    The limits between the directions lie at 22.5, 67.5, ... degrees.
    """
    long = beyond(ratio, LONG)
    names: tuple[Orientation, ...] = ("horizontal", "rising", "vertical", "falling")
    nearest = round(angle / 45.0)
    off = abs(angle - 45.0 * nearest) / 22.5
    confidence = long * (1 - 0.5 * off**2)
    return Attribute(names[nearest % 4], confidence) if decided(confidence) else None


def _course(skeleton: Skeleton) -> Attribute[Course] | None:
    # Half a pixel of the bend may come from the grid.
    curved = beyond(max(skeleton.bend - 0.5 / skeleton.length, 1e-3), CURVED)
    if not decided(max(curved, 1 - curved)):
        return None
    return Attribute("curved", curved) if curved > 0.5 else Attribute("straight", 1 - curved)


def _solidity(mask: Mask) -> float:
    """Share of its convex hull that a mask covers."""
    return float(mask.sum() / skimage.morphology.convex_hull_image(mask).sum())


def _axes(mask: Mask) -> tuple[float, float, float, float]:
    """(length, width, angle in degrees counter-clockwise from x, length over width) along the main axes."""
    rows, columns = np.nonzero(mask)
    x, y = columns - columns.mean(), rows.mean() - rows
    values, vectors = np.linalg.eigh(np.cov(np.stack([x, y]), bias=True) + np.eye(2) / 12)
    angle = math.degrees(math.atan2(vectors[1, 1], vectors[0, 1]))
    along, across = vectors[:, 1] @ np.stack([x, y]), vectors[:, 0] @ np.stack([x, y])
    return float(np.ptp(along)) + 1, float(np.ptp(across)) + 1, angle, math.sqrt(values[1] / values[0])


def _skeleton(mask: Mask) -> Skeleton:
    """The longest path along the skeleton of a piece, and how many long branches leave it."""
    smooth = scipy.ndimage.binary_closing(np.pad(mask, 2))
    rows, columns = np.nonzero(skimage.morphology.skeletonize(smooth))
    number = len(rows)
    width = max(1.0, 2 * float(scipy.ndimage.distance_transform_edt(smooth)[rows, columns].mean()) - 1)
    if number < 2:
        return Skeleton(1.0, width, 0.0, 0)
    index = np.full(smooth.shape, -1)
    index[rows, columns] = np.arange(number)
    starts, ends, costs = [], [], []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        other = index[np.minimum(rows + down, smooth.shape[0] - 1), np.clip(columns + right, 0, smooth.shape[1] - 1)]
        here = np.flatnonzero(other >= 0)
        starts.append(here)
        ends.append(other[here])
        costs.append(np.full(len(here), math.hypot(down, right)))
    graph = scipy.sparse.coo_array(
        (np.concatenate(costs), (np.concatenate(starts), np.concatenate(ends))), shape=(number, number)
    ).tocsr()
    first = _farthest(scipy.sparse.csgraph.dijkstra(graph, directed=False, indices=0))
    distances, before = scipy.sparse.csgraph.dijkstra(graph, directed=False, indices=first, return_predecessors=True)
    last = _farthest(distances)
    path = _path(before, first, last)
    length = float(distances[last])
    branches = _branches(graph, path, number, max(BRANCH * length, 1.5 * width))
    down, right = rows[path] - rows[first], columns[path] - columns[first]
    chord = max(math.hypot(float(down[0]), float(right[0])), 1.0)
    bend = float(np.abs(down * right[0] - right * down[0]).max()) / chord / max(length, 1.0)
    return Skeleton(max(length, 1.0), width, bend, branches)


def _farthest(distances: NDArray[np.float64]) -> int:
    return int(np.where(np.isfinite(distances), distances, -1).argmax())


def _path(before: NDArray[np.int32], first: int, last: int) -> NDArray[np.intp]:
    """Pixels from `last` back to `first`."""
    path = [last]
    while path[-1] != first:
        path.append(int(before[path[-1]]))
    return np.array(path)


def _branches(graph: Any, path: NDArray[np.intp], number: int, least: float) -> int:
    """How many pieces of a skeleton, without its longest path, reach at least so far from that path."""
    away = scipy.sparse.csgraph.dijkstra(graph, directed=False, indices=path, min_only=True)
    rest = np.setdiff1d(np.arange(number), path)
    if not len(rest):
        return 0
    count, owners = scipy.sparse.csgraph.connected_components(graph[rest][:, rest], directed=False)
    return sum(float(away[rest[owners == n]].max()) >= least for n in range(count))
