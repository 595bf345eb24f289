"""LogSAD's scoring rules, stated anew over the tools of a profile, so that only the rules differ from ours.

LogSAD (Zhang et al. 2025, "Towards training-free anomaly detection with vision and language foundation models", and
its published few-shot code) scores a photo three times: its worst patch against a memory of good patches; the
histogram of its areas by kind of patch against those of the references; its instances against those of the references
by Hungarian matching, whose cost is divided by the smaller number of instances. The scores are standardised by good
validation photos, the larger of the standardised memory and matching scores goes through a sigmoid, and a rule that
is broken, such as a count, sets the result to 1. Which parts a product has, what they are called and how many there
are is written into its code for five products. For any other product something must stand in for that: kinds of
patches are clusters of the references' patches, instances are the things that our discovery proposes, and the rule is
that of a count, in force where all references agree on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import scipy
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.cluster import KMeans

from tools.anomaly.features import upsampled
from tools.types import FloatMap, Mask, Sample

if TYPE_CHECKING:
    from tools.anomaly import PatchMemory
    from tools.parts import Discoverer

Array = NDArray[np.float64]
KINDS = 8
"""Kinds of patches; LogSAD sets their number for each of its products, between 5 and 10 or so."""
SEED = 0
"""Of the clustering."""
UNMATCHED = 1.0
"""What matching costs where there is no instance, as in LogSAD."""


@dataclass(frozen=True, eq=False)
class Looked:
    """What the tools see on one photo."""

    patches: Array
    """(h, w, C) of unit length: all stages joined."""
    instances: tuple[Mask, ...]
    """(h, w) on the grid of patches."""
    count: int
    """Things on the photo, those smaller than a patch included."""
    segments: NDArray[np.int64]
    """(h, w): which segment each patch belongs to; 0 where it belongs to none."""


@dataclass(frozen=True)
class Scores:
    """Raw scores of one photo, higher is more anomalous."""

    memory: float
    """1 less the cosine of the worst patch with the nearest good one."""
    histogram: float
    """1 less the cosine with the most similar histogram."""
    matching: float
    """Cost of the assignment over the smaller number of instances."""
    broken: bool
    """Whether a rule is broken."""


@dataclass(frozen=True)
class Usual:
    """Mean and unbiased standard deviation of each raw score over good validation photos."""

    memory: tuple[float, float]
    histogram: tuple[float, float]
    matching: tuple[float, float]

    def fused(self, raw: Scores, *, histogram: bool = False, override: bool = True) -> float:
        """One score in [0, 1]: the sigmoid of the largest standardised score, or 1 where a rule is broken.

        Args:
            raw: of a photo.
            histogram: whether the histogram joins the maximum; LogSAD's code leaves it out.
            override: whether a broken rule sets the score to 1, as LogSAD has it.
        """
        if override and raw.broken:
            return 1.0
        scores = [_standardised(raw.memory, self.memory), _standardised(raw.matching, self.matching)]
        if histogram:
            scores.append(_standardised(raw.histogram, self.histogram))
        return float(1 / (1 + np.exp(-np.clip(max(scores), -500, 500))))


@dataclass(frozen=True, eq=False)
class Learned:
    """What is kept of the references."""

    patches: Array
    """(N, C)."""
    centres: Array
    """(K, C): kinds of patches."""
    histograms: Array
    """(R, K) of unit length."""
    instances: Array
    """(M, C): mean patch of each instance of all references."""
    count: int | None
    """Things on each reference; None where they disagree."""


Sight = Callable[[Sample], tuple[Sequence[Mask], Sequence[Mask]]]
"""The segments of a photo, and those of them that are things, each (h, w) of any one size."""


def discovered(discoverer: Discoverer) -> Sight:
    """What discovery proposes."""

    def sight(sample: Sample) -> tuple[Sequence[Mask], Sequence[Mask]]:
        proposals, _ = discoverer.described(sample)
        return proposals.masks, [proposals.masks[n] for n in proposals.items]

    return sight


@dataclass(eq=False)
class LogSad:
    """Learns a product and scores photos of it."""

    memory: PatchMemory
    sight: Sight
    kinds: int = KINDS
    _learned: Learned | None = field(default=None, init=False)
    _usual: Usual | None = field(default=None, init=False)

    def learn(self, references: Sequence[Sample], validation: Sequence[Sample]) -> None:
        """Remembers references; good photos that are none of them say what is usual.

        Raises:
            ValueError: no reference, or fewer than two photos to validate with.
        """
        if not references or len(validation) < 2:
            raise ValueError("LogSAD's rules need a reference and two good photos besides")
        self._learned = learned([self.look(r) for r in references], self.kinds)
        self._usual = usual([self.raw(v) for v in validation])

    @property
    def usual(self) -> Usual:
        """Of the product learned last."""
        if self._usual is None:
            raise ValueError("learn a product first")
        return self._usual

    def raw(self, sample: Sample) -> Scores:
        """The scores of a photo, not yet standardised."""
        if self._learned is None:
            raise ValueError("learn a product first")
        return scored(self.look(sample), self._learned)

    def map(self, sample: Sample) -> FloatMap:
        """float32 (H, W): 1 less the cosine with the nearest good patch."""
        if self._learned is None:
            raise ValueError("learn a product first")
        grid = distances(self.look(sample).patches, self._learned.patches)
        return upsampled(torch.from_numpy(grid), sample.size)

    def look(self, sample: Sample) -> Looked:
        """Patches and instances of a photo of any size."""
        patches = self.memory.encode([sample])[0].cpu().numpy().astype(np.float64)
        masks, things = self.sight(sample)
        height, width = patches.shape[:2]
        instances = [_on_grid(mask, height, width) for mask in things]
        segments = np.zeros((height, width), dtype=np.int64)
        # The largest first, so that what lies on it stays to be seen.
        for number, mask in enumerate(sorted(masks, key=lambda m: -int(m.sum())), start=1):
            segments[_on_grid(mask, height, width)] = number
        kept = tuple(mask for mask in instances if mask.any())
        return Looked(patches, kept, len(instances), segments)


def learned(references: Sequence[Looked], kinds: int = KINDS) -> Learned:
    """What references show."""
    patches = np.concatenate([r.patches.reshape(-1, r.patches.shape[-1]) for r in references])
    centres = KMeans(min(kinds, len(patches)), n_init=2, random_state=SEED).fit(patches).cluster_centers_
    counts = {r.count for r in references}
    return Learned(
        patches,
        np.asarray(centres, dtype=np.float64),
        np.stack([histogram(r, centres) for r in references]),
        np.concatenate([_means(r) for r in references]),
        counts.pop() if len(counts) == 1 else None,
    )


def scored(photo: Looked, good: Learned) -> Scores:
    """How a photo stands to what references show."""
    return Scores(
        float(distances(photo.patches, good.patches).max()),
        float(1 - (good.histograms @ histogram(photo, good.centres)).max()),
        matching_cost(_means(photo), good.instances),
        good.count is not None and photo.count != good.count,
    )


def usual(scores: Sequence[Scores]) -> Usual:
    """What good photos score; two or more."""
    pairs = [
        (float(np.mean(values)), float(np.std(values, ddof=1)))
        for values in ([s.memory for s in scores], [s.histogram for s in scores], [s.matching for s in scores])
    ]
    return Usual(*pairs)


def distances(patches: Array, known: Array) -> Array:
    """(h, w): 1 less the cosine of each patch with the nearest known one."""
    found: Array = 1 - (patches @ known.T).max(axis=-1)
    return found


def histogram(photo: Looked, centres: Array) -> Array:
    """(K,) of unit length: area of each kind; a segment is as a whole of the kind that most of its patches are."""
    square = (photo.patches**2).sum(axis=-1, keepdims=True) - 2 * photo.patches @ centres.T + (centres**2).sum(axis=-1)
    kinds = square.argmin(axis=-1)
    merged = kinds.copy()
    for segment in np.unique(photo.segments[photo.segments > 0]):
        inside = photo.segments == segment
        merged[inside] = np.bincount(kinds[inside]).argmax()
    areas = np.bincount(merged.ravel(), minlength=len(centres)).astype(np.float64)
    found: Array = areas / np.linalg.norm(areas)
    return found


def matching_cost(instances: Array, known: Array) -> float:
    """Least total of 1 less the cosine over pairs of instances, divided by the smaller number of them.

    What has no partner therefore costs nothing.

    >>> one, two = np.array([[1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> matching_cost(one, two), matching_cost(one[:, ::-1], one)
    (0.0, 1.0)
    """
    if not len(instances) or not len(known):
        return UNMATCHED
    cost = 1 - instances @ known.T
    rows, columns = scipy.optimize.linear_sum_assignment(cost)
    return float(cost[rows, columns].sum() / min(cost.shape))


def _means(photo: Looked) -> Array:
    """(M, C) of unit length: the mean patch of each instance."""
    means = [photo.patches[mask].mean(axis=0) for mask in photo.instances]
    if not means:
        return np.zeros((0, photo.patches.shape[-1]))
    stacked = np.stack(means)
    found: Array = stacked / np.linalg.norm(stacked, axis=1, keepdims=True)
    return found


def _standardised(value: float, stated: tuple[float, float]) -> float:
    mean, spread = stated
    return (value - mean) / max(spread, 1e-6)


def _on_grid(mask: Mask, height: int, width: int) -> Mask:
    """Patches of which at least half are inside."""
    share = np.asarray(Image.fromarray(mask.astype(np.float32)).resize((width, height), Image.Resampling.BOX))
    inside: Mask = share >= 0.5
    return inside
