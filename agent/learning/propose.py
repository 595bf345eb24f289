"""Asks the narrator which parts a product has; what it answers is checked, and asked again with what was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agent.learning.asked import asked, listed
from agent.learning.told import singular
from prompts import questions
from tools.types import Sample

if TYPE_CHECKING:
    from tools.narrate import Narrator
    from tools.narrate.schema import Schema

PART_LIMIT = 12
"""At most so many kinds of parts are taken from the narrator."""
TOKENS = {"names": 64, "parts": 512}
"""An answer is cut after so many tokens."""
Label = Annotated[str, Field(min_length=1, max_length=40)]


class ProposedPart(BaseModel):
    """A kind of part as the narrator describes it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    label: Label
    phrase: str = Field(default="", max_length=60)
    """Words for the grounder; the label where there are none."""
    look: str = Field(default="", max_length=100)
    """How a good one looks."""


class Described(BaseModel):
    """The answer to `describe_parts`."""

    parts: list[ProposedPart] = Field(max_length=PART_LIMIT)


Names: TypeAdapter[list[str]] = TypeAdapter(Annotated[list[Label], Field(max_length=PART_LIMIT)])
"""The answer to `list_parts`."""
Item = TypeAdapter[str | ProposedPart](Label | ProposedPart)


def proposed_parts(
    narrator: Narrator, samples: Sequence[Sample], product: str, *, described: bool = False
) -> tuple[ProposedPart, ...]:
    """Kinds of parts that the narrator gives on the photos, in the order of first mention, their labels singular.

    Args:
        narrator: is asked about each photo by itself for names, about all at once for more, which takes it longer.
        samples: photos of good ones.
        product: what it is called.
        described: ask for words to find each part by and for how it looks, not for names alone.
    """
    key: Literal["names", "parts"] = "parts" if described else "names"
    question = questions()["describe_parts" if described else "list_parts"].format(product=product)
    images = [sample.image for sample in samples]
    found: dict[str, ProposedPart] = {}
    for shown in [images] if described and images else [[image] for image in images]:
        parts, _ = asked(narrator, shown, question, parts_schema(key), read_parts, tokens=TOKENS[key])
        for part in parts:
            found.setdefault(part.label, part)
    return tuple(found.values())[:PART_LIMIT]


def parts_schema(key: Literal["names", "parts"]) -> Schema:
    """The JSON Schema of an answer: a list of names, or an object with parts, of which nothing is left out."""
    if key == "names":
        return Names.json_schema()
    schema = Described.model_json_schema()
    part = schema["$defs"]["ProposedPart"]
    whole = {**part, "required": list(part["properties"]), "additionalProperties": False}
    return {**schema, "$defs": {"ProposedPart": whole}, "additionalProperties": False}


def read_parts(answer: str) -> tuple[tuple[ProposedPart, ...], str | None]:
    """(parts in the JSON of an answer, None), or ((), what is wrong with it).

    >>> [part.label for part in read_parts('["bolts", {"label": "Nut", "phrase": "a hexagonal nut"}]')[0]]
    ['bolt', 'nut']
    >>> read_parts("I see two bolts.")
    ((), 'there is no JSON list in it')
    """
    items, fault = listed(answer, "parts")
    found: dict[str, ProposedPart] = {}
    for number, item in enumerate(items):
        try:
            part = Item.validate_python(item)
        except ValidationError as error:
            return (), f"item {number}: {error.errors()[0]['msg']}"
        told = part if isinstance(part, ProposedPart) else ProposedPart(label=part)
        label = singular(" ".join(told.label.lower().split()))
        if label:
            found.setdefault(label, told.model_copy(update={"label": label}))
    return tuple(found.values()), fault
