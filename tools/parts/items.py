"""Cuts what the tracer saw into single things: one mask for each part that lies on a product."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tools.parts.outline import filled, window_of
from tools.types import Mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tools.patches.trace import Traces

SURE = 0.5
"""Probability of being of an item from which on a place belongs to one."""
LEAST = 6e-4
"""Items that cover a smaller share of the photo are taken for noise."""
NECK = 1.2
"""Two things that touch are told apart where they are joined by a neck so many pixels (at 256) thinner than both."""


def items(traces: Traces) -> tuple[Mask, ...]:
    """Masks (H, W) of single things, largest first; a ring's mask is without its hole.

    Places that belong to items are cut where two things touch: at necks of the filled outline (watershed of the
    distance to it) and along strong edges between pieces that are more than an outline wide.
    """
    from scipy.ndimage import find_objects

    of_item = traces.items > SURE
    if not of_item.any():
        return ()
    pieces = _at_necks(filled(of_item), traces.items.shape)
    found: list[tuple[int, Mask]] = []
    for number, window in enumerate(find_objects(pieces), start=1):
        if window is None:
            continue
        for part in _at_edges(pieces[window] == number, traces.edges[window]):
            inside = part & of_item[window]
            if inside.sum() >= LEAST * of_item.size:
                mask = np.zeros(of_item.shape, np.bool_)
                mask[window] = largest = _largest(inside)
                found.append((int(largest.sum()), mask))
    return tuple(mask for _, mask in sorted(found, key=lambda item: -item[0]))


def _at_necks(whole: Mask, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Pieces of an outline, numbered from 1: a blob of touching discs falls apart, a bar does not."""
    from scipy.ndimage import distance_transform_edt
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
    pieces[window] = watershed(-depth, tops, mask=outline)
    return pieces


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
    return [cut == number for number in broad]


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
