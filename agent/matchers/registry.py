"""All matchers, in the order in which their evidence is told; another one is registered here and nowhere else."""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


def added_matchers() -> list[str]:
    """What tells the matchers that were registered beside the shipped ones from others: their classes and their files.

    Products that were learned with them are kept under it, so that none is read that lacks their state.
    """
    added = [type(matcher) for matcher in _MATCHERS if not type(matcher).__module__.startswith("agent.")]
    return [f"{cls.__module__}.{cls.__qualname__} {_file_digest(cls)}" for cls in added]


def _file_digest(cls: type) -> str:
    """SHA-256 (hex) of the file of a class; of one without a file, a number that no other process has."""
    try:
        return hashlib.sha256(Path(inspect.getfile(cls)).read_bytes()).hexdigest()
    except (OSError, TypeError):
        return f"{os.getpid()} {id(cls)}"


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
