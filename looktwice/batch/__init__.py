"""Inspecting folders of any size: jobs in, one line a photo out, and nothing lost when something fails.

It decides what is inspected, where, and what is written; it knows nothing of how a photo is judged.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from looktwice.batch.run import BatchPlan, Tally, run_batch

__all__ = ["BatchPlan", "Tally", "run_batch"]


def __getattr__(name: str) -> object:
    """Imports a public name when it is first asked for, so that importing the room costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'looktwice.batch' has no attribute {name!r}")
    from looktwice.batch import run

    return getattr(run, name)
