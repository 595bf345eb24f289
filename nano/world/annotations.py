"""Annotations beside the photos: questions with answers as conversations, parts with run-length masks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

import prompts
from nano.world.scene import Family, Scene, SceneDefect, ScenePart, SceneQuestion
from nano.world.words import number, plural
from tools.types import Mask

MANY = {"0", *map(str, range(2, 30)), *(number(count) for count in range(2, 11)), "crumbs"}
"""First words that ask for a plural verb."""


def asked(family: Family, parts: Sequence[ScenePart], defects: Sequence[SceneDefect]) -> tuple[SceneQuestion, ...]:
    """Every question that has a true answer here."""
    defect = defects[0] if defects else None
    counts = Counter(part.noun for part in parts)
    answers: list[tuple[str, dict[str, str], str]] = [
        ("detect", {}, "Yes" if defect else "No"),
        ("detect_good", {}, "No" if defect else "Yes"),
        ("describe", {}, described(family, counts, defect)),
        ("list_parts", {}, json.dumps([noun for noun in family.nouns if counts[noun]])),
    ]
    answers += [("count", {"part": noun}, str(counts[noun])) for noun in family.nouns]
    if defect:
        answers += [
            ("describe_defect", {}, f"{there(defect.words)}."),
            ("locate", {}, f"{defect.place[0].upper()}{defect.place[1:]}."),
            ("cause", {}, defect.cause),
            ("consequence", {}, defect.consequence),
            ("advise", {}, defect.advice),
        ]
    else:
        answers.append(("describe_defect", {}, "Nothing, it is good."))
    templates = prompts.questions()
    return tuple(
        SceneQuestion(name, templates[name].format(product=family.product, **values), answer)
        for name, values, answer in answers
    )


def described(family: Family, counts: Counter[str], defect: SceneDefect | None) -> str:
    """What is there, then what is wrong, where, and how badly."""
    listed = [plural(noun, counts[noun]) for noun in family.nouns if counts[noun]]
    parts = listed[0] if len(listed) == 1 else ", ".join(listed[:-1]) + " and " + listed[-1]
    if defect is None:
        return f"The {family.product} shows {parts}. It is good."
    where = "centre" if defect.place == "centre" else defect.place
    side = f"on the {where}" if where in ("left", "right") else f"at the {where}"
    return f"The {family.product} shows {parts}. {there(defect.words)} {side}; it is {defect.severity}."


def there(words: str) -> str:
    """A defect's words as a clause.

    >>> there("4 nuts instead of 3"), there("a bent bolt")
    ('There are 4 nuts instead of 3', 'There is a bent bolt')
    """
    first = words.split(maxsplit=1)[0]
    return f"There {'are' if first in MANY else 'is'} {words}"


def question_record(
    path: str, scene: Scene, masks: list[str], reference: str | None, templates: dict[str, str]
) -> list[dict[str, Any]]:
    """Conversations about one photo, and one that compares it with a good one where there is one.

    The shape is that of LLaVA's instructions, which VisA-D&R uses: turns "from" human and gpt, the photo
    standing as `<image>` in the first. Each human turn also names its question.
    """
    head = {
        "family": scene.family,
        "product": scene.product,
        "label": scene.defects[0].kind if scene.defects else "good",
        "defect": scene.defects[0].name if scene.defects else None,
        "mask": masks,
    }
    turns = [(q.name, q.question, q.answer) for q in scene.questions]
    lines = [{"id": path, "image": path, **head, "conversations": _turns(turns, 1)}]
    if reference is not None:
        worse = "Yes" if scene.defects else "No"
        equal = "No" if scene.defects else "Yes"
        both = [
            (name, templates[name].format(product=scene.product), answer)
            for name, answer in (("compare", worse), ("compare_good", equal))
        ]
        images = [path, reference]
        lines.append({"id": f"{path}#compare", "image": images, **head, "conversations": _turns(both, 2)})
    return lines


def _turns(turns: list[tuple[str, str, str]], images: int) -> list[dict[str, str]]:
    said = []
    for step, (name, question, answer) in enumerate(turns):
        shown = "<image>\n" * images if step == 0 else ""
        said.append({"from": "human", "name": name, "value": shown + question})
        said.append({"from": "gpt", "value": answer})
    return said


def listed(path: str, scene: Scene, masks: list[str]) -> dict[str, Any]:
    """Parts and defects of one photo; masks of parts as COCO run lengths, of defects as files."""
    return {
        "image": path,
        "family": scene.family,
        "size": [scene.image.shape[1], scene.image.shape[0]],
        "parts": [
            {
                "noun": part.noun,
                "box": list(part.box),
                "attributes": part.attributes,
                "mask": run_lengths(part.mask),
            }
            for part in scene.parts
        ],
        "defects": [
            {
                "name": d.name,
                "kind": d.kind,
                "words": d.words,
                "place": d.place,
                "severity": d.severity,
                "cause": d.cause,
                "consequence": d.consequence,
                "advice": d.advice,
                "box": list(d.box),
                "saturation": d.saturation,
                "pixel_value": d.pixel_value,
                "mask": masks[number],
            }
            for number, d in enumerate(scene.defects)
        ],
    }


def run_lengths(mask: Mask) -> dict[str, list[int]]:
    """A mask as uncompressed COCO run lengths, down the columns, zeros first.

    >>> run_lengths(np.array([[False, True], [True, True]]))
    {'size': [2, 2], 'counts': [1, 3]}
    """
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    bounds = [0, *(int(edge) for edge in edges), flat.size]
    counts = [after - before for before, after in pairwise(bounds)]
    return {"size": [mask.shape[0], mask.shape[1]], "counts": [0, *counts] if flat[0] else counts}
