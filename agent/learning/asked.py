"""Asks the narrator for JSON until what it answers can be read; each try quotes what was wrong with the one before."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from prompts import questions
from tools.narrate import Turn
from tools.types import RGB

if TYPE_CHECKING:
    from tools.narrate import Narrator
    from tools.narrate.schema import Schema

TRIES = 2
"""How often the narrator is asked again with what was wrong."""
T = TypeVar("T")


def asked(
    narrator: Narrator,
    images: Sequence[RGB],
    question: str,
    schema: Schema,
    read: Callable[[str], tuple[T, str | None]],
    *,
    tokens: int,
) -> tuple[T, str | None]:
    """What can be read of the first answer without a fault; else of the last one, and what is wrong with that.

    Args:
        narrator: held to the schema where it can be.
        images: photos that the question is about.
        question: asks for JSON.
        schema: of the answer.
        read: what an answer says, and what is wrong with it.
        tokens: an answer is cut after so many tokens.
    """
    turns = [Turn("user", question, images=len(images))]
    for _ in range(TRIES):
        answer = narrator.answer(images, turns, max_new_tokens=tokens, schema=schema)
        found, fault = read(answer)
        if fault is None:
            return found, None
        again = questions()["again"].format(fault=fault)
        turns = [*turns, Turn("assistant", answer), Turn("user", again)]
    return read(narrator.answer(images, turns, max_new_tokens=tokens, schema=schema))


def listed(answer: str, key: str) -> tuple[list[object], str | None]:
    """(items of the first JSON list in an answer, None), or ([], what is wrong with it).

    Args:
        answer: JSON, or prose with JSON in it.
        key: what an object has the list under, where it is no bare list.

    >>> listed('Here: {"parts": ["bolt"]}.', "parts")
    (['bolt'], None)
    >>> listed('["bolt", "n', "parts")
    ([], 'it is cut short; answer in fewer words')
    """
    start = min((at for sign in "[{" if (at := answer.find(sign)) >= 0), default=None)
    if start is None:
        return [], "there is no JSON list in it"
    try:
        data, _ = json.JSONDecoder().raw_decode(answer, start)
    except json.JSONDecodeError as error:
        if error.pos >= len(answer.rstrip()) or error.msg.startswith("Unterminated"):
            return [], "it is cut short; answer in fewer words"
        return [], f"it is not JSON: {error.msg} at character {error.pos}"
    except (ValueError, RecursionError):
        return [], "it is not JSON that can be read: too deep, or with too long a number"
    items = data.get(key) if isinstance(data, dict) else data
    return (items, None) if isinstance(items, list) else ([], f"there is no list '{key}' in it")
