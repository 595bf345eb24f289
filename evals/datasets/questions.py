"""What a benchmark of questions gives: photos, what is asked about each in turn, and the right answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tools.display_text import display_text
from tools.errors import InputError
from tools.types import Sample

Kind = Literal["detect", "tell", "choose"]
"""Answered by yes or no, in words, or by an option's letter."""


@dataclass(frozen=True)
class BenchmarkQuestion:
    """One question and its right answer."""

    kind: Kind
    text: str
    topic: str
    """By which figures are told apart: "low_level", "Defect Localization", ..."""
    truth: str | None
    """Either "yes" or "no", the reference answer, or the letter; None where the data set gives none."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Text by letter; empty but for a choice."""


@dataclass(frozen=True, eq=False)
class PhotoQuestions:
    """One photo and the conversation about it; the questions are asked in turn."""

    id: str
    """Unique within the benchmark; the key by which a run resumes."""
    category: str
    product: str
    """Noun phrase that models are told."""
    photo: Callable[[], Sample]
    questions: tuple[BenchmarkQuestion, ...]
    templates: tuple[Callable[[], Sample], ...] = ()
    """Good ones to compare with; none on a zero-shot benchmark."""

    def __post_init__(self) -> None:
        """Make names of files and folders printable."""
        object.__setattr__(self, "id", display_text(self.id))
        object.__setattr__(self, "category", display_text(self.category))


def spread(items: Sequence[PhotoQuestions], limit: int | None) -> list[PhotoQuestions]:
    """At most `limit` items, spread over all of them so that every category and answer stays."""
    if limit is None or limit >= len(items):
        return list(items)
    step = len(items) / limit
    return [items[int(n * step)] for n in range(limit)]


def of_categories(items: Sequence[PhotoQuestions], categories: Sequence[str] | None) -> list[PhotoQuestions]:
    """The items of some categories, or all.

    Raises:
        tools.errors.InputError: there is no such category.
    """
    known = sorted({item.category for item in items})
    for name in categories or ():
        if name not in known:
            raise InputError(f"category '{name}' is not in the benchmark; there are: {', '.join(known)}.")
    return [item for item in items if not categories or item.category in categories]
