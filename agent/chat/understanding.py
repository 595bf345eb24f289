"""What a question asks for and which parts or places it is about."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, cast, get_args

from agent.chat.case import Case
from agent.chat.languages import language_of
from agent.evidence.claims import place_in_words
from agent.products.description import singular
from agent.report.model import Finding
from prompts import in_language, languages_of, load_yaml
from tools.types import Box
from tools.vlm import Turn, debias

if TYPE_CHECKING:
    from tools.vlm import LocalVLM

Intent = Literal[
    "remember",
    "restore",
    "ignore",
    "compare",
    "zoom",
    "same",
    "count",
    "colour",
    "size",
    "where",
    "sure",
    "cause",
    "consequence",
    "do",
    "kind",
    "why",
    "rules",
    "parts",
    "present",
    "verdict",
    "help",
    "ask",
    "off_topic",
    "unsure",
    "unread",
    "confirm",
    "decline",
]
INTENTS: tuple[Intent, ...] = get_args(Intent)
CHOSEN = 0.5
"""The language model's choice counts from this probability on; below it, it is asked back what was meant."""
WHOLE: tuple[Intent, ...] = ("remember", "ignore", "restore", "same", "compare", "help", "off_topic")
"""Intents of which "and" does not make two."""
_SEAM = re.compile(
    r"[?;!]\s+|[\uff1f\uff1b\uff01]|"
    r"\.\s+(?=[a-z])|,?\s+and\s+(?=how|what|where|why|which|is|are|zoom|compare|count|show)"
)


@dataclass(frozen=True)
class Task:
    """One thing that is wanted."""

    intent: Intent
    clause: str
    """The words that want it, as the person wrote them."""


READ = languages_of("chat_words")
"""Languages whose questions are read."""


@cache
def _patterns(language: str = "en", strength: Literal["sure", "maybe"] = "sure") -> dict[Intent, re.Pattern[str]]:
    """One pattern an intent; only the English words hint at intents that they do not decide."""
    words = load_yaml("chat_words" if language == "en" else f"chat_words.{language}")
    by_intent = {name: entry.get(strength) if language == "en" else entry for name, entry in words.items()}
    joined = {name: "|".join(f"(?:{p})" for p in patterns) for name, patterns in by_intent.items() if patterns}
    return {cast("Intent", name): re.compile(pattern) for name, pattern in joined.items()}


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
    >>> by_words("Wie sicher ist das?")[0]
    'sure'
    >>> by_words("Is it always like that?")
    (None, ('remember', 'ask'))
    """
    words, language = plain(question), language_of(question)
    for read_as in dict.fromkeys((language, "en")) if language in READ else ():
        for intent, pattern in _patterns(read_as).items():
            if pattern.search(words):
                return intent, ()
    return None, tuple(i for i, pattern in _patterns("en", "maybe").items() if pattern.search(words))


def read(
    question: str, *, pending: bool, on_topic: bool, product: str, vlm: Callable[[], LocalVLM]
) -> tuple[Task, ...]:
    """What a question wants, in order.

    Args:
        question: as the person wrote it; nothing else is ever read for instructions.
        pending: whether a proposal waits for a yes or a no.
        on_topic: whether it names a part, a place or anything else that belongs to the photo.
        product: noun for the vlm.
        vlm: asked only where words do not decide.
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
    if first is None and language_of(question) != "en":
        first = "unread"
    elif first is None and not on_topic:
        first = "off_topic"
    elif first is None:
        first = hints[0] if len(hints) == 1 else by_vlm(vlm(), question, product, hints)
    return (Task(first, question),)


def _answer(question: str, pending: bool) -> Intent | None:
    menu, said = load_yaml("chat_menu"), plain(question).strip(" .!")
    if said in menu["confirm"]:
        return "confirm"
    if said in menu["decline"] and (pending or len(said) < 3):
        return "decline"
    return None


def by_vlm(vlm: LocalVLM, question: str, product: str, hints: Sequence[Intent] = ()) -> Intent:
    """The language model's choice from the closed menu by likelihood, its leaning taken out by a question without
    words.

    Args:
        vlm: who chooses; no photo is shown, so that nothing written on one can steer the choice.
        question: as the person wrote it.
        product: noun of the product.
        hints: intents that the words hint at; the menu is these and "off_topic", or all of them without hints.
    """
    words = load_yaml("chat_words")
    menu = [name for name in words if name in hints or not hints or name == "off_topic"]
    meanings = {words[name]["meaning"]: cast("Intent", name) for name in menu}
    said, empty = (
        vlm.choose([], [Turn("user", _asked(k, question, product, [*meanings]))], [*meanings], per_token=True)
        for k in ("question", "empty")
    )
    odds = {meaning: (p := debias(said[meaning], empty[meaning])) / (1 - p) for meaning in meanings}
    best = max(odds, key=lambda meaning: odds[meaning])
    return meanings[best] if odds[best] / sum(odds.values()) >= CHOSEN else "unsure"


def _asked(key: str, question: str, product: str, options: Sequence[str]) -> str:
    text: str = load_yaml("chat_menu")[key].format(question=question, product=product, options="; ".join(options))
    return text


_WORD = re.compile(r"[\u4e00-\u9fff]{2}|[^\W\d_\u4e00-\u9fff]+")
"""A word, or two Chinese characters."""
_ID = re.compile(r"\b([em]\d{1,4})\b")
_NOUN = (
    re.compile(r"\b(?:how many|number of|count(?: of)?)\s+(?:the |all |of )*([a-z-]+(?: [a-z-]+){0,2})"),
    re.compile(r"\b(?:is|are) there (?:still )?(?:a|an|any|one|some|no)\s+([a-z-]+(?: [a-z-]+){0,2})"),
    re.compile(r"\b(?:have|has|see|contain|hold|show|find)\s+(?:a|an|any|one|some|the)\s+([a-z-]+(?: [a-z-]+){0,2})"),
    re.compile(r"\b(?:the|a|an|any|all|each|every|both)\s+([a-z-]+(?: [a-z-]+){0,2})"),
)


@dataclass(frozen=True)
class Subject:
    """What a clause speaks of."""

    parts: tuple[str, ...] = ()
    """Labels of known parts, in the order of mention."""
    unknown: str | None = None
    """A noun that is no known part and nothing else that is known."""
    place: Box | None = None
    """A side or corner of the photo."""
    words: str = ""
    """That place in words."""
    evidence: tuple[str, ...] = ()
    """Ids of the evidence that is meant by id, by a defect's name, or by the place."""
    defect: str | None = None
    """The word for a defect that was used."""

    @property
    def empty(self) -> bool:
        """Whether nothing is named, so that what was spoken of before is meant."""
        return not (self.parts or self.place or self.evidence or self.defect)


def names(case: Case) -> dict[str, str]:
    """Labels of known parts by what a person may call them, longest first."""
    found: dict[str, str] = {}
    for part in case.product.spec.parts if case.product is not None else ():
        found[part.label.lower()] = part.label
        if part.called is not None:
            found[part.called.lower()] = part.label
    for fact in case.kept_parts() or ():
        found.setdefault(fact.label.lower(), fact.label)
    for finding in case.report.evidence:
        if finding.part not in (None, "any") and not finding.id.startswith("M"):
            found.setdefault(str(finding.part).lower(), str(finding.part))
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


def called(case: Case, label: str) -> str:
    """What people call a part: the name that they gave it, or its label."""
    return label if case.product is None else case.product.spec.called.get(label, label)


def subject_of(clause: str, case: Case) -> Subject:
    """What a clause is about."""
    words = plain(clause)
    parts = mentioned(words, names(case))
    width, height = case.report.size
    place, told = place_of(words, width, height)
    structural = {w: w for w in load_yaml("chat_menu")["structural"]} | _defects(language_of(clause))
    defect = next((structural[w] for w in _WORD.findall(words) if w in structural), None)
    ids = tuple(m.upper() for m in _ID.findall(words) if m.upper() in case.ids)
    found = ids or _by_defect(defect, place, case.report.evidence)
    unknown = None if parts or defect else _noun(words)
    return Subject(parts, unknown, place, told, found, defect)


@cache
def _defects(language: str) -> dict[str, str]:
    """English words for defects by those of another language."""
    words = {} if language == "en" else in_language("report/words", language)
    english = load_yaml("defects")["structural"]
    return {str(words[defect]).lower(): defect for defect in english if defect in words}


def mentioned(words: str, known: dict[str, str]) -> tuple[str, ...]:
    """Labels in the order in which a text mentions them; a head noun stands for all parts that have it."""
    text = f" {_singulars(words)} "
    places: dict[str, int] = {}
    for name, label in known.items():
        one = _singulars(name)
        if (at := text.find(f" {one} ")) >= 0:
            places.setdefault(label, at)
            text = text[: at + 1] + "#" * len(one) + text[at + 1 + len(one) :]
    if not places:
        for name, label in known.items():
            head = name.split()[-1]
            if len(head) > 2 and (at := text.find(f" {_singular(head)} ")) >= 0:
                places.setdefault(label, at)
    return tuple(sorted(places, key=lambda label: places[label]))


def place_of(words: str, width: int, height: int) -> tuple[Box | None, str]:
    """The half, quarter or middle of a photo that words name, and that place in words.

    >>> place_of("zoom on the upper left", 90, 60)
    (Box(x0=0.0, y0=0.0, x1=45.0, y1=30.0), 'upper left')
    """
    sides = load_yaml("chat_menu")["sides"]
    said = [side for word in _WORD.findall(words) for side in sides.get(word, "").split()]
    if "left" in said and re.search(r"\bis left\b|\bleft (over|out|behind)\b", words):
        said.remove("left")
    if not said:
        return None, ""
    w, h = float(width), float(height)
    x0, x1 = (0.0, w / 2) if "left" in said else (w / 2, w) if "right" in said else (0.0, w)
    y0, y1 = (0.0, h / 2) if "upper" in said else (h / 2, h) if "lower" in said else (0.0, h)
    if set(said) == {"middle"}:
        x0, x1, y0, y1 = w / 4, 3 * w / 4, h / 4, 3 * h / 4
    order = ("upper", "lower", "middle", "left", "right")
    return Box(x0, y0, x1, y1), " ".join(s for s in order if s in said)


def inside(finding: Finding, place: Box) -> bool:
    """Whether the middle of a finding lies in a place."""
    if finding.box is None:
        return False
    x, y = Box(*finding.box).centre
    return place.x0 <= x <= place.x1 and place.y0 <= y <= place.y1


def about(finding: Finding, words: str, place: Box, case: Case) -> bool:
    """Whether a finding lies in a place, and is also told so in words."""
    told = where(Box(*finding.box), case).split() if finding.box is not None else []
    return inside(finding, place) and any(w in told for w in words.split())


def where(box: Box, case: Case) -> str:
    """A place in words."""
    return place_in_words(box, *case.report.size)


def strongest(case: Case, kinds: Sequence[str] = ("structural", "logical")) -> Finding | None:
    """The finding that speaks most for an anomaly, or failing one the evidence that is nearest to it."""
    found = [f for f in case.report.findings if f.kind in kinds]
    if found:
        return found[0]
    rest = [e for e in case.report.evidence if e.kind in kinds and not e.id.startswith("M")]
    return max(rest, key=lambda e: (e.score, e.llr), default=None)


def _by_defect(defect: str | None, place: Box | None, evidence: Sequence[Finding]) -> tuple[str, ...]:
    """Evidence that a defect's word means: what was named so, else what stands out (in the place)."""
    if defect is None:
        return ()
    standing = [e for e in evidence if e.kind == "structural" and e.llr > 0 and e.box is not None]
    standing = [e for e in standing if place is None or inside(e, place)]
    named = [e for e in evidence if e.topic == "defect_name" and e.facts.get("name") == defect]
    hypotheses = {e.hypothesis for e in named if e.hypothesis}
    found = [e for e in standing if e.hypothesis in hypotheses] if hypotheses else standing
    return tuple(e.id for e in sorted(found, key=lambda e: -e.score))


def _noun(words: str) -> str | None:
    """The noun that a question asks about, if it names one."""
    for pattern in _NOUN:
        for match in pattern.finditer(words):
            kept: list[str] = []
            for word in match[1].split():
                if word in load_yaml("chat_menu")["stop"]:
                    break
                kept.append(word)
            if kept and kept[-1] not in load_yaml("chat_menu")["topic"]:
                return " ".join([*kept[:-1], singular(kept[-1])])
    return None


def _singular(word: str) -> str:
    return singular(word) if len(word) > 2 else word


def _singulars(text: str) -> str:
    """Words in the singular with single spaces between them; Chinese characters are words of their own."""
    return " ".join(
        _singular(w) for w in re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff](?:[^\W\u4e00-\u9fff]|-)*", text)
    )


def on_topic(clause: str, case: Case) -> bool:
    """Whether a clause names a part, a place, a defect, or another word that belongs to a photo of a product."""
    words = set(re.findall(r"[a-z]+", plain(clause)))
    noun = case.product.spec.product if case.product is not None else case.report.product
    known = {*load_yaml("chat_menu")["topic"], *load_yaml("chat_menu")["structural"], *noun.lower().split()}
    return bool(words & known) or not subject_of(clause, case).empty
