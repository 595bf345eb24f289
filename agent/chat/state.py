"""The state of a conversation: plain values only, so that a thread can be read by any later version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import add
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

if TYPE_CHECKING:
    from agent.chat.case import Case
    from tools.vlm import LocalVLM


@dataclass
class Question:
    """What a caller may pass in."""

    question: str = ""


@dataclass
class ChatState(Question):
    """Everything that a conversation remembers."""

    turns: Annotated[list[dict[str, Any]], add] = field(default_factory=list)
    """Everything said, oldest first, as `ChatTurn.as_dict`."""
    tasks: list[list[str]] = field(default_factory=list)
    """What is still to be done for the question: pairs of intent and clause."""
    intent: str = ""
    """What the question was taken for, all of it."""
    sentences: list[list[Any]] = field(default_factory=list)
    """The answer so far: pairs of text and ids."""
    focus: list[str] = field(default_factory=list)
    """Ids of the evidence spoken of last: what "it" means."""
    pending: dict[str, Any] | None = None
    """A proposed change that waits: words, and the specification after it."""
    ignored: dict[str, str] = field(default_factory=dict)
    """What was left out of the verdict: words by hypothesis."""
    report: str = ""
    """The report with everything that was added to it, as JSON."""
    digest: str = ""
    """Of the photo; empty where nobody has seen its pixels."""
    base: dict[str, Any] | None = None
    """The product's specification when the conversation began."""
    spec: dict[str, Any] | None = None
    """After the changes agreed on; None while there are none."""
    parts: list[dict[str, Any]] | None = None
    """Parts as measured, as `PartFact.as_dict`; None where that is not known."""


class ChatUpdate(TypedDict, total=False):
    """What a step may change."""

    question: str
    turns: list[dict[str, Any]]
    tasks: list[list[str]]
    intent: str
    sentences: list[list[Any]]
    focus: list[str]
    pending: dict[str, Any] | None
    ignored: dict[str, str]
    report: str
    digest: str
    base: dict[str, Any] | None
    spec: dict[str, Any] | None
    parts: list[dict[str, Any]] | None


@dataclass(frozen=True)
class ChatContext:
    """What a conversation works with, apart from what it remembers."""

    case: Case
    vlm: Callable[[], LocalVLM]
    """Loaded when first needed."""
