"""The product specification: what a good one looks like, its parts and its rules, as a file people edit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent.rules import Rule
from tools.errors import InputError

MAX_BYTES = 1_000_000


class PartSpec(BaseModel):
    """One kind of part: what people call it and what the grounder is asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str = Field(min_length=1)
    phrase: str = Field(min_length=1)
    """Words for the grounder; usually the label."""
    threshold: float = Field(default=0.5, gt=0, lt=1)
    """Detection score that is worth one half; found on the references."""


class ProductSpec(BaseModel):
    """Everything about a product that is known in words and numbers; YAML, without loss."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    name: str = Field(min_length=1, max_length=80)
    product: str = Field(min_length=1)
    """The noun that a model is told: "compartment tray"."""
    normal: str = ""
    """What good means, in the user's words."""
    parts: tuple[PartSpec, ...] = ()
    rules: tuple[Rule, ...] = ()
    references: tuple[Path, ...] = ()
    """Photos of good ones, relative to the folder of this file where they lie below it."""

    @model_validator(mode="after")
    def _rules_speak_of_parts(self) -> ProductSpec:
        labels = {p.label for p in self.parts}
        for rule in self.rules:
            if rule.part not in labels:
                known = ", ".join(sorted(labels)) or "none"
                raise ValueError(f"rule '{rule.kind}' speaks of part '{rule.part}', but the parts are: {known}")
        return self

    def save(self, path: Path) -> None:
        """Writes the specification as YAML."""
        import yaml

        data = self.model_dump(mode="json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> ProductSpec:
        """Reads a specification.

        Raises:
            InputError: no such file, too large, not YAML, or a field is wrong; the message names it.
        """
        import yaml

        try:
            if path.stat().st_size > MAX_BYTES:
                raise InputError(f"{path}: larger than 1 MB; a product file holds words and numbers only.")
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
            return cls.model_validate(data)
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}; give the path of a product's YAML file.") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{path}: not readable as YAML ({reason}); mend that place and try again.") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(x) for x in first["loc"]) or "file"
            raise InputError(f"{path}: field {where}: {first['msg']}; mend it and try again.") from error


_NUMBERS = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
_NUMBER = r"(?:\d{1,3}|" + "|".join(_NUMBERS) + r")\b"
_WORD = rf"(?!{_NUMBER})[a-z-]+"
_AFTER = r"(?=\s*(?:[,;.:]|$)|\s+(?:and|or|in|on|at|with|of|for|side|each)\b)"
_COUNTED = re.compile(rf"\b({_NUMBER})\s+((?:{_WORD}\s+){{0,2}}?{_WORD}){_AFTER}", re.IGNORECASE)
_IRREGULAR = {"batteries": "battery", "knives": "knife", "leaves": "leaf"}


def counted_parts(sentence: str) -> dict[str, int]:
    """Counts that a sentence states, by singular noun phrase.

    Only numbers count: "a box with two lids" says two lids, and nothing of how many boxes.

    >>> counted_parts("A box with two bolts, three red nuts and one washer.")
    {'bolt': 2, 'red nut': 3, 'washer': 1}
    """
    found: dict[str, int] = {}
    for number, phrase in _COUNTED.findall(sentence):
        word = number.lower()
        count = int(word) if word.isdigit() else _NUMBERS.index(word)
        *adjectives, noun = phrase.lower().split()
        found[" ".join([*adjectives, singular(noun)])] = count
    return found


def singular(noun: str) -> str:
    """The singular of a regular English noun, and of the irregular ones that parts lists use.

    >>> singular("switches"), singular("glass"), singular("tomatoes")
    ('switch', 'glass', 'tomato')
    """
    if noun in _IRREGULAR:
        return _IRREGULAR[noun]
    if noun.endswith(("ches", "shes", "xes", "sses", "toes")):
        return noun[:-2]
    if noun.endswith("s") and not noun.endswith(("ss", "us", "is")):
        return noun[:-1]
    return noun
