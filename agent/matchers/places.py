"""Matchers that yield an anomaly map: evidence for each place that stands out on any of them, and the fused map."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
from PIL import Image

from agent.calibration.maps import Calibration
from agent.evidence.claims import place_in_words
from agent.evidence.fusion import NOTABLE
from agent.evidence.types import Claim, Evidence, Kind
from agent.matchers.base import Matcher, MatchInput, PhotoInputs
from agent.products.spec import MatcherState, Product
from tools.anomaly.peaks import stride
from tools.types import AnomalyMap, FloatMap, Region

KNOTS = 65
"""A map is weighed at so many of its scores."""
SAME = 0.5
"""Share of the smaller of two boxes from which on both are one place."""


class PlaceMatcher(Matcher):
    """A matcher whose score is an anomaly map; every one has its say about every place."""

    kind: ClassVar[Kind] = "structural"
    within: ClassVar[str]
    """Claim on a place that does not stand out."""
    beyond: ClassVar[str]
    """Claim on a place that does."""

    @abstractmethod
    def score(self, photo: PhotoInputs, state: MatcherState | None) -> AnomalyMap | None:
        """Its map; None where it makes none on this product."""

    def evidence(self, match: MatchInput) -> Iterator[Evidence]:
        """A piece of evidence for each place; the place stands in for the photo's worst."""
        anomaly_map = match.glance.map_of(self.source)
        if anomaly_map is None:
            return
        for number, region in enumerate(match.regions, start=1):
            score = anomaly_map.own_score_at(region)
            deviation, llr = self.weigh(score, match.product, match.calibration)
            claim = Claim(
                self.beyond if llr >= NOTABLE else self.within,
                {
                    "width": round(region.box.width),
                    "height": round(region.box.height),
                    "place": place_in_words(region.box, *match.sample.size),
                    "references": len(match.product.references),
                    "sd": round(deviation, 1),
                    "product": match.product.spec.product,
                },
                "patch",
            )
            yield Evidence("structural", claim, llr, self.source, f"region {number}", region=region)

    def weighed_map(self, anomaly_map: AnomalyMap, product: Product, calibration: Calibration) -> FloatMap:
        """(h, w) log-likelihood ratio of every `stride`-th pixel, were it the photo's worst."""
        raw = anomaly_map.values if anomaly_map.raw is None else anomaly_map.raw
        # A matcher's worth rises with its score alone: it is weighed at a few scores and drawn through them.
        knots = np.linspace(float(raw.min()), float(raw.max()), KNOTS)
        below = anomaly_map.of_worst * (float(raw.max()) - knots)
        llrs = [self.weigh(anomaly_map.own_score - b, product, calibration)[1] for b in below.tolist()]
        step = stride(raw.shape)
        found: FloatMap = np.interp(raw[::step, ::step], knots, llrs).astype(np.float32)
        return found


def fused_map(
    maps: Sequence[AnomalyMap], by_source: Mapping[str, PlaceMatcher], product: Product, calibration: Calibration
) -> AnomalyMap:
    """Each pixel's probability of an anomaly at even odds, were it the photo's worst: log-likelihood ratios add.

    Args:
        maps: of one photo, at least one.
        by_source: the matchers that made them.
        product: says what its good ones score.
        calibration: what each matcher's score is worth.
    """
    from scipy.special import expit

    height, width = maps[0].values.shape
    step = stride((height, width))
    total = np.zeros_like(maps[0].values[::step, ::step])
    for anomaly_map in maps:
        matcher = by_source[anomaly_map.source]
        total += matcher.share(product, calibration) * matcher.weighed_map(anomaly_map, product, calibration)
    values: FloatMap = expit(total)
    if step > 1:
        values = np.asarray(Image.fromarray(values).resize((width, height), Image.Resampling.BILINEAR))
    return AnomalyMap(values, float(values.max()), "together")


def distinct(by_map: Sequence[Sequence[Region]]) -> list[Region]:
    """The places of all maps, map by map; one that overlaps a place before it by half of either is that place."""
    found: list[Region] = []
    for region in (r for regions in by_map for r in regions):
        shared = (_shared(region, other) for other in found)
        if all(share < SAME for share in shared):
            found.append(region)
    return found


def _shared(one: Region, other: Region) -> float:
    """Area of the intersection of two boxes over that of the smaller, in [0, 1]."""
    a, b = one.box, other.box
    width, height = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
    return max(width, 0.0) * max(height, 0.0) / max(min(a.area, b.area), 1e-9)
