"""The page's words in one language; what a language lacks is said in English."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from prompts import strings
from tools.errors import InputError

LANGUAGES = ("en", "zh", "de")
"""Languages with a file in prompts/strings/."""


@dataclass(frozen=True)
class Words:
    """Sentences by key, filled with facts."""

    language: str
    table: dict[str, str]

    def __call__(self, key: str, **facts: object) -> str:
        """The words of a key; facts stand in `str.format` braces.

        Raises:
            KeyError: no such key in any language, or a fact is missing.
        """
        text = self.table[key]
        return text.format(**facts) if facts else text

    def __getitem__(self, key: str) -> str:
        return self.table[key]


@cache
def words_in(language: str) -> Words:
    """The words of a language.

    Raises:
        tools.errors.InputError: no such language.
    """
    if language not in LANGUAGES:
        raise InputError(f"the page has no words in '{language}'; languages are: {', '.join(LANGUAGES)}.")
    return Words(language, {**strings("en"), **strings(language)})
