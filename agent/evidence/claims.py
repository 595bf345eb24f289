"""Turns claims into plain sentences, places into words, and checks that each sentence is backed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast

from agent.evidence.types import Claim, Evidence, Fact, Verdict
from prompts import in_language, languages_of
from tools.types import Box

SentenceRole = Literal[
    "verdict", "finding", "comparison", "fine", "limit", "settle", "type", "cause", "consequence", "advice"
]
"""What a sentence of a report is for: the verdict, what is wrong, what it was compared with, what was checked and is as
it should be, what did not count, what would settle an open verdict; the last four are inferred."""
MOST_CITED = 3
"""A sentence cites at most so many pieces of evidence; the report lists all of them."""


@dataclass(frozen=True)
class Sentence:
    """One sentence of an explanation with the ids of the evidence it rests on."""

    text: str
    cites: tuple[str, ...]
    role: SentenceRole | None = None
    """None for an answer in a chat."""
    certain: bool = False
    """Whether it is stated as a fact."""


def strongest(evidence: Iterable[Evidence]) -> tuple[str, ...]:
    """Ids of the evidence that weighs most, in its own order; at most `MOST_CITED`."""
    items = list(evidence)
    kept = sorted(items, key=lambda e: -abs(e.llr))[:MOST_CITED]
    return tuple(e.id for e in items if e in kept)


Templates = Mapping[str, Mapping[str, Mapping[str, str]]]
"""By language, then by claim: `short` for lists and details, `long` for the main text, `about` what a rule is on."""
_ADDED: dict[str, Templates] = {}
"""Sentences by who added them."""


def add_sentences(owner: str, sentences: Templates) -> None:
    """Add sentences to those of prompts/report/sentences.yaml.

    Args:
        owner: by whose name they can be removed.
        sentences: of claims.
    """
    _ADDED[owner] = sentences


def remove_sentences(owner: str) -> None:
    """Remove what was added under a name."""
    _ADDED.pop(owner, None)


def sentence_templates(language: str = "en") -> dict[str, Mapping[str, str]]:
    """The short and long words of each kind of claim, with placeholders in `str.format` braces.

    What a language has no words for is said in English.
    """
    found = dict(cast("dict[str, Mapping[str, str]]", in_language("report/sentences", language)))
    for sentences in _ADDED.values():
        found |= {**sentences.get("en", {}), **sentences.get(language, {})}
    return found


def say(claim: Claim, language: str = "en") -> str:
    """The plain sentence of a claim.

    Raises:
        KeyError: the claim names a sentence that does not exist, or lacks one of its facts.
    """
    return sentence_templates(language)[claim.key]["long"].format(**filling(claim.facts, language))


def say_at(claim: Claim, place: str | None, language: str = "en") -> str:
    """The plain sentence of a claim with its place, unless it says the place itself; its short words where it has none.

    Args:
        claim: to be told.
        place: in English words; None for a claim without a place.
        language: of the sentence.
    """
    if "long" not in sentence_templates(language)[claim.key]:
        said = say_briefly(claim, language)
        return f"{said[:1].upper()}{said[1:]}."
    said = say(claim, language)
    if place is None or tells_place(claim, said, place, language):
        return said
    return tell("rule_at", {"said": said.rstrip(".。"), "place": place}, language)


def tells_place(claim: Claim, said: str, place: str, language: str) -> bool:
    """Whether the words of a claim tell where it is, so that its place need not be added."""
    return claim.topic == "place" or str(translated({"place": place}, language)["place"]) in said


def say_briefly(claim: Claim, language: str = "en") -> str:
    """The claim in a few words, for a list of findings; raises like `say`."""
    return sentence_templates(language)[claim.key]["short"].format(**filling(claim.facts, language))


def say_subject(claim: Claim, language: str = "en") -> str:
    """What the claim of a rule is about, as a noun phrase without an article: "number of bolts"; raises like `say`."""
    texts = sentence_templates(language)[claim.key]
    return texts.get("about", texts["short"]).format(**filling({"found": "", **claim.facts}, language))


def filling(facts: Mapping[str, Fact], language: str) -> dict[str, Fact]:
    """Facts in a language, with the part's name and the verb in the number of `found`, else of `expected`."""
    words = translated(facts, language)
    if "part" in facts and ("found" in facts or "expected" in facts):
        one = str(facts.get("found", facts.get("expected"))) == "1"
        part = str(words["part"])
        words |= {"part_counted": part if one or language != "en" else plural(part), "are": "is" if one else "are"}
        words["found_counted"] = "no" if str(facts.get("found")) == "0" else facts.get("found", "")
    return words


def plural(noun: str) -> str:
    """An English noun phrase in the plural; of "A of B" it is A.

    >>> plural("red berry"), plural("piece of wire"), plural("box"), plural("tray"), plural("tomato")
    ('red berries', 'pieces of wire', 'boxes', 'trays', 'tomatoes')
    """
    head, of, rest = noun.partition(" of ")
    if head[-1:].isdigit():
        return noun
    if head.endswith(("s", "x", "z", "ch", "sh", "tomato", "potato")):
        head += "" if head.endswith("s") and not head.endswith("ss") else "es"
    elif head.endswith("y") and head[-2:-1] not in "aeiou":
        head = f"{head[:-1]}ies"
    else:
        head += "s"
    return head + of + rest


def tell(key: str, facts: Mapping[str, Fact] | None = None, language: str = "en") -> str:
    """One of the frames of prompts/report/telling.yaml, filled in; raises like `say`."""
    frames = cast("dict[str, str]", in_language("report/telling", language))
    return frames[key].format(**translated(facts or {}, language))


def translated(facts: Mapping[str, Fact], language: str) -> dict[str, Fact]:
    """Facts with the words that code knows in English (places, colours), alone or as a list, in a language."""
    if language == "en":
        return dict(facts)
    words = cast("dict[str, str]", in_language("report/words", language))

    def told(fact: Fact, key: str) -> Fact:
        if key in PARTS and isinstance(fact, str) and fact != "a part":
            return fact.removeprefix("the ")
        if not isinstance(fact, str) or fact in words:
            return words.get(fact, fact) if isinstance(fact, str) else fact
        listed = re.split(", | and ", fact)
        return in_words([words[item] for item in listed], language) if words.keys() >= set(listed) else fact

    return {key: told(fact, key) for key, fact in facts.items()}


PARTS = ("part", "other", "parts")
"""Facts that hold labels of parts, alone or in a list."""


def renamed(claim: Claim, called: Mapping[str, str]) -> Claim:
    """The claim with parts named as people call them.

    Args:
        claim: names parts by their labels.
        called: what people call parts, by label.

    >>> renamed(Claim("same_differs", {"parts": "part A and part AB"}), {"part A": "egg"}).facts
    {'parts': 'egg and part AB'}
    """
    if not called:
        return claim
    longest_first = sorted(called, key=len, reverse=True)
    labels = re.compile(rf"(?<!\w)(?:{'|'.join(re.escape(label) for label in longest_first)})(?!\w)")
    named = {
        key: labels.sub(lambda found: called[found.group()], value)
        for key, value in claim.facts.items()
        if key in PARTS and isinstance(value, str)
    }
    return replace(claim, facts={**claim.facts, **named})


def say_verdict(verdict: Verdict, language: str = "en") -> str:
    """The verdict: as a fact, as probable, or as open with its side; of a good part also that not all was checked."""
    side = ("_anomalous" if verdict.anomalous else "_good") if verdict.told == "unsure" else ""
    if verdict.word == "good" and verdict.unchecked:
        side = "_unchecked"
    return tell(f"verdict_{verdict.told}{side}", language=language)


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
    return f"{column} side" if column else "centre"


def in_words(items: Iterable[str], language: str = "en", joint: Literal["and", "or"] = "and") -> str:
    """A list as people write it.

    >>> in_words(["cap", "label", "liquid"])
    'cap, label and liquid'
    """
    words = list(items)
    comma, last = tell("comma", language=language), tell(joint, language=language)
    return words[0] if len(words) == 1 else comma.join(words[:-1]) + last + words[-1]


def languages() -> tuple[str, ...]:
    """Languages that reports can be written in."""
    return languages_of("report/telling")
