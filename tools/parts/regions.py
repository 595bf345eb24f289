"""Regions of a photo that its own edges enclose: proposals of parts that need no model.

The photo is cut into small pieces (Felzenszwalb and Huttenlocher 2004), and the two neighbours with the weakest edge
between them are merged again and again, as in hierarchical contour maps (Arbelaez et al. 2011). Every piece
that is ever made is a region; one whose outline is strong beside what it holds stands out.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.types import RGB, FloatMap, Mask

WORKING = 256
"""Pixels along the longer side at which regions are looked for."""
SCALE, SIGMA, LEAST = 100.0, 0.6, 20
"""Of the first cut: the larger the scale the larger its pieces; their smoothing and least size in pixels."""
CALM = 0.3
"""Where an edge is less likely than this, a piece is."""
LARGEST = 0.6
"""A region covers at most this share of the photo."""


@dataclass(frozen=True, eq=False)
class Rim:
    """One region of the tree."""

    mask: Mask
    """(h, w) at the working size."""
    outer: float
    """Mean edge strength along its outline when it was merged into something larger, in CIELAB units a pixel."""
    inner: float
    """The strongest edge that it was itself merged across; 0 for a piece of the first cut."""


def regions(image: RGB, edges: FloatMap | None = None, most: int = 400) -> tuple[Rim, ...]:
    """Regions whose outline is stronger than what they hold, most outstanding first.

    Args:
        image: (H, W, 3).
        edges: (H, W) in [0, 1], how likely one part ends at a pixel and another begins, where a tracer knows; by
            default the photo's own changes of colour decide.
        most: at most so many.

    Returns:
        Masks at the working size, (h, w) in the photo's proportions, 256 pixels along the longer side at most.
    """
    pieces, strength = _from_colours(image) if edges is None else _from_edges(edges)
    tree = _Tree(pieces, strength)
    tree.merge()
    found = tree.found(int(LARGEST * pieces.size))
    found.sort(key=lambda r: r.inner - r.outer)
    return tuple(found[:most])


def working_size(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) at which regions of a photo of (width, height) are looked for."""
    scale = min(1.0, WORKING / max(size))
    return max(8, round(size[1] * scale)), max(8, round(size[0] * scale))


def _from_colours(image: RGB) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pieces (h, w), numbered from 0, and the strength of the changes of colour (h, w) in CIELAB units a pixel."""
    from skimage.color import rgb2lab
    from skimage.filters import gaussian
    from skimage.segmentation import felzenszwalb
    from skimage.transform import resize

    shape = working_size((image.shape[1], image.shape[0]))
    lab = rgb2lab(resize(image, (*shape, 3), anti_aliasing=True))
    down, right = np.gradient(gaussian(lab, 1.0, channel_axis=2), axis=(0, 1))
    pieces = felzenszwalb(lab / 100.0, scale=SCALE, sigma=SIGMA, min_size=LEAST, channel_axis=2)
    return pieces, np.sqrt((down**2 + right**2).sum(axis=2))


def _from_edges(edges: FloatMap) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pieces between the edges, numbered from 0, and the edges, both at the working size."""
    from skimage.measure import label
    from skimage.segmentation import watershed
    from skimage.transform import resize

    shape = working_size((edges.shape[1], edges.shape[0]))
    fine = edges.astype(np.float64)
    if fine.shape != shape:
        fine = resize(fine, shape, order=1, anti_aliasing=True)
    markers = label(fine < CALM)
    sizes = np.bincount(markers.ravel())
    markers[np.isin(markers, np.flatnonzero(sizes < LEAST // 3))] = 0
    if not markers.any():
        return np.zeros(shape, np.int64), fine
    pieces: NDArray[np.int64] = watershed(fine, markers) - 1
    return np.unique(pieces, return_inverse=True)[1].reshape(shape), fine


class _Tree:
    """Merges pieces by the weakest edge, and remembers every region on the way."""

    def __init__(self, pieces: NDArray[np.int64], edges: NDArray[np.float64]) -> None:
        self._pieces = pieces
        count = int(pieces.max()) + 1
        self._sizes: dict[int, int] = dict(enumerate(np.bincount(pieces.ravel(), minlength=count).tolist()))
        self._members: dict[int, list[int]] = {n: [n] for n in range(count)}
        self._inner: dict[int, float] = dict.fromkeys(range(count), 0.0)
        self._outer: dict[int, float] = {}
        self._all = self._count = count
        self._links = _links(pieces, edges)
        self._around: dict[int, dict[int, tuple[float, float]]] = {n: {} for n in range(count)}
        for (a, b), link in self._links.items():
            self._around[a][b] = self._around[b][a] = link

    def merge(self) -> None:
        heap = [(total / length, a, b) for (a, b), (total, length) in self._links.items()]
        heapq.heapify(heap)
        alive = set(self._members)
        while heap:
            height, a, b = heapq.heappop(heap)
            if a not in alive or b not in alive:
                continue
            new = self._all
            self._all += 1
            alive -= {a, b}
            alive.add(new)
            self._outer[a], self._outer[b] = self._strength(a), self._strength(b)
            self._members[new] = self._members[a] + self._members[b]
            self._sizes[new] = self._sizes[a] + self._sizes[b]
            self._inner[new] = max(height, self._inner[a], self._inner[b])
            around: dict[int, tuple[float, float]] = {}
            for old in (a, b):
                for other, (total, length) in self._around.pop(old).items():
                    if other in (a, b):
                        continue
                    had = around.get(other, (0.0, 0.0))
                    around[other] = (had[0] + total, had[1] + length)
                    self._around[other].pop(old, None)
            self._around[new] = around
            for other, (total, length) in around.items():
                self._around[other][new] = (total, length)
                heapq.heappush(heap, (total / length, new, other))

    def found(self, largest: int) -> list[Rim]:
        kept = []
        for n, outer in self._outer.items():
            if LEAST <= self._sizes[n] <= largest:
                member = np.zeros(self._count, np.bool_)
                member[self._members[n]] = True
                kept.append(Rim(member[self._pieces], outer, self._inner[n]))
        return kept

    def _strength(self, n: int) -> float:
        links = self._around[n].values()
        return sum(t for t, _ in links) / max(sum(length for _, length in links), 1.0)


def _links(pieces: NDArray[np.int64], edges: NDArray[np.float64]) -> dict[tuple[int, int], tuple[float, float]]:
    """For each pair of neighbours the sum of edge strength along their border, and its length in pixels."""
    found: dict[tuple[int, int], tuple[float, float]] = {}
    count = int(pieces.max()) + 1
    keys: list[Any] = []
    weights: list[Any] = []
    for one, other, e, f in (
        (pieces[:-1], pieces[1:], edges[:-1], edges[1:]),
        (pieces[:, :-1], pieces[:, 1:], edges[:, :-1], edges[:, 1:]),
    ):
        differ = one != other
        low, high = np.minimum(one, other)[differ], np.maximum(one, other)[differ]
        keys.append(low.astype(np.int64) * count + high)
        weights.append(np.maximum(e, f)[differ])
    key, weight = np.concatenate(keys), np.concatenate(weights)
    unique, inverse = np.unique(key, return_inverse=True)
    totals = np.bincount(inverse, weights=weight)
    lengths = np.bincount(inverse)
    for k, total, length in zip(unique.tolist(), totals.tolist(), lengths.tolist(), strict=True):
        found[(k // count, k % count)] = (total, float(length))
    return found
