"""How well maps find the anomalous pixels: regions and pixels counted photo by photo, in memory that does not grow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from tools.types import FloatMap, Mask

Counts = NDArray[np.float64]
LEVELS = 1 << 16
"""Scores in [0, 1] are told apart at so many levels."""
PRO_LIMIT = 0.3
"""False-positive rate up to which AUPRO integrates (Bergmann et al. 2021, MVTec AD, section 5.2.1)."""
SPRO_LIMIT = 0.05
"""False-positive rate up to which AU-sPRO integrates (Bergmann et al. 2022, MVTec LOCO, section 6.1)."""


@dataclass(frozen=True, eq=False)
class TruthRegion:
    """One defect of a photo, as a data set annotates it."""

    mask: Mask
    """(H, W) of the photo."""
    saturation: float
    """Pixels of the defect whose finding counts as finding all of it; more than its area counts as its area."""


class Regions:
    """Adds up photos, of any sizes, and then says how well their maps found what is anomalous.

    Only counts by score are kept, so that memory is the same for ten photos and for ten thousand.
    """

    def __init__(self, levels: int = LEVELS) -> None:
        """Take the number of levels of anomaly scores that are counted."""
        self._levels = levels
        self._good = np.zeros(levels)
        self._bad = np.zeros(levels)
        self._covered = np.zeros(levels)
        self._components = 0
        self._saturated = np.zeros(levels)
        self._defects = 0

    def add(self, anomaly_map: FloatMap, gt_mask: Mask, regions: Sequence[TruthRegion] = ()) -> None:
        """Counts one photo.

        Args:
            anomaly_map: (H, W) in [0, 1], higher is more anomalous.
            gt_mask: (H, W), which pixels are anomalous; its connected components are the regions of AUPRO.
            regions: the defects of AU-sPRO, as annotated; none where the data set states no saturation.

        Raises:
            ValueError: the shapes differ.
        """
        if anomaly_map.shape != gt_mask.shape or any(r.mask.shape != gt_mask.shape for r in regions):
            raise ValueError(f"a map of {anomaly_map.shape} cannot be held against a ground truth of {gt_mask.shape}")
        level = np.clip(np.rint(anomaly_map * (self._levels - 1)), 0, self._levels - 1).astype(np.int64)
        self._good += self._counted(level[~gt_mask])
        self._bad += self._counted(level[gt_mask])
        components, count = scipy.ndimage.label(gt_mask, structure=np.ones((3, 3)))
        for number in range(1, count + 1):
            found = self._from_top(level[components == number])
            self._covered += found / found[-1]
        self._components += count
        for region in regions:
            found = self._from_top(level[region.mask])
            if found[-1]:
                self._saturated += np.minimum(found / min(max(region.saturation, 1.0), found[-1]), 1.0)
                self._defects += 1

    def pixel_auroc(self) -> float | None:
        """Area under the ROC curve over all pixels, ties half; None without both classes."""
        good, bad = self._good.sum(), self._bad.sum()
        if not good or not bad:
            return None
        below = np.cumsum(self._good) - self._good
        return float((self._bad * (below + self._good / 2)).sum() / (good * bad))

    def pixel_ap(self) -> float | None:
        """Average precision over all pixels; None without both classes."""
        found, wrong = np.cumsum(self._bad[::-1]), np.cumsum(self._good[::-1])
        if not found[-1] or not wrong[-1]:
            return None
        called = found + wrong
        precision = np.divide(found, called, out=np.zeros_like(called), where=called > 0)
        return float((precision * np.diff(found, prepend=0.0)).sum() / found[-1])

    def aupro(self, limit: float = PRO_LIMIT) -> float | None:
        """Mean covered share of the truth's components against the false-positive rate, up to a limit.

        Returns:
            In [0, 1]; None without a component or without a good pixel.
        """
        return self._area(self._covered, self._components, limit)

    def au_spro(self, limit: float = SPRO_LIMIT) -> float | None:
        """As `aupro`, but over annotated defects, each covered once its saturation is reached.

        A pixel outside of all defects of its photo is a good one.
        """
        return self._area(self._saturated, self._defects, limit)

    def _counted(self, levels: NDArray[np.int64]) -> Counts:
        return np.bincount(levels, minlength=self._levels).astype(np.float64)

    def _from_top(self, levels: NDArray[np.int64]) -> Counts:
        """How many pixels are found once all from the top down to each level are, the top first."""
        return np.cumsum(self._counted(levels)[::-1])

    def _area(self, overlap: Counts, count: int, limit: float) -> float | None:
        if not count or not self._good.sum():
            return None
        rate = np.cumsum(self._good[::-1]) / self._good.sum()
        return area_up_to(np.concatenate([[0.0], rate]), np.concatenate([[0.0], overlap / count]), limit)


def area_up_to(rate: Counts, overlap: Counts, limit: float) -> float:
    """Area under a curve from 0 to a limit of its abscissa, over that limit; its end is interpolated.

    Args:
        rate: rising from 0.
        overlap: of the same length, in [0, 1].
        limit: in (0, 1].

    >>> round(area_up_to(np.array([0.0, 0.2, 0.4]), np.array([0.0, 1.0, 1.0]), 0.3), 4)
    0.6667
    """
    inside = rate <= limit
    end = float(np.interp(limit, rate, overlap))
    xs, ys = np.append(rate[inside], limit), np.append(overlap[inside], end)
    return float(np.trapezoid(ys, xs) / limit)


def pixel_auroc(truths: Sequence[Mask], maps: Sequence[FloatMap]) -> float | None:
    """Area under the ROC curve over all pixels of all images, (H, W) each; None without both classes."""
    counted = Regions()
    for gt_mask, values in zip(truths, maps, strict=True):
        counted.add(values, gt_mask)
    return counted.pixel_auroc()
