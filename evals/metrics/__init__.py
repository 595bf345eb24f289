"""Metrics, one file a family; each takes plain arrays and says nothing where it is not defined."""

from evals.metrics.ranking import ranking_metrics
from evals.metrics.region import Regions, TruthRegion, pixel_auroc

__all__ = ["Regions", "TruthRegion", "pixel_auroc", "ranking_metrics"]
