"""Asks the narrator which parts a product has; what it answers is checked, and asked again with what was wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agent.told import singular
from prompts import questions
from tools.narrate import Turn
from tools.types import Sample

if TYPE_CHECKING:
    from tools.narrate import Narrator

PART_LIMIT = 12
"""At most so many kinds of parts are taken from the narrator."""
TRIES = 2
"""How often the narrator is asked again with what was wrong."""


class ProposedPart(BaseModel):
    """A part as the narrator describes it: a name, or an object with a phrase to look for."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    label: str = Field(min_length=1, max_length=40)
    phrase: str = Field(default="", max_length=80)
    look: str = Field(default="", max_length=200)


Answer = TypeAdapter(list[str | ProposedPart])
"""What is asked for: a JSON list of names, or of objects with label, phrase and look."""


def proposed_parts(narrator: Narrator, samples: Sequence[Sample], product: str) -> list[str]:
    """Part names that the narrator gives on the photos, in the order of first mention, singular."""
    question = questions()["list_parts"].format(product=product)
    names: list[str] = []
    for sample in samples:
        names += [n for n in _asked(narrator, sample, question) if n not in names]
    return names[:PART_LIMIT]


def _asked(narrator: Narrator, sample: Sample, question: str) -> list[str]:
    """The names in the first answer that can be read; each try quotes what was wrong with the one before."""
    turns = [Turn("user", question, images=1)]
    for _ in range(1 + TRIES):
        answer = narrator.answer([sample.image], turns, max_new_tokens=64)
        names, fault = read_parts(answer)
        if fault is None:
            return names
        again = questions()["list_parts_again"].format(fault=fault)
        turns = [*turns, Turn("assistant", answer), Turn("user", again)]
    return []


def read_parts(answer: str) -> tuple[list[str], str | None]:
    """(names in the JSON list of an answer, None), or ([], what is wrong with it).

    >>> read_parts('["bolts", {"label": "Nut"}]')
    (['bolt', 'nut'], None)
    >>> read_parts("I see two bolts.")
    ([], 'there is no JSON list in it')
    """
    start, end = answer.find("["), answer.rfind("]")
    if not 0 <= start < end:
        return [], "there is no JSON list in it"
    try:
        items = Answer.validate_python(json.loads(answer[start : end + 1]))
    except json.JSONDecodeError as error:
        return [], f"it is not JSON: {error.msg} at character {error.pos}"
    except ValidationError as error:
        first = error.errors()[0]
        return [], f"item {first['loc'][0] if first['loc'] else 0}: {first['msg']}"
    names = [i if isinstance(i, str) else i.label for i in items]
    tidy = [singular(" ".join(n.lower().split())) for n in names]
    return [n for n in dict.fromkeys(tidy) if 0 < len(n) <= 40], None
