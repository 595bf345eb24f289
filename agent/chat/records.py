"""What a conversation keeps as plain data: facts about parts, replies and changes that wait for a yes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from agent.evidence.claims import MOST_CITED, Sentence, filling
from agent.evidence.types import Fact
from agent.products.spec import ProductSpec
from agent.rules import MeasuredParts
from agent.rules.base import PartCounts
from prompts import in_language
from tools.types import Box

if TYPE_CHECKING:
    from agent.report.model import InspectionReport

UNCITED = frozenset(
    {
        "nothing_located",
        "off_topic",
        "help",
        "unsure_intent",
        "no_part",
        "no_parts",
        "no_pixels",
        "no_reference",
        "nothing_pending",
        "declined",
        "remember_ask",
        "remember_unread",
        "remember_left",
        "remember_same",
        "remember_no_product",
        "remember_contradiction",
        "remember_references",
        "remember_unknown",
        "remember_uncountable",
        "call_ask",
        "call_taken",
        "confirmed",
        "still_pending",
        "rules_none",
        "same_which",
        "ignored_none",
        "ignored_already",
        "restored_none",
        "do_teach",
        "size_photo",
        "asked_open",
        "rules_head",
        "rules_part",
        "cause_none",
        "cause_unknown",
        "consequence_unknown",
        "kind_none",
    }
)
"""Sentences about the conversation, the product or what was not measured; all others cite evidence or are not said."""


def worded(key: str, language: str = "en", **facts: Fact) -> str:
    """One of the chat's sentences in a language, filled in.

    Raises:
        KeyError: no such sentence, or it lacks one of its facts.
    """
    return cast("dict[str, str]", in_language("chat", language))[key].format(**filling(facts, language))


def line(key: str, cites: tuple[str, ...], language: str, **facts: Fact) -> Sentence:
    """A sentence with the first few ids of what it rests on.

    Raises:
        ValueError: a sentence about the photo that cites nothing.
    """
    if not cites and key not in UNCITED:
        raise ValueError(f"the sentence '{key}' must cite evidence")
    return Sentence(worded(key, language, **facts), cites[:MOST_CITED])


@dataclass(frozen=True)
class PartFact:
    """One part of the photo."""

    label: str
    box: tuple[float, float, float, float]
    """xyxy in pixels."""
    score: float
    """Probability that it is one, in [0, 1]."""
    colour: str | None = None
    lab: tuple[float, float, float] | None = None
    """Mean CIELAB colour."""
    area: float | None = None
    """Square pixels."""
    length: float | None = None
    """Pixels along the main axis."""
    width: float | None = None
    """Pixels across it."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def of_dict(cls, data: dict[str, Any]) -> PartFact:
        """The fact that was kept."""
        lab = data.get("lab")
        return cls(**{**data, "box": tuple(data["box"]), "lab": None if lab is None else tuple(lab)})


def facts_of(measured: MeasuredParts) -> tuple[PartFact, ...]:
    """The parts of a photo, surest first."""
    found = []
    for part in sorted(measured.parts, key=lambda p: -p.region.score):
        m, box = part.measures, part.region.box
        rounded = (round(box.x0, 1), round(box.y0, 1), round(box.x1, 1), round(box.y1, 1))
        score = round(float(part.region.score), 4)
        if m is None:
            found.append(PartFact(part.label, rounded, score))
            continue
        lab = (round(m.lab[0], 1), round(m.lab[1], 1), round(m.lab[2], 1))
        sizes = (round(float(m.area)), round(float(m.length), 1), round(float(m.width), 1))
        found.append(PartFact(part.label, rounded, score, m.colour, lab, *sizes))
    return tuple(found)


def likely(parts: Iterable[PartFact], label: str) -> tuple[tuple[PartFact, ...], float]:
    """The parts of a label that are most likely there, surest first, and the probability of exactly so many."""
    found = [p for p in parts if p.label == label]
    counts = PartCounts.from_scores([p.score for p in found])
    number = counts.most_likely
    return tuple(found[:number]), counts.probabilities[number]


def around(parts: Iterable[PartFact]) -> Box | None:
    """What encloses parts; None for none."""
    boxes = [p.box for p in parts]
    if not boxes:
        return None
    return Box(min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))


@dataclass(frozen=True)
class PendingChange:
    """A change of the product's specification that waits for a yes or a no."""

    words: str
    """What would change."""
    spec: ProductSpec
    """The specification after the change."""


@dataclass(frozen=True)
class Reply:
    """An answer."""

    sentences: tuple[Sentence, ...]
    """Each with the ids of the evidence that it rests on; only what is not about the photo cites nothing."""
    report: InspectionReport | None = None
    """The report after looking again or measuring more; None where nothing was added to it."""
    proposal: PendingChange | None = None
    intent: str = ""
    """What the question was taken for."""

    @property
    def text(self) -> str:
        """The sentences in a row."""
        return " ".join(s.text for s in self.sentences)


@dataclass(frozen=True)
class ChatTurn:
    """What one side said."""

    role: Literal["user", "assistant"]
    text: str
    sentences: tuple[Sentence, ...] = ()
    """Of an answer."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as a thread keeps them."""
        return {"role": self.role, "text": self.text, "sentences": plain(self.sentences)}

    @classmethod
    def of_dict(cls, data: dict[str, Any]) -> ChatTurn:
        """The turn that was kept."""
        return cls(data["role"], data["text"], restored(data["sentences"]))


def plain(sentences: tuple[Sentence, ...]) -> list[list[Any]]:
    """Sentences as lists of text and ids."""
    return [[s.text, list(s.cites)] for s in sentences]


def restored(data: list[list[Any]]) -> tuple[Sentence, ...]:
    """Sentences that were kept by `plain`."""
    return tuple(Sentence(text, tuple(cites)) for text, cites in data)
