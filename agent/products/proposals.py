"""Asks the vision-language model which parts a product has and how they look; answers are checked and asked again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agent.products.description import singular
from agent.products.validation import TRUSTED
from agent.rules import MeasuredParts
from prompts import questions
from tools.types import RGB, Part, Sample
from tools.vlm import Turn

if TYPE_CHECKING:
    from tools.vlm import LocalVLM
    from tools.vlm.schema import Schema

TRIES = 2
"""How often the language model is asked again with what was wrong."""
T = TypeVar("T")


def asked(
    vlm: LocalVLM,
    images: Sequence[RGB],
    question: str,
    schema: Schema,
    read: Callable[[str], tuple[T, str | None]],
    *,
    tokens: int,
) -> tuple[T, str | None]:
    """What can be read of the first answer without a fault; else of the last one, and what is wrong with that.

    Args:
        vlm: held to the schema where it can be.
        images: photos that the question is about.
        question: asks for JSON.
        schema: of the answer.
        read: what an answer says, and what is wrong with it.
        tokens: an answer is cut after so many tokens.
    """
    turns = [Turn("user", question, images=len(images))]
    for _ in range(TRIES):
        answer = vlm.answer(images, turns, max_new_tokens=tokens, schema=schema)
        found, fault = read(answer)
        if fault is None:
            return found, None
        again = questions()["again"].format(fault=fault)
        turns = [*turns, Turn("assistant", answer), Turn("user", again)]
    return read(vlm.answer(images, turns, max_new_tokens=tokens, schema=schema))


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


PART_LIMIT = 12
"""At most so many kinds of parts are taken from the vlm."""
TOKENS = {"names": 64, "parts": 512}
"""An answer is cut after so many tokens."""
Label = Annotated[str, Field(min_length=1, max_length=40)]


class ProposedPart(BaseModel):
    """A kind of part as the language model describes it."""

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
    vlm: LocalVLM, samples: Sequence[Sample], product: str, *, described: bool = False
) -> tuple[ProposedPart, ...]:
    """Kinds of parts that the language model gives on the photos, in the order of first mention, their labels singular.

    Args:
        vlm: is asked about each photo by itself for names, about all at once for more, which takes it longer.
        samples: photos of good ones.
        product: what it is called.
        described: ask for words to find each part by and for how it looks, not for names alone.
    """
    key: Literal["names", "parts"] = "parts" if described else "names"
    question = questions()["describe_parts" if described else "list_parts"].format(product=product)
    images = [sample.image for sample in samples]
    found: dict[str, ProposedPart] = {}
    for shown in [images] if described and images else [[image] for image in images]:
        parts, _ = asked(vlm, shown, question, parts_schema(key), read_parts, tokens=TOKENS[key])
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


HERE = 0.5
"""A part and a detection whose boxes overlap more than this (IoU) are one thing."""
LEAST = 2
"""References on which a name must fit; on one alone a name for nothing fits by chance."""
SEVERAL = 2
"""Kinds of one product that must bear names, for the language model to know it."""
FOUND = 0.5
"""How sure a part or a detection must be to count."""


def names_of(
    kinds: Sequence[str], discovered: Sequence[MeasuredParts], labels: Sequence[str], detected: Sequence[MeasuredParts]
) -> dict[str, str]:
    """Which discovered kinds bear which names.

    A kind bears a name when, on most references, each of its parts lies where the detector finds the name, and nothing
    else does. No name is given twice, and no kind two names. A single name is none: the one thing that a photo shows is
    found by any noun.

    Args:
        kinds: labels of the discovered kinds.
        discovered: their parts on each reference.
        labels: names that may fit, best first.
        detected: what the detector finds by those names, on the same references.

    Returns:
        Names by the labels of the kinds that have one.
    """
    named: dict[str, str] = {}
    least = max(LEAST, TRUSTED * len(discovered))
    for label in labels:
        fits = {kind: _fits(kind, discovered, label, detected) for kind in kinds if kind not in named}
        best = max(fits, key=lambda kind: fits[kind], default=None)
        if best is not None and fits[best] >= least:
            named[best] = label
    return named if len(named) >= SEVERAL else {}


def _fits(kind: str, discovered: Sequence[MeasuredParts], label: str, detected: Sequence[MeasuredParts]) -> int:
    """On how many references the parts of a kind and the detections of a name are the same things."""
    pairs = zip(discovered, detected, strict=True)
    return sum(_same(_sure(parts.of(kind)), _sure(boxes.of(label))) for parts, boxes in pairs)


def _sure(parts: Sequence[Part]) -> list[Part]:
    return [part for part in parts if part.region.score >= FOUND]


def _same(parts: Sequence[Part], boxes: Sequence[Part]) -> bool:
    """Whether there are some, as many of both, and each part lies where one detection is, and each at another."""
    if not parts or len(parts) != len(boxes):
        return False
    places = [max(range(len(boxes)), key=lambda n: part.region.box.iou(boxes[n].region.box)) for part in parts]
    here = all(p.region.box.iou(boxes[n].region.box) > HERE for p, n in zip(parts, places, strict=True))
    return here and len(set(places)) == len(boxes)
