"""Reads what a model meant by its answer, strictly: an answer that says neither or both is no answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

YesNo = Literal["yes", "no"]
_MARKS = re.compile(r"</?[a-z_]{1,12}>|<\|\w+\|>|[*_`\"'\u201c\u201d\u2018\u2019#\[\]]+", re.IGNORECASE)
"""Emphasis, quotes and markers around words."""
_LEAD = (
    r"(?i:(?:the |my |final |correct |right |best )*(?:answer|option|choice|response|assistant)"
    r"(?: (?:is|would be|to the question is))?\s*[:=\-]?\s*)"
)
"""What models say before an answer: "Answer:", "The correct option is"."""
_TURN = rf"(?:(?:^|[.!?\n]\s*|,\s*|\b(?i:so|therefore|thus|hence|actually),?\s+){_LEAD}?|\b{_LEAD})"
"""Where a last word may stand so that it is the answer: on its own, after a comma or "so", or after "the answer is"."""
_YES_NO = r"((?i:yes|no))"
_LETTERED = r"(?:(?i:option)\s+)?(?:\(\s*([A-Za-z])\s*\)|([A-Z]))"
_FIRST = re.compile(rf"^{_LEAD}?{_YES_NO}\b(?!\s*(?:/|(?i:or)\b))")
_LAST = re.compile(rf"{_TURN}{_YES_NO}\s*[.!]*\s*$")
_REVISED = re.compile(rf"(?:\b{_LEAD}|\b(?i:actually),?\s+){_YES_NO}\s*[.!]*\s*$")
"""A last word that takes a first one back."""
_DECLARED = re.compile(rf"^(?i:it|this|that) is (?:a )?{_YES_NO}\b")
_NEITHER = re.compile(r"^no\s+(?:idea|answer|comment|way to (?:tell|know|say))\b", re.IGNORECASE)
_LETTER = re.compile(rf"^{_LEAD}?(?:(?i:option)\s+)?(?:\(\s*([A-Za-z])\s*\)|([A-Za-z])\s*(?:[.):,;]|$|\n))")
_STATED = re.compile(rf"{_TURN}{_LETTERED}\s*[.!]*\s*$")
_SEVERAL = re.compile(r"^\W*[A-Za-z]\W*(?:,|/|&|\b(?:and|or)\b)\W*[A-Za-z]\b(?!\w)", re.IGNORECASE)


def yes_or_no(text: str) -> YesNo | None:
    """The answer to a yes/no question; None where it says neither, both, or something else.

    The word counts where answers stand: first, or last after words such as "the answer is". A "yes" or "no" inside of
    a sentence ("there are no defects ... yes") decides nothing.

    >>> yes_or_no("No, although one might say yes."), yes_or_no("**YES**"), yes_or_no("The answer is no.")
    ('no', 'yes', 'no')
    >>> yes_or_no("Yes or no?"), yes_or_no("Nothing is wrong."), yes_or_no("I am not sure.")
    (None, None, None)
    """
    plain = _plain(text)
    if _NEITHER.match(plain):
        return None
    first, revised = _FIRST.match(plain) or _DECLARED.match(plain), _REVISED.search(plain)
    last = revised if first is not None else _LAST.search(plain)
    said = {match.group(1).lower() for match in (first, last) if match is not None}
    if len(said) != 1:
        return None
    return "yes" if said == {"yes"} else "no"


def option_letter(text: str, options: Mapping[str, str]) -> str | None:
    """The option that an answer to a multiple-choice question names; None where it names none, or several.

    A letter counts alone, in brackets, or before a mark, first in the answer or last after words such as "the answer
    is"; the article in "A scratch" is none. Without a letter, the whole text of exactly one option counts.

    Args:
        text: what the model said.
        options: text by letter.

    >>> choices = {"A": "Scratch", "B": "No defect"}
    >>> [option_letter(t, choices) for t in ("B", "(b) No defect", "The answer is B.", "no defect.", "A scratch?", "C")]
    ['B', 'B', 'B', 'B', None, None]
    """
    plain = _plain(text)
    if _SEVERAL.match(plain):
        return None
    letters = {
        next(group for group in match.groups() if group).upper()
        for match in (_LETTER.match(plain), _STATED.search(plain))
        if match is not None
    }
    if letters:
        (letter, *more) = sorted(letters)
        return letter if not more and letter in options else None
    said = _words(re.sub(rf"^{_LEAD}", "", plain, flags=re.IGNORECASE))
    named = [letter for letter, option in options.items() if _words(option) == said]
    return named[0] if len(named) == 1 and said else None


def _plain(text: str) -> str:
    return _MARKS.sub("", text).strip()


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
