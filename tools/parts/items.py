"""Cuts what the tracer saw into single things: one mask for each part that lies on a product."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tools.parts.outline import filled, window_of
from tools.types import FloatMap, Mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tools.patches.trace import Traces

SURE = 0.5
"""Probability of being of an item from which on a place belongs to one."""
LEAST = 6e-4
"""Items that cover a smaller share of the photo are taken for noise."""
NECK = 1.2
"""Two things that touch are told apart where they are joined by a neck so many pixels (at 256) thinner than both."""
THIN = 0.7
"""Such a neck is at most so wide as a share of the thinner of both: a bolt's shaft is not cut from its head."""
STRONG = 0.55
"""Things are told apart along an edge that is nowhere weaker than this."""
ONE = 0.5
"""Pieces are of one thing whose middles lie nearer than this share of the side of a square as large as the smaller."""


def items(traces: Traces) -> tuple[Mask, ...]:
    """Masks (H, W) of single things, largest first; a ring's mask is without its hole.

    Places that belong to items are cut where two things touch: at necks of the filled outline (watershed of the
    distance to it) and along strong edges between pieces that are more than an outline wide. What is joined more
    broadly than that stays whole, since a thing that is cut now here and now there is like no other. Pieces that point
    to one middle are one thing again: a capsule of two colours, a bolt's head and its shaft.
    """
    from scipy.ndimage import find_objects

    of_item = traces.items > SURE
    if not of_item.any():
        return ()
    pieces = _at_necks(filled(of_item), traces.items.shape)
    found: list[Mask] = []
    for number, window in enumerate(find_objects(pieces), start=1):
        if window is None:
            continue
        for part in _at_edges(pieces[window] == number, traces.edges[window]):
            inside = part & of_item[window]
            if inside.sum() >= LEAST * of_item.size:
                mask = np.zeros(of_item.shape, np.bool_)
                mask[window] = _largest(inside)
                found.append(mask)
    return tuple(sorted(_of_one_middle(found, traces.middles), key=lambda mask: -int(mask.sum())))


def _of_one_middle(pieces: Sequence[Mask], middles: FloatMap) -> list[Mask]:
    """Pieces, those put together whose places point to about the same middle."""
    from scipy.sparse.csgraph import connected_components

    if len(pieces) < 2:
        return list(pieces)
    points = np.array([np.median(middles[:, piece], axis=1) for piece in pieces])
    sides = np.sqrt([np.count_nonzero(piece) for piece in pieces])
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    count, owners = connected_components(apart < ONE * np.minimum(sides[:, None], sides[None]), directed=False)
    return [np.any([p for p, owner in zip(pieces, owners, strict=True) if owner == n], axis=0) for n in range(count)]


def _at_necks(whole: Mask, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Pieces of an outline, numbered from 1: a blob of touching discs falls apart, a bar does not."""
    from scipy.ndimage import distance_transform_edt, maximum
    from skimage.measure import label
    from skimage.morphology import h_maxima
    from skimage.segmentation import watershed

    pieces = np.zeros(shape, np.int64)
    # With a margin, since what lies around an outline decides how deep its inside is.
    window = window_of(whole, margin=2)
    outline = whole[window]
    depth = distance_transform_edt(outline)
    neck = NECK * max(shape) / 256
    tops = label(h_maxima(depth, neck) & outline)
    rest = label(outline)
    rest[np.isin(rest, np.unique(rest[tops > 0]))] = 0
    tops = np.where(rest > 0, rest + tops.max(), tops)
    cut = watershed(-depth, tops, mask=outline)
    deepest = maximum(depth, cut, range(int(cut.max()) + 1))
    broad = [(a, b) for (a, b), v in _weakest(cut, -depth).items() if -v > THIN * min(deepest[a], deepest[b])]
    pieces[window] = _joined(cut, broad)
    return pieces


def _weakest(pieces: NDArray[np.int64], values: NDArray[np.floating]) -> dict[tuple[int, int], float]:
    """Of every two pieces that touch the least value along their border, of the two pixels the larger."""
    found: dict[tuple[int, int], float] = {}
    for axis in (0, 1):
        one, other = (np.take(pieces, range(n, pieces.shape[axis] - 1 + n), axis) for n in (0, 1))
        across = np.maximum(*(np.take(values, range(n, pieces.shape[axis] - 1 + n), axis) for n in (0, 1)))
        here = (one != other) & (one > 0) & (other > 0)
        for a, b, value in zip(one[here].tolist(), other[here].tolist(), across[here].tolist(), strict=True):
            pair = min(a, b), max(a, b)
            found[pair] = min(found.get(pair, np.inf), value)
    return found


def _joined(pieces: NDArray[np.int64], pairs: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """Pieces of which some are one, numbered from 1."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = int(pieces.max()) + 1
    rows, columns = np.array(pairs, np.int64).reshape(-1, 2).T
    _, owners = connected_components(coo_array((np.ones(len(rows)), (rows, columns)), (count, count)), directed=False)
    # What is no piece is never joined, and stays the first.
    found: NDArray[np.int64] = owners.astype(np.int64)[pieces]
    return found


def _at_edges(piece: Mask, edges: NDArray[np.float32]) -> list[Mask]:
    """A piece, or the two or more broad things that a strong edge right through it tells apart."""
    from skimage.measure import label
    from skimage.segmentation import watershed

    cores = label(piece & (edges < SURE))
    sizes = np.bincount(cores.ravel())[1:]
    broad = np.flatnonzero(sizes > 0.15 * piece.sum()) + 1
    if len(broad) < 2 or _holds(cores, broad):
        return [piece]
    cut = watershed(edges, np.where(np.isin(cores, broad), cores, 0), mask=piece)
    whole = _joined(cut, [pair for pair, weakest in _weakest(cut, edges).items() if weakest < STRONG])
    return [whole == number for number in np.unique(whole[whole > 0])]


def _holds(cores: NDArray[np.int64], broad: NDArray[np.int64]) -> bool:
    """Whether one core lies within another's outline, as the middle of a ring does: that is one thing."""
    for number in broad:
        others = np.isin(cores, broad[broad != number])
        if (filled(cores == number) & others).any():
            return True
    return False


def _largest(mask: Mask) -> Mask:
    from skimage.measure import label

    parts = label(mask)
    if parts.max() <= 1:
        return mask
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    largest: Mask = parts == sizes.argmax()
    return largest
