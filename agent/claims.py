"""Turns claims into plain sentences, places into words, and checks that each sentence is backed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from agent.evidence import Claim, Evidence, Verdict
from prompts import load_yaml
from tools.types import Box


@dataclass(frozen=True)
class Sentence:
    """One sentence of an explanation with the ids of the evidence it rests on."""

    text: str
    cites: tuple[str, ...]


def sentence_templates() -> dict[str, dict[str, str]]:
    """The short and long words of each kind of claim, with placeholders in `str.format` braces."""
    return cast("dict[str, dict[str, str]]", load_yaml("report/sentences"))


def say(claim: Claim) -> str:
    """The plain sentence of a claim.

    Raises:
        KeyError: the claim names a sentence that does not exist, or lacks one of its facts.
    """
    return sentence_templates()[claim.key]["long"].format(**claim.facts)


def say_briefly(claim: Claim) -> str:
    """The claim in a few words, for a list of findings; raises like `say`."""
    return sentence_templates()[claim.key]["short"].format(**claim.facts)


def verdict_claim(verdict: Verdict) -> Claim:
    """The verdict as a claim, with its certainty in a word."""
    words = ((0.9, "sure"), (0.7, "fairly sure"), (0.0, "unsure"))
    sure = next(word for least, word in words if verdict.confidence >= least)
    key = "verdict_anomalous" if verdict.anomalous else "verdict_good"
    return Claim(key, {"score": f"{verdict.score:.2f}", "sure": sure})


def backed(sentences: Iterable[Sentence], evidence: Iterable[Evidence]) -> tuple[Sentence, ...]:
    """The sentences whose every citation exists; one without a citation is never kept."""
    known = {item.id for item in evidence}
    return tuple(s for s in sentences if s.cites and known.issuperset(s.cites))


def place_in_words(box: Box, width: int, height: int) -> str:
    """Where a box lies on a photo, in words of a three by three grid.

    >>> place_in_words(Box(0, 0, 10, 10), 100, 100)
    'upper left'
    """
    x, y = box.centre
    column = ("left", "", "right")[min(2, int(3 * x / width))]
    row = ("upper", "", "lower")[min(2, int(3 * y / height))]
    if row and column:
        return f"{row} {column}"
    if row:
        return f"{row} middle"
    return f"{column} edge" if column else "centre"


def in_words(items: Iterable[str]) -> str:
    """A list as people write it.

    >>> in_words(["cap", "label", "liquid"])
    'cap, label and liquid'
    """
    words = list(items)
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + f" and {words[-1]}"
