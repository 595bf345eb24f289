"""What it costs that a part differs from its counterpart on a good product, is missing, or is extra."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

STORED = Path(__file__).with_name("prices.yaml")


class Prices(BaseModel):
    """What differences, missing and extra parts cost before a reference is seen; `python -m evals.arranging`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    usual: dict[str, float]
    """Mean difference of a part between two good photos, by what differs."""
    power: float = Field(ge=1)
    """Of the mean over what differs: the larger, the more a single difference counts."""
    together: float = Field(ge=1)
    """Of the sum over parts, likewise."""
    place: float = Field(gt=0)
    """The same of its place, in units of the product, once the photos lie over each other."""
    places: float = Field(ge=0)
    """Weight of places beside looks."""
    headings: float = Field(ge=0)
    """Weight of how a part is turned beside looks."""
    free: float = Field(gt=0)
    """Parts whose places differ by more than this at the median may lie anywhere."""
    worth: float = Field(gt=0)
    """How many references' worth of pairs `usual` counts for (their number counts by its root)."""
    dearest: float = Field(gt=0)
    """Unlikeness above which two segments are no pair."""
    loose: float = Field(ge=0)
    """The same between the references, above which what is not traced as one thing is no part."""
    outline: float = Field(ge=0)
    """What the outline of a reference's segment adds to its being a part."""
    item: float = Field(ge=0)
    """What being traced as one thing adds to that."""
    clear: float = Field(ge=0)
    """What the outline of a photo's segment adds to its being taken for a part."""
    known: float = Field(ge=0)
    """Share of a pair's cost among the references that a pair on a photo has for free."""
    missing: float = Field(ge=0)
    """Price of a part that recurs perfectly and is missing."""
    recurring: float = Field(ge=0)
    """Power of the share of the other references on which it is found, by which that price falls."""
    extra: float = Field(ge=0)
    """Price of a thing that stands for nothing."""


@cache
def shipped() -> Prices:
    """The prices in prices.yaml."""
    import yaml

    return Prices.model_validate(yaml.safe_load(STORED.read_text(encoding="utf-8")))


_TRIED: ContextVar[Prices | None] = ContextVar("tried", default=None)


def prices() -> Prices:
    """The shipped prices, or those that are being tried."""
    return _TRIED.get() or shipped()


@contextmanager
def priced(tried: Prices) -> Iterator[None]:
    """Others than the shipped prices for a while: for those who look for better ones."""
    token = _TRIED.set(tried)
    try:
        yield
    finally:
        _TRIED.reset(token)
