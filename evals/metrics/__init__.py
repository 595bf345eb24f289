"""Metrics, one file a family; each takes plain arrays and says nothing where it is not defined."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from evals.metrics.ranking import ranking_metrics
    from evals.metrics.region import Regions, TruthRegion, pixel_auroc
    from evals.metrics.text import rouge_l
else:
    __getattr__, __dir__, _ = lazy_loader.attach(
        __name__,
        submod_attrs={
            "ranking": ["ranking_metrics"],
            "region": ["Regions", "TruthRegion", "pixel_auroc"],
            "text": ["rouge_l"],
        },
    )

__all__ = ["Regions", "TruthRegion", "pixel_auroc", "ranking_metrics", "rouge_l"]
