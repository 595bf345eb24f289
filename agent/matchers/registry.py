"""All matchers, in the order in which their evidence is told; another one is registered here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from agent.calibration.maps import Calibration
from agent.evidence.claims import add_sentences, remove_sentences
from agent.evidence.types import Evidence
from agent.matchers.arrangement import ArrangementMatcher
from agent.matchers.base import Matcher
from agent.matchers.comparison import LayoutMatcher, Surfaces
from agent.matchers.damage import Damage
from agent.matchers.patches import ReferencePatches, TextPatches
from agent.matchers.places import PlaceMatcher
from agent.matchers.product import PhotoContent, ProductMatch
from agent.matchers.questions import Questions
from agent.matchers.rules import Rules
from agent.products.spec import Product

_MATCHERS: list[Matcher] = [
    ReferencePatches(),
    Surfaces(),
    Damage(),
    TextPatches(),
    Rules(),
    ArrangementMatcher(),
    LayoutMatcher(),
    Questions(),
    PhotoContent(),
    ProductMatch(),
]


def matchers() -> tuple[Matcher, ...]:
    """All matchers."""
    return tuple(_MATCHERS)


def place_matchers() -> dict[str, PlaceMatcher]:
    """Those that yield an anomaly map, by the source of their evidence."""
    return {m.source: m for m in _MATCHERS if isinstance(m, PlaceMatcher)}


def register(matcher: Matcher) -> None:
    """Add a matcher: products learned from now on keep its state, and inspections its evidence.

    Raises:
        ValueError: there is one of that name.
    """
    if any(matcher.name == known.name for known in _MATCHERS):
        raise ValueError(f"there is a matcher named '{matcher.name}' already; give this one another name")
    _MATCHERS.append(matcher)
    add_sentences(matcher.name, matcher.sentences)


@contextmanager
def registered(matcher: Matcher) -> Iterator[None]:
    """A matcher for a while."""
    register(matcher)
    try:
        yield
    finally:
        _MATCHERS.remove(matcher)
        remove_sentences(matcher.name)


def matcher_of(source: str, hypothesis: str) -> Matcher | None:
    """The matcher whose evidence of the first look has this source and hypothesis; None for what a person asked for."""
    return next((m for m in _MATCHERS if m.made(source, hypothesis)), None)


def share_of(item: Evidence, product: Product, calibration: Calibration) -> float:
    """How much a piece of evidence counts on a product, in [0, 1]."""
    matcher = matcher_of(item.source, item.hypothesis)
    return 1.0 if matcher is None else matcher.share(product, calibration, item.hypothesis)
