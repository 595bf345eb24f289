"""What is kept of a conversation about a photo: each question, its answer, and what was understood."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from evals.datasets.questions import Kind


class Reply(BaseModel):
    """One question as it was answered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    topic: str
    question: str
    truth: str | None
    text: str
    parsed: str | None
    """What was understood: yes, no or a letter; None where the answer is none, or is one in words."""
    score: float | None = None
    """P(anomalous), where it was asked."""
    options: dict[str, str] = Field(default_factory=dict)


class Conversation(BaseModel):
    """One line of predictions.jsonl."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    category: str
    id: str
    replies: tuple[Reply, ...]
    seconds: float
