"""What a question wants: by its words where they decide, else by the narrator's choice from a closed menu."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, cast, get_args

from prompts import load_yaml
from tools.narrate import Turn, debias

if TYPE_CHECKING:
    from tools.narrate import Narrator

Intent = Literal[
    "remember", "restore", "ignore", "compare", "zoom", "same", "count", "colour", "size", "where", "sure", "cause",
    "consequence", "do", "kind", "why", "rules", "parts", "present", "verdict", "help", "ask", "off_topic", "unsure",
    "confirm", "decline",
]  # fmt: skip
INTENTS: tuple[Intent, ...] = get_args(Intent)
CHOSEN = 0.5
"""The narrator's choice counts from this probability on; below it, it is asked back what was meant."""
WHOLE: tuple[Intent, ...] = ("remember", "ignore", "restore", "same", "compare", "help", "off_topic")
"""Intents of which "and" does not make two."""
_SEAM = re.compile(r"[?;!]\s+|\.\s+(?=[a-z])|,?\s+and\s+(?=how|what|where|why|which|is|are|zoom|compare|count|show)")


@dataclass(frozen=True)
class Task:
    """One thing that is wanted."""

    intent: Intent
    clause: str
    """The words that want it, as the person wrote them."""


@cache
def _patterns() -> dict[Intent, tuple[re.Pattern[str] | None, re.Pattern[str] | None]]:
    found: dict[Intent, tuple[re.Pattern[str] | None, re.Pattern[str] | None]] = {}
    for name, words in load_yaml("chat_words").items():
        pair = (words.get("sure"), words.get("maybe"))
        sure, maybe = (re.compile("|".join(f"(?:{p})" for p in ps)) if ps else None for ps in pair)
        found[cast("Intent", name)] = (sure, maybe)
    return found


def plain(question: str) -> str:
    """Lower case, single spaces, straight apostrophes.

    >>> plain("  What's   Wrong? ")
    "what's wrong?"
    """
    return " ".join(question.lower().replace("\u2019", "'").split())


def by_words(question: str) -> tuple[Intent | None, tuple[Intent, ...]]:
    """(the intent that the words decide, or None; intents that they hint at).

    >>> by_words("How many screws are there?")[0]
    'count'
    >>> by_words("Is it always like that?")
    (None, ('remember', 'ask'))
    """
    words = plain(question)
    for intent, (sure, _) in _patterns().items():
        if sure is not None and sure.search(words):
            return intent, ()
    hinted = tuple(i for i, (_, maybe) in _patterns().items() if maybe is not None and maybe.search(words))
    return None, hinted


def read(
    question: str, *, pending: bool, on_topic: bool, product: str, narrator: Callable[[], Narrator]
) -> tuple[Task, ...]:
    """What a question wants, in order.

    Args:
        question: as the person wrote it; nothing else is ever read for instructions.
        pending: whether a proposal waits for a yes or a no.
        on_topic: whether it names a part, a place or anything else that belongs to the photo.
        product: noun for the narrator.
        narrator: asked only where words do not decide.
    """
    answer = _answer(question, pending)
    if answer is not None:
        return (Task(answer, question),)
    first, hints = by_words(question)
    clauses = [c.strip() for c in _SEAM.split(question) if c and c.strip()]
    if len(clauses) > 1 and first not in WHOLE:
        each = [(by_words(c)[0], c) for c in clauses]
        tasks = [Task(intent, c) for intent, c in each if intent is not None and intent not in WHOLE]
        if len(tasks) == len(clauses) and len({t.intent for t in tasks}) > 1:
            return tuple(tasks)
    if first is not None:
        return (Task(first, question),)
    if len(hints) == 1 and on_topic:
        return (Task(hints[0], question),)
    if not on_topic:
        return (Task("off_topic", question),)
    return (Task(by_narrator(narrator(), question, product, hints), question),)


def _answer(question: str, pending: bool) -> Intent | None:
    menu, said = load_yaml("chat_menu"), plain(question).strip(" .!")
    if said in menu["confirm"]:
        return "confirm"
    if said in menu["decline"] and (pending or len(said) < 3):
        return "decline"
    return None


def by_narrator(narrator: Narrator, question: str, product: str, hints: Sequence[Intent] = ()) -> Intent:
    """The narrator's choice from the closed menu by likelihood, its leaning taken out by a question without words.

    Args:
        narrator: who chooses; no photo is shown, so that nothing written on one can steer the choice.
        question: as the person wrote it.
        product: noun of the product.
        hints: intents that the words hint at; the menu is these and "off_topic", or all of them without hints.
    """
    words = load_yaml("chat_words")
    menu = [name for name in words if name in hints or not hints or name == "off_topic"]
    meanings = {words[name]["meaning"]: cast("Intent", name) for name in menu}
    said, empty = (
        narrator.choose([], [Turn("user", _asked(k, question, product, [*meanings]))], [*meanings], per_token=True)
        for k in ("question", "empty")
    )
    odds = {meaning: (p := debias(said[meaning], empty[meaning])) / (1 - p) for meaning in meanings}
    best = max(odds, key=lambda meaning: odds[meaning])
    return meanings[best] if odds[best] / sum(odds.values()) >= CHOSEN else "unsure"


def _asked(key: str, question: str, product: str, options: Sequence[str]) -> str:
    text: str = load_yaml("chat_menu")[key].format(question=question, product=product, options="; ".join(options))
    return text
