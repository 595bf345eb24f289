"""Counts that the references share: of each kind of part, of all parts, and of parts on each other part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean, pstdev
from typing import TypeVar

from agent.rules.base import ANY, MeasuredParts, count_of, surest
from agent.rules.counting import CountRule, EachRule, PresenceRule, WholeRule, pieces, shares

R = TypeVar("R", CountRule, PresenceRule)

FEW = 9
"""Up to so many references, counts that differ among them are taken to differ by more among others."""
WIDEST = 1
"""A count whose references differ by more than this says too little to be a rule."""


def counts(references: Sequence[MeasuredParts], labels: Sequence[str]) -> Iterator[CountRule | PresenceRule]:
    """A count of each kind of part where the references agree on one, else that it is there at all."""
    for label in (*labels, *([ANY] if len(labels) > 1 else [])):
        found = [count_of(m, label) for m in references]
        if max(found) == 0:
            continue
        if max(found) - min(found) <= WIDEST:
            low, high = usual_range(found)
            yield settled(CountRule(part=label, low=low, high=high, origin="induced"), references)
        elif label != ANY and min(found) > 0:
            yield settled(PresenceRule(part=label, origin="induced"), references)


def usual_range(found: Sequence[int]) -> tuple[int, int]:
    """The counts that good parts may have, given those of a few.

    Where n of them already differ, the next one lies beyond them with a probability of about 2 / (n + 1); the range of
    a few is therefore one wider on both sides.

    >>> usual_range([2, 2, 2]), usual_range([1, 2, 1, 2]), usual_range([1, 2] * 6)
    ((2, 2), (0, 3), (1, 2))
    """
    low, high = min(found), max(found)
    return (low, high) if low == high or len(found) > FEW else (max(0, low - 1), high + 1)


def settled(rule: R, references: Sequence[MeasuredParts]) -> R:
    """The rule with the log-odds that measuring it costs on good parts."""
    raw = [rule.raw_log_odds(m) for m in references]
    if not raw:
        return rule
    return rule.model_copy(update={"baseline": round(fmean(raw), 4), "spread": round(pstdev(raw), 4)})


def wholes(references: Sequence[MeasuredParts], labels: Sequence[str]) -> Iterator[WholeRule]:
    """Kinds whose parts are all in one piece, on every reference."""
    for label in labels:
        found = [pieces(p) for m in references for p in surest(m, label)]
        if found and set(found) == {1}:
            yield WholeRule(part=label, origin="induced")


def each(references: Sequence[MeasuredParts], labels: Sequence[str]) -> Iterator[EachRule]:
    """Kinds of which each part holds the same number of another kind, on every reference."""
    for holder in labels:
        if min(count_of(m, holder) for m in references) < 2:
            continue
        for other in labels:
            if other == holder or min(count_of(m, other) for m in references) < 2:
                continue
            found = [shares(surest(m, holder), surest(m, other)) for m in references]
            everything = [count_of(m, other) for m in references]
            if any(len(set(c)) > 1 or sum(c) < all_ for c, all_ in zip(found, everything, strict=True)):
                continue
            numbers = {c[0] for c in found}
            fixed = numbers.pop() if len(numbers) == 1 else None
            yield EachRule(part=holder, other=other, low=fixed, high=fixed, origin="induced")
