"""Outlines of masks, looked at no further than their boxes reach."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tools.types import Mask

Window = tuple[slice, slice]
"""Rows and columns."""


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
    from scipy.ndimage import label

    window = window_of(mask)
    ways = np.ones((3, 3)) if corners else None
    pieces, count = label(np.pad(~mask[window], 1, constant_values=True), ways)
    if count <= 1:
        return mask.copy()
    whole = mask.copy()
    whole[window] = (pieces != pieces[0, 0])[1:-1, 1:-1]
    return whole


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
