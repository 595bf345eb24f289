"""Decodes the photo and the references into samples."""

from __future__ import annotations

from pathlib import Path

from langgraph.runtime import Runtime

from agent.context import Context
from agent.state import InspectionState, Update
from tools.images import load_sample
from tools.types import Sample


def intake(state: InspectionState, runtime: Runtime[Context]) -> Update:
    """Puts the photo upright, in RGB, with its digest; references likewise unless the product has them.

    Raises:
        tools.errors.InputError: a file cannot be inspected; the message says which and why.
    """
    del runtime
    good = tuple(_sample(r) for r in state.references) if state.product is None else state.product.references
    return Update(sample=_sample(state.photo), good=good)


def _sample(photo: Path | Sample) -> Sample:
    return photo if isinstance(photo, Sample) else load_sample(photo)
