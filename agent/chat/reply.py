"""What the chat gives back, and how it is kept as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from agent.claims import Sentence
from agent.spec import ProductSpec

if TYPE_CHECKING:
    from agent.report import InspectionReport


@dataclass(frozen=True)
class Proposal:
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
    proposal: Proposal | None = None
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
