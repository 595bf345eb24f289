"""The photos on which systems are compared, and one row of the comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import cycle, islice
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from evals.datasets.base import Label, alternating
from evals.metrics.ranking import ranking_metrics
from evals.metrics.region import Regions
from evals.run.ground_truth import measured_truth
from nano.world import HELDOUT, TRAINED, Scene, family, render
from tools.images import sample_from_array
from tools.types import FloatMap, Mask, Sample

if TYPE_CHECKING:
    from agent.rules import MeasuredParts
Split = Literal["trained", "heldout"]
SPLITS: tuple[Split, ...] = ("trained", "heldout")
"""Families that the embedded models learned from, and families that no model saw: those are only ever measured on."""
REFERENCES_FROM = 1_000_000
"""References are rendered from this index on, so that none is a case."""
VALIDATION_FROM = 3_000_000
"""Good photos of a peer that wants a validation set are rendered from this index on: neither references nor cases."""


@dataclass(frozen=True, eq=False)
class Photo:
    """One rendered photo and its truth."""

    sample: Sample
    label: Label
    truth: Mask
    """(H, W): which pixels are anomalous; nothing set on a good one."""
    parts: tuple[Mask, ...]
    """(H, W) each: the true parts that can be seen."""
    measured: MeasuredParts
    """The true parts as the agent would measure them."""


@dataclass(frozen=True, eq=False)
class ProductPhotos:
    """One product: what contenders may learn from, and what they are measured on."""

    name: str
    noun: str
    """Noun phrase that models are told."""
    references: tuple[Photo, ...]
    validation: tuple[Photo, ...]
    """More good photos, for the peer whose rules need a validation set; ours never sees them."""
    photos: tuple[Photo, ...]

    @property
    def good(self) -> tuple[Sample, ...]:
        """The references as contenders are given them."""
        return tuple(p.sample for p in self.references)

    @property
    def labels(self) -> tuple[Label, ...]:
        """Of the photos, in their order."""
        return tuple(p.label for p in self.photos)


def shown_products(
    split: Split, *, seed: int, limit: int, shots: int, validation: int, families: Sequence[str] | None = None
) -> list[ProductPhotos]:
    """Products of a split with about `limit` photos in all, half of each good and the others over all its defects.

    Args:
        split: which families.
        seed: of what is rendered.
        limit: photos over all families; each has at least four, so that it has good ones and both kinds of defect.
        shots: references of each family.
        validation: further good photos of each family.
        families: only these of the split.
    """
    every = {"trained": TRAINED, "heldout": HELDOUT}[split]
    names = [n for n in every if families is None or n in families]
    each = max(4, limit // len(every))
    return [_shown(name, seed, each, shots, validation) for name in names]


def _shown(name: str, seed: int, count: int, shots: int, validation: int) -> ProductPhotos:
    about = family(name)
    kinds: list[tuple[Label, str]] = [("logical", d) for d in about.logical]
    kinds += [("structural", d) for d in about.structural]
    plan: list[tuple[Label, str | None]] = [("good", None)] * (count // 2)
    plan += list(islice(cycle(alternating(kinds)), count - count // 2))

    def photo(index: int, label: Label = "good", defect: str | None = None) -> Photo:
        return _photo(render(name, seed=seed, index=index, defect=defect), label)

    return ProductPhotos(
        name,
        about.product,
        tuple(photo(REFERENCES_FROM + n) for n in range(shots)),
        tuple(photo(VALIDATION_FROM + n) for n in range(validation)),
        tuple(photo(index, label, defect) for index, (label, defect) in enumerate(plan)),
    )


def _photo(scene: Scene, label: Label) -> Photo:
    masks = tuple(part.mask for part in scene.parts if part.mask.any())
    return Photo(sample_from_array(scene.image), label, scene.anomaly_mask, masks, measured_truth(scene))


Topic = Literal["patches", "logic", "true parts", "words"]
TOPICS: tuple[Topic, ...] = get_args(Topic)
RANKED = ("image_auroc", "image_auroc_logical", "image_auroc_structural", "f1_max")
DECIDED = ("accuracy", "recall", "f1")


@dataclass(frozen=True)
class PeerRow:
    """One contender on one split."""

    topic: Topic
    who: str
    split: Split
    shots: int
    """References that it was shown."""
    photos: int
    metrics: dict[str, float]
    """Means over the families that have them; empty where weights are random."""
    seconds: float
    """Of one photo, the median."""
    peak_mib: float | None = None
    """Largest resident memory of a process that did nothing else; None where it shared its process."""
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Skipped:
    """A contender that could not be measured, and why."""

    who: str
    why: str


@dataclass
class ContenderScores:
    """What one contender said of the photos of one product, in their order."""

    scores: list[float] = field(default_factory=list)
    decisions: list[bool] | None = None
    """None where it decides nothing."""
    maps: list[FloatMap] | None = None
    seconds: list[float] = field(default_factory=list)


def metrics_of(products: Sequence[ProductPhotos], said: Sequence[ContenderScores]) -> dict[str, float]:
    """Each metric's mean over the products that have it.

    A product's maps are brought to [0, 1] by its own least and greatest value, which changes no order within it.
    """
    found: dict[str, list[float]] = {}
    for product, one in zip(products, said, strict=True):
        decided = one.decisions
        values = ranking_metrics(product.labels, one.scores, decided or [False] * len(one.scores))
        for name in (*RANKED, *(DECIDED if decided is not None else ())):
            if name in values:
                found.setdefault(name, []).append(values[name])
        for name, value in _pixels(product, one.maps).items():
            found.setdefault(name, []).append(value)
    return {name: fmean(values) for name, values in found.items()}


def _pixels(product: ProductPhotos, maps: list[FloatMap] | None) -> dict[str, float]:
    """Pixel metrics on good and structural photos: a logical defect may be nowhere to be seen."""
    if maps is None:
        return {}
    low, high = min(float(m.min()) for m in maps), max(float(m.max()) for m in maps)
    counted = Regions()
    for photo, values in zip(product.photos, maps, strict=True):
        if photo.label != "logical":
            counted.add(((values - low) / max(high - low, 1e-12)).astype(np.float32), photo.truth)
    pairs = (("pixel_auroc", counted.pixel_auroc()), ("aupro", counted.aupro()))
    return {name: value for name, value in pairs if value is not None}
