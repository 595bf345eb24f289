"""Proposes segments of a photo that may be parts: masks that differ, the product itself first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tools.parts.items import items
from tools.parts.outline import filled, mean_along, shared
from tools.parts.product import LEAST, MOST, ProductPose, find_product, pose_of, whole
from tools.parts.regions import regions, working_size
from tools.types import RGB, FloatMap, Mask, Sample

if TYPE_CHECKING:
    from tools.parts.segment import Segmenter
    from tools.patches.trace import PhotoTracer, Traces

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
        traces = self._tracer.trace([small])[0]
        things = items(traces)
        chosen = _chosen(small.image, _traced_product(traces), _traced(small, traces, things))
        return replace(chosen, items=_kept_of(things, chosen), kinds=traces.kinds)

    def pose(self, sample: Sample) -> ProductPose:
        """The product's mask and pose alone, in pixels of the photo."""
        if self._tracer is None:
            return find_product(sample.image)
        small = _shrunk(sample)
        pose = _traced_product(self._tracer.trace([small])[0])
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


def enlarged(mask: Mask, size: tuple[int, int]) -> Mask:
    """A mask at a photo's (width, height); never empty where the mask is not."""
    from skimage.transform import resize

    width, height = size
    if mask.shape == (height, width):
        return mask
    large: Mask = resize(mask.astype(np.float64), (height, width), order=1) > 0.5
    return large if large.any() else resize(mask, (height, width), order=0).astype(np.bool_)


def _shrunk(sample: Sample) -> Sample:
    from PIL import Image

    height, width = working_size(sample.size)
    if (width, height) == sample.size:
        return sample
    small = Image.fromarray(sample.image).resize((width, height), Image.Resampling.LANCZOS)
    return Sample(np.asarray(small), f"{sample.digest}:{width}x{height}")


def _traced_product(traces: Traces) -> ProductPose:
    """The product as the tracer tells it from what it lies on; all of the photo where hardly anything or all is."""
    mask = whole(filled(traces.parts > 0.5))
    fills = not LEAST <= float(mask.mean()) <= MOST
    return pose_of(np.ones(mask.shape, np.bool_) if fills else mask, fills=fills)


def _traced(sample: Sample, traces: Traces, things: Sequence[Mask]) -> list[tuple[Mask, float]]:
    """Items, whole and cut, and regions between traced edges, each with the mean edge along its outline."""
    from scipy.ndimage import grey_dilation
    from skimage.measure import label

    from tools.parts.items import SURE

    edges = grey_dilation(traces.edges, size=(3, 3))
    blobs = label(traces.items > SURE)
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
