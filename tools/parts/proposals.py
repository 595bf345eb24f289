"""Proposes segments that may be parts: from the product's mask, the tracer, the segmenter and the photo's own edges."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy
import skimage
from numpy.typing import NDArray
from PIL import Image

from tools.anomaly.damage import working_size
from tools.parts.masks import SURE, enlarged, filled, items, mean_along, shared
from tools.parts.pose import LEAST_AREA, MOST, ProductPose, find_product, pose_of, whole
from tools.types import RGB, FloatMap, Mask, Sample

if TYPE_CHECKING:
    from tools.anomaly.damage import PhotoTracer, Traces
    from tools.parts.segmentation import Segmenter

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
    tree = _MergeTree(pieces, strength)
    tree.merge()
    found = tree.found(int(LARGEST * pieces.size))
    found.sort(key=lambda r: r.inner - r.outer)
    return tuple(found[:most])


def _from_colours(image: RGB) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pieces (h, w), numbered from 0, and the strength of the changes of colour (h, w) in CIELAB units a pixel."""
    shape = working_size((image.shape[1], image.shape[0]))
    lab = skimage.color.rgb2lab(skimage.transform.resize(image, (*shape, 3), anti_aliasing=True))
    down, right = np.gradient(skimage.filters.gaussian(lab, 1.0, channel_axis=2), axis=(0, 1))
    pieces = skimage.segmentation.felzenszwalb(lab / 100.0, scale=SCALE, sigma=SIGMA, min_size=LEAST, channel_axis=2)
    return pieces, np.sqrt((down**2 + right**2).sum(axis=2))


def _from_edges(edges: FloatMap) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pieces between the edges, numbered from 0, and the edges, both at the working size."""
    shape = working_size((edges.shape[1], edges.shape[0]))
    fine = edges.astype(np.float64)
    if fine.shape != shape:
        fine = skimage.transform.resize(fine, shape, order=1, anti_aliasing=True)
    markers = skimage.measure.label(fine < CALM)
    sizes = np.bincount(markers.ravel())
    markers[np.isin(markers, np.flatnonzero(sizes < LEAST // 3))] = 0
    if not markers.any():
        return np.zeros(shape, np.int64), fine
    pieces: NDArray[np.int64] = skimage.segmentation.watershed(fine, markers) - 1
    return np.unique(pieces, return_inverse=True)[1].reshape(shape), fine


class _MergeTree:
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


TWINS = 0.75
"""Masks that overlap more than this (IoU) are one."""
FEW = 90
"""At most so many segments of a photo, the surest first."""
SMALL = 24
"""Pixels at the working size; what is smaller is noise."""
OUTSIDE = 0.5
"""A segment of which a smaller share lies on the product is of the background."""
SIDE = 10
"""Points along each side of the grid that a segmenter is asked for, where there is no tracer."""
SAME = 0.7
"""A proposal that overlaps a traced thing more than this (IoU) shows it."""
CLEAR = 0.5
"""Least strength of the outline of a thing, where there is no tracer."""
OVER = 0.5
"""Of two things that overlap by more than this share of the smaller, one is kept."""
EDGE = 0.35
"""Mean likelihood of an edge along the outline of a traced region that is worth proposing."""


@dataclass(frozen=True, eq=False)
class Proposals:
    """Segments of one photo."""

    image: RGB
    """(h, w, 3) at the working size, 256 pixels along the longer side at most."""
    masks: tuple[Mask, ...]
    """(h, w) each; the first is the product's."""
    scores: NDArray[np.float64]
    """(N,) in [0, 1]: how sure each is one thing, by its outline."""
    pose: ProductPose
    """Of the product, in pixels of the working size."""
    items: tuple[int, ...] = ()
    """Of the masks those that are taken for single things, none of which overlaps another much."""
    kinds: FloatMap | None = None
    """(K, h', w'): what kind of part each place is of; None without a tracer."""

    def overlaps(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(N, N) each: intersection over union, and over the smaller of two masks."""
        return self._pairs

    @cached_property
    def _pairs(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return _overlaps(np.stack(self.masks))


class Proposer:
    """Segments by the tracer's edges where there is one, else by the segmenter and the photo's own edges."""

    def __init__(self, segmenter: Segmenter, tracer: PhotoTracer | None = None) -> None:
        """Takes loaded tools."""
        self._segmenter = segmenter
        self._tracer = tracer

    def propose(self, sample: Sample) -> Proposals:
        """Segments of a photo of any size, the product first, then surest first."""
        small = _shrunk(sample)
        if self._tracer is None:
            chosen = _chosen(small.image, find_product(small.image), self._drawn(small))
            return replace(chosen, items=_standing_out(chosen))
        traces = self._tracer.trace([sample])[0]
        things = items(traces)
        chosen = _chosen(small.image, _traced_product(traces), _traced(small, traces, things))
        return replace(chosen, items=_kept_of(things, chosen), kinds=traces.kinds)

    def pose(self, sample: Sample) -> ProductPose:
        """The product's mask and pose alone, in pixels of the photo."""
        if self._tracer is None:
            return find_product(sample.image)
        pose = _traced_product(self._tracer.trace([sample])[0])
        return pose_of(enlarged(pose.mask, sample.size), fills=pose.fills)

    def _drawn(self, sample: Sample) -> list[tuple[Mask, float]]:
        """Regions between the photo's own edges, and whatever the segmenter draws for a grid of points."""
        width, height = sample.size
        found = [(r.mask, r.outer / (r.outer + r.inner + 2.0)) for r in regions(sample.image)]
        grid = [((i + 0.5) * width / SIDE, (j + 0.5) * height / SIDE) for j in range(SIDE) for i in range(SIDE)]
        everything = self._segmenter.everything(self._segmenter.encode(sample), grid)
        return found + [(r.mask, r.iou * r.stability) for r in everything]


def _kept_of(things: Sequence[Mask], chosen: Proposals) -> tuple[int, ...]:
    """Of the proposals the one that shows each thing, where one does."""
    if not things:
        return ()
    count = len(chosen.masks)
    iou, _ = _overlaps(np.stack([*chosen.masks, *things]))
    nearest = [(int(iou[n, :count].argmax()), float(iou[n, :count].max())) for n in range(count, count + len(things))]
    return _apart([n for n, like in nearest if like > SAME], chosen)


def _standing_out(chosen: Proposals) -> tuple[int, ...]:
    """Proposals with a clear outline, the clearest of those that overlap."""
    order = np.argsort(-chosen.scores, kind="stable").tolist()
    return _apart([n for n in order if chosen.scores[n] >= CLEAR], chosen)


def _apart(order: Sequence[int], chosen: Proposals) -> tuple[int, ...]:
    """Proposals in order, without the product's own mask and without those that overlap an earlier one."""
    _, nested = chosen.overlaps()
    kept: list[int] = []
    for n in order:
        if n != 0 and all(nested[n, k] <= OVER for k in kept):
            kept.append(n)
    return tuple(kept)


def _shrunk(sample: Sample) -> Sample:
    height, width = working_size(sample.size)
    if (width, height) == sample.size:
        return sample
    small = Image.fromarray(sample.image).resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return Sample(np.asarray(small), f"{sample.digest}:{width}x{height}")


def _traced_product(traces: Traces) -> ProductPose:
    """The product as the tracer tells it from what it lies on; all of the photo where hardly anything or all is."""
    mask = whole(filled(traces.parts > 0.5))
    fills = not LEAST_AREA <= float(mask.mean()) <= MOST
    return pose_of(np.ones(mask.shape, np.bool_) if fills else mask, fills=fills)


def _traced(sample: Sample, traces: Traces, things: Sequence[Mask]) -> list[tuple[Mask, float]]:
    """Items, whole and cut, and regions between traced edges, each with the mean edge along its outline."""
    edges = scipy.ndimage.grey_dilation(traces.edges, size=(3, 3))
    blobs = skimage.measure.label(traces.items > SURE)
    found = list(things) + [blobs == n for n in range(1, int(blobs.max()) + 1)]
    found += [r.mask for r in regions(sample.image, traces.edges) if r.outer >= EDGE]
    found += [filled(m) for m in found]
    return [(mask, mean_along(mask, edges)) for mask in found if np.count_nonzero(mask) >= SMALL]


def _chosen(image: RGB, pose: ProductPose, offers: Sequence[tuple[Mask, float]]) -> Proposals:
    """The product, and of all offers on it those that differ, surest first."""
    masks = [pose.mask, *(m for m, _ in offers)]
    scores = np.array([1.0, *(s for _, s in offers)])
    stacked = np.stack(masks)
    both = shared(stacked)
    areas = both.diagonal()
    on_product = both[0] / np.maximum(areas, 1)
    iou, _ = _over(both)
    kept: list[int] = []
    for n in np.argsort(-scores, kind="stable").tolist():
        if areas[n] >= SMALL and on_product[n] >= OUTSIDE and all(iou[n, k] <= TWINS for k in kept):
            kept.append(n)
    kept = ([0] if 0 in kept else []) + [n for n in kept if n != 0][: FEW - 1]
    return Proposals(image, tuple(masks[n] for n in kept), np.clip(scores[kept], 0, 1), pose)


def _overlaps(masks: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Intersections of all pairs of masks over their unions, and over the smaller of both."""
    return _over(shared(masks))


def _over(both: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same from the intersections' areas (N, N), each mask's own on the diagonal."""
    areas = both.diagonal()
    union = areas[:, None] + areas[None] - both
    return both / np.maximum(union, 1), both / np.maximum(np.minimum(areas[:, None], areas[None]), 1)
