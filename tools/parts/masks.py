"""Operations on masks, and the masks of single items from the tracer's edges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import scipy
import skimage
from numpy.typing import NDArray
from PIL import Image

from tools.types import Box, FloatMap, Mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tools.anomaly.damage import Traces

Window = tuple[slice, slice]
"""Rows and columns."""


def box_of(mask: Mask) -> Box:
    """The smallest box around a mask; all zeros for an empty one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return Box(0.0, 0.0, 0.0, 0.0)
    return Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def moved_to(mask: Mask, box: Box, size: tuple[int, int]) -> Mask:
    """The shape of a mask, stretched to a box.

    Args:
        mask: (h, w), not empty.
        box: where its shape is wanted, in pixels of a photo.
        size: (width, height) of that photo.

    >>> moved_to(np.ones((2, 2), dtype=np.bool_), Box(1, 0, 3, 1), (4, 2)).astype(int).tolist()
    [[0, 1, 1, 0], [0, 0, 0, 0]]
    """
    x0, y0, x1, y1 = (round(v) for v in box.clipped(*size))
    moved = np.zeros((size[1], size[0]), dtype=np.bool_)
    shape = Image.fromarray(mask[window_of(mask)].astype(np.uint8) * 255)
    if x1 > x0 and y1 > y0:
        moved[y0:y1, x0:x1] = np.asarray(shape.resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR)) > 127
    return moved


def window_of(mask: Mask, margin: int = 0) -> Window:
    """The rows and columns that a mask spans, and a margin of pixels inside the photo; all for an empty one.

    >>> window_of(np.eye(4, dtype=np.bool_)[:2], margin=1)
    (slice(0, 2, None), slice(0, 3, None))
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return slice(0, mask.shape[0]), slice(0, mask.shape[1])
    return (
        slice(max(int(rows[0]) - margin, 0), min(int(rows[-1]) + 1 + margin, mask.shape[0])),
        slice(max(int(columns[0]) - margin, 0), min(int(columns[-1]) + 1 + margin, mask.shape[1])),
    )


def filled(mask: Mask, *, corners: bool = False) -> Mask:
    """The mask with its holes, which are what ways from the photo's border do not reach.

    Args:
        mask: (H, W).
        corners: whether ways lead over corners too, rather than over sides alone.
    """
    window = window_of(mask)
    ways = np.ones((3, 3)) if corners else None
    pieces, count = scipy.ndimage.label(np.pad(~mask[window], 1, constant_values=True), ways)
    if count <= 1:
        return mask.copy()
    whole = mask.copy()
    whole[window] = (pieces != pieces[0, 0])[1:-1, 1:-1]
    return whole


def enlarged(mask: Mask, size: tuple[int, int]) -> Mask:
    """A mask at a photo's (width, height); never empty where the mask is not.

    >>> enlarged(np.ones((21, 21), dtype=np.bool_), (97, 97)).all()
    np.True_
    """
    width, height = size
    if mask.shape == (height, width):
        return mask
    rows, columns = window_of(mask, margin=1)
    down, across = height / mask.shape[0], width / mask.shape[1]
    # Only the pixels of the photo that the mask can reach.
    top, bottom = int(rows.start * down), min(math.ceil(rows.stop * down), height)
    left, right = int(columns.start * across), min(math.ceil(columns.stop * across), width)
    small = Image.fromarray(mask.astype(np.uint8) * 255)
    box = left / across, top / down, min(right / across, small.width), min(bottom / down, small.height)
    for way in (Image.Resampling.BILINEAR, Image.Resampling.NEAREST):
        large = np.zeros((height, width), np.bool_)
        large[top:bottom, left:right] = np.asarray(small.resize((right - left, bottom - top), way, box)) > 127
        if large.any():
            break
    return large


def grown(mask: Mask) -> Mask:
    """The mask and its four-connected neighbours.

    >>> grown(np.array([[True, False, False]])).tolist()
    [[True, True, False]]
    """
    found = mask.copy()
    found[1:] |= mask[:-1]
    found[:-1] |= mask[1:]
    found[:, 1:] |= mask[:, :-1]
    found[:, :-1] |= mask[:, 1:]
    return found


def shrunk(mask: Mask) -> Mask:
    """The mask without pixels that have a four-connected neighbour outside of it, or outside of the photo.

    >>> shrunk(np.ones((3, 3), np.bool_)).sum()
    np.int64(1)
    """
    found = np.zeros_like(mask)
    found[1:-1, 1:-1] = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    return found


def mean_along(mask: Mask, values: NDArray[np.float32]) -> float:
    """Mean of values (H, W) on the outer outline of a mask, that at the photo's border left out; 0 without any."""
    window = window_of(mask, margin=1)
    inside = mask[window]
    outline = grown(inside) & ~inside
    return float(values[window][outline].mean()) if outline.any() else 0.0


def shared(masks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(N, N): pixels that each two of N masks have in common.

    >>> shared(np.array([[[True, True]], [[True, False]]])).tolist()
    [[2, 1], [1, 1]]
    """
    count = len(masks)
    bits = np.packbits(masks.reshape(count, -1), axis=1)
    # Words of eight bytes, the last one filled up with zeros.
    words = np.pad(bits, ((0, 0), (0, -bits.shape[1] % 8))).view(np.uint64)
    found = np.zeros((count, count), np.int64)
    for n in range(count):
        found[n, n:] = found[n:, n] = np.bitwise_count(words[n:] & words[n]).sum(axis=1)
    return found


SURE = 0.5
"""Probability of being of an item from which on a place belongs to one."""
LEAST_OF_ITEM = 6e-4
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
    of_item = traces.items > SURE
    if not of_item.any():
        return ()
    pieces = _at_necks(filled(of_item), traces.items.shape)
    found: list[Mask] = []
    for number, window in enumerate(scipy.ndimage.find_objects(pieces), start=1):
        if window is None:
            continue
        for part in _at_edges(pieces[window] == number, traces.edges[window]):
            inside = part & of_item[window]
            if inside.sum() >= LEAST_OF_ITEM * of_item.size:
                mask = np.zeros(of_item.shape, np.bool_)
                mask[window] = _largest(inside)
                found.append(mask)
    return tuple(sorted(_of_one_middle(found, traces.middles), key=lambda mask: -int(mask.sum())))


def _of_one_middle(pieces: Sequence[Mask], middles: FloatMap) -> list[Mask]:
    """Pieces, those put together whose places point to about the same middle."""
    if len(pieces) < 2:
        return list(pieces)
    points = np.array([np.median(middles[:, piece], axis=1) for piece in pieces])
    sides = np.sqrt([np.count_nonzero(piece) for piece in pieces])
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    count, owners = scipy.sparse.csgraph.connected_components(
        apart < ONE * np.minimum(sides[:, None], sides[None]), directed=False
    )
    return [np.any([p for p, owner in zip(pieces, owners, strict=True) if owner == n], axis=0) for n in range(count)]


def _at_necks(whole: Mask, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Pieces of an outline, numbered from 1: a blob of touching discs falls apart, a bar does not."""
    pieces = np.zeros(shape, np.int64)
    # With a margin, since what lies around an outline decides how deep its inside is.
    window = window_of(whole, margin=2)
    outline = whole[window]
    depth = scipy.ndimage.distance_transform_edt(outline)
    neck = NECK * max(shape) / 256
    tops = skimage.measure.label(skimage.morphology.h_maxima(depth, neck) & outline)
    rest = skimage.measure.label(outline)
    rest[np.isin(rest, np.unique(rest[tops > 0]))] = 0
    tops = np.where(rest > 0, rest + tops.max(), tops)
    cut = skimage.segmentation.watershed(-depth, tops, mask=outline)
    deepest = scipy.ndimage.maximum(depth, cut, range(int(cut.max()) + 1))
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
    count = int(pieces.max()) + 1
    rows, columns = np.array(pairs, np.int64).reshape(-1, 2).T
    _, owners = scipy.sparse.csgraph.connected_components(
        scipy.sparse.coo_array((np.ones(len(rows)), (rows, columns)), (count, count)), directed=False
    )
    # What is no piece is never joined, and stays the first.
    found: NDArray[np.int64] = owners.astype(np.int64)[pieces]
    return found


def _at_edges(piece: Mask, edges: NDArray[np.float32]) -> list[Mask]:
    """A piece, or the two or more broad things that a strong edge right through it tells apart."""
    cores = skimage.measure.label(piece & (edges < SURE))
    sizes = np.bincount(cores.ravel())[1:]
    broad = np.flatnonzero(sizes > 0.15 * piece.sum()) + 1
    if len(broad) < 2 or _holds(cores, broad):
        return [piece]
    cut = skimage.segmentation.watershed(edges, np.where(np.isin(cores, broad), cores, 0), mask=piece)
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
    parts = skimage.measure.label(mask)
    if parts.max() <= 1:
        return mask
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    largest: Mask = parts == sizes.argmax()
    return largest
