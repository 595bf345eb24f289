"""Words of the chat: sentences from prompts/chat.yaml, and what may stand without a citation."""

from __future__ import annotations

from typing import cast

from agent.claims import Sentence
from agent.evidence import Fact
from prompts import load_yaml

UNCITED = frozenset(
    {
        "off_topic", "help", "unsure_intent", "no_part", "no_parts", "no_pixels", "no_reference", "nothing_pending",
        "declined", "which", "same_which", "remember_ask", "remember_unread", "remember_left", "remember_same",
        "remember_no_product", "remember_contradiction", "remember_references", "remember_unknown", "call_ask",
        "call_taken", "confirmed", "still_pending", "rules_none", "ignored_none", "ignored_already", "restored_none",
        "do_teach", "size_photo", "asked_open", "settle_references", "rules_head", "rules_part", "cause_none",
        "cause_unknown", "consequence_unknown", "kind_none",
    }
)  # fmt: skip
"""Sentences about the conversation, the product or what was not measured; all others cite evidence or are not said."""


def worded(key: str, **facts: Fact) -> str:
    """One of the chat's sentences, filled in.

    Raises:
        KeyError: no such sentence, or it lacks one of its facts.
    """
    return cast("dict[str, str]", load_yaml("chat"))[key].format(**facts)


def line(key: str, cites: tuple[str, ...] = (), **facts: Fact) -> Sentence:
    """A sentence with what it rests on.

    Raises:
        ValueError: a sentence about the photo that cites nothing.
    """
    if not cites and key not in UNCITED:
        raise ValueError(f"the sentence '{key}' must cite evidence")
    return Sentence(worded(key, **facts), cites)
