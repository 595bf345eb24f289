"""The world's words: families, which of them may be trained on, and defects as sentences."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from nano.world.scene import Family
from tools.types import Mask

TRAINED = (
    "tray",
    "connector",
    "bottle",
    "meal_box",
    "pin_grid",
    "blister",
    "memory_module",
    "metal",
    "gear",
    "wood",
    "fabric",
)
"""Recipes train on these."""

HELDOUT = ("fastener_bag", "circuit_board", "leather", "nut")
"""No recipe may read these: they are the zero-shot test."""

FAMILIES = TRAINED + HELDOUT
"""All of them."""

MASS = {"rice", "salad", "juice", "leather", "cloth"}
"""Nouns that are not counted."""
_HERE = Path(__file__).parent


class DefectWords(NamedTuple):
    """What is said about one defect."""

    words: str
    cause: str
    consequence: str
    advice: str


@cache
def _data(name: str) -> Any:
    return yaml.safe_load((_HERE / f"{name}.yaml").read_text(encoding="utf-8"))


@cache
def families() -> dict[str, Family]:
    """Every family by name, in the order of families.yaml."""
    return {
        name: Family(
            name=name,
            product=entry["product"],
            normal=" ".join(entry["normal"].split()),
            nouns=tuple(entry["nouns"]),
            rules=tuple(entry["rules"]),
            logical=tuple(entry["logical"]),
            structural=tuple(entry["structural"]),
            targets={defect: tuple(nouns) for defect, nouns in entry["structural"].items()},
        )
        for name, entry in _data("families").items()
    }


def story(defect: str, words: str, noun: str) -> DefectWords:
    """The defect told; structural painters hand over "tone|noun", families whole phrases."""
    entry = _data("defects")[defect]
    if "words" in entry and "|" in words:
        tone, part = words.split("|")
        words = with_article(entry["words"].format(tone=with_unit(tone), part=part))
    rest = (entry[key].format(part=noun) for key in ("cause", "consequence", "advice"))
    return DefectWords(words, *rest)


def with_unit(tone: str) -> str:
    """A tone as it stands before its noun; a fibre comes with its article."""
    return "a fibre" if tone == "fibre" else tone


def with_article(words: str) -> str:
    """The words with the article that their first sound asks for.

    >>> with_article("a ashen burn mark"), with_article("an torn seam")
    ('an ashen burn mark', 'a torn seam')
    """
    first, _, rest = words.partition(" ")
    return f"{'an' if rest[:1] in 'aeio' else 'a'} {rest}" if first in ("a", "an") else words


def place(mask: Mask) -> str:
    """Where the middle of a mask lies on the photo, as one of nine places."""
    rows, columns = np.nonzero(mask)
    tall, wide = mask.shape
    y = int(rows.sum()) / len(rows) / tall
    x = int(columns.sum()) / len(columns) / wide
    vertical = "upper" if y < 0.38 else "lower" if y > 0.62 else ""
    side = "left" if x < 0.38 else "right" if x > 0.62 else ""
    if vertical and side:
        return f"{vertical} {side}"
    return {"upper": "top", "lower": "bottom"}.get(vertical, "") or side or "centre"


def number(count: int) -> str:
    """A small number in words."""
    names = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return names[count] if count < len(names) else str(count)


def plural(noun: str, count: int) -> str:
    """A noun after its number: "2 bolts".

    >>> plural("switch", 2), plural("nut", 1)
    ('2 switches', '1 nut')
    """
    if noun in MASS:
        return noun
    if count == 1:
        return f"1 {noun}"
    return f"{count} {noun}{'es' if noun.endswith(('s', 'sh', 'ch', 'x', 'to')) else 's'}"
