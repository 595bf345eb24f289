"""Questions about a scene, in the words that the narrator is asked with, and their true answers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import prompts
from nano.world.scene import Family, SceneDefect, ScenePart, SceneQuestion
from nano.world.words import number, plural

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
