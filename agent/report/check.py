"""Checks a sentence against the evidence that it cites: counts, colours, places, names and polarity.

A model's prose is fluent before it is true. What it says of numbers, colours, places and defects must stand in the
facts of the evidence; what does not is a fault, in words that the model can be asked to mend.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import cast

from agent.evidence.types import Evidence
from prompts import load_yaml

MEASURED = ("width", "height", "area", "sd", "delta", "views", "references", "raw", "debiased", "p", "p_second")
"""Facts whose numbers are no counts: they may be said in digits alone."""
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+(?:\.\d+)?")


@cache
def _vocabulary() -> dict[str, list[str]]:
    """Words that say something checkable, by what they speak of: prompts/report/checked.yaml."""
    return cast("dict[str, list[str]]", load_yaml("report/checked"))


def faults(text: str, cited: Sequence[Evidence], *, anomalous: bool, parts: Iterable[str]) -> list[str]:
    """What a sentence says that its evidence does not.

    Args:
        text: one or more sentences, in English.
        cited: what it cites; its facts are all that is known.
        anomalous: the verdict, which the sentence must not deny.
        parts: names of the product's parts; they may be named.

    Returns:
        One clause a fault, in the order counts, colours, places, names, polarity; empty where all is backed.
    """
    words = _WORD.findall(text.lower())
    known = _known(cited, parts)
    found = [f"the number {word} is not in the evidence" for word in _numbers(words) if word not in known]
    for kind, complaint in (("colours", "colour"), ("defects", "defect")):
        found += [
            f"the {complaint} '{word}' is not in the evidence"
            for word in _vocabulary()[kind]
            if word in words and word not in known
        ]
    found += [f"the place '{place}' is not where the evidence is" for place in _wrong_places(words, known)]
    denied = [phrase for phrase in _vocabulary()["denials" if anomalous else "complaints"] if phrase in text.lower()]
    return found + [f"'{phrase}' contradicts the verdict" for phrase in denied]


def _known(cited: Sequence[Evidence], parts: Iterable[str]) -> set[str]:
    """All words and numbers of the facts, with numbers in both spellings."""
    facts = [(key, str(value)) for e in cited for key, value in e.claim.facts.items()]
    words = {word for _, value in facts for word in _WORD.findall(value.lower())}
    words |= {word for part in parts for word in _WORD.findall(part.lower())}
    counted = {word for key, value in facts if key not in MEASURED for word in _WORD.findall(value.lower())}
    names = _vocabulary()["numbers"]
    return words | {names[int(w)] for w in counted if w.isdigit() and int(w) < len(names)}


def _numbers(words: Sequence[str]) -> list[str]:
    """Numbers that are said, in digits or in words; "one" is too often no number to count."""
    names = set(_vocabulary()["numbers"]) - {"one", "no", "zero"}
    return [word for word in words if word[0].isdigit() or word in names]


def _wrong_places(words: Sequence[str], known: set[str]) -> list[str]:
    """Words for a side that is opposite to where the evidence lies."""
    opposites = dict(pair.split() for pair in _vocabulary()["opposites"])
    both = {**opposites, **{b: a for a, b in opposites.items()}}
    return [w for w in dict.fromkeys(words) if w in both and w not in known and both[w] in known]
