"""Inspecting folders of any size: jobs in, one line a photo out, and nothing lost when something fails.

It decides what is inspected, where, and what is written; it knows nothing of how a photo is judged.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from looktwice.batch.run import BatchPlan, Tally, run_batch
else:
    __getattr__, __dir__, _ = lazy_loader.attach(__name__, submod_attrs={"run": ["BatchPlan", "Tally", "run_batch"]})

__all__ = ["BatchPlan", "Tally", "run_batch"]
