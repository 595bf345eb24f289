"""One row of the comparison with peers: who, on which photos, how well, how fast, in how much memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any, Literal, get_args

import numpy as np

from evals.benches.peers_photos import Shown, Split
from evals.metrics.ranking import ranking_metrics
from evals.metrics.region import Regions
from tools.types import FloatMap

Topic = Literal["patches", "logic", "true parts", "words"]
TOPICS: tuple[Topic, ...] = get_args(Topic)
RANKED = ("image_auroc", "image_auroc_logical", "image_auroc_structural", "f1_max")
DECIDED = ("accuracy", "recall", "f1")


@dataclass(frozen=True)
class Row:
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
class Said:
    """What one contender said of the photos of one product, in their order."""

    scores: list[float] = field(default_factory=list)
    decisions: list[bool] | None = None
    """None where it decides nothing."""
    maps: list[FloatMap] | None = None
    seconds: list[float] = field(default_factory=list)


def metrics_of(products: Sequence[Shown], said: Sequence[Said]) -> dict[str, float]:
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


def _pixels(product: Shown, maps: list[FloatMap] | None) -> dict[str, float]:
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
