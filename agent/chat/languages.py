"""Which language a question is in, and what is answered in one whose questions are not read."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, cast

from agent.chat.records import worded
from prompts import languages_of, load_yaml


@cache
def _script(language: str) -> re.Pattern[str] | None:
    found = load_yaml("chat_languages")[language].get("script")
    return re.compile(found) if found else None


def language_of(question: str) -> str:
    """The code of a question's language: by its script, else by its commonest words; "en" where they do not decide.

    >>> language_of("Warum ist es schlecht?"), language_of("为什么"), language_of("zoom")
    ('de', 'zh', 'en')
    """
    known = cast("dict[str, dict[str, Any]]", load_yaml("chat_languages"))
    scripts = {code: script for code in known if (script := _script(code)) is not None}
    for code, script in scripts.items():
        if script.search(question):
            return code
    words = re.findall(r"[^\W\d_]+", question.lower())
    counts = {code: sum(word in known[code]["words"] for word in words) for code in known if "words" in known[code]}
    return max(counts, key=lambda code: (counts[code], code == "en"))


def unread(question: str) -> str:
    """What can be asked, in the language of a question that was not understood."""
    language = language_of(question)
    if language in languages_of("chat"):
        return worded("unsure_intent", language)
    return str(load_yaml("chat_languages")[language]["unread"])
