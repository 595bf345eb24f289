"""Text that is safe to show on one line: terminal, log, CSV, HTML and page."""

from __future__ import annotations

import unicodedata

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that steer a terminal, reorder text or show nothing: control, format, surrogate, private use,
unassigned, line and paragraph separators."""
_JOINERS = frozenset({"\u200d", "\ufe0f"})
"""Parts of emoji sequences, harmless between other signs."""
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""First characters that a spreadsheet takes for a formula, full-width forms included."""


def display_text(text: str, limit: int | None = None) -> str:
    r"""Return text for one line in which nothing acts on a terminal, a log or a page.

    Control, format (right-to-left overrides included), surrogate and unassigned characters are written as escapes;
    bytes of a file name that are not UTF-8 are written as ``\xNN``. HTML must still be escaped by the template.

    Args:
        text: any string, also one with lone surrogates.
        limit: longest result, in characters; a longer text is cut and ends in an ellipsis.

    >>> print(display_text("a\nb \x1b[31mred"))
    a\nb \x1b[31mred
    >>> print(display_text("\udcff.png"), display_text("\u202egnp.exe"), display_text("0123456789", limit=5))
    \xff.png \u202egnp.exe 0123…
    """
    decoded = text.encode("utf-8", "surrogateescape") if _only_bytes(text) else text.encode("utf-8", "backslashreplace")
    known = decoded.decode("utf-8", "backslashreplace")
    shown = "".join(_shown(c) for c in known)
    return shown if limit is None or len(shown) <= limit else f"{shown[: limit - 1]}…"


def csv_text(text: str) -> str:
    """Return text for a cell of a CSV file: on one line, and never a formula to a spreadsheet.

    >>> csv_text("=1+1"), csv_text(" \\n=1+1"), csv_text("part 1")
    ("'=1+1", "' \\\\n=1+1", 'part 1')
    """
    shown = display_text(text)
    begins = text.lstrip()
    return f"'{shown}" if begins.startswith(_FORMULA) else shown


def _only_bytes(text: str) -> bool:
    """Whether every surrogate of the text stands for a byte that is not UTF-8 (surrogateescape)."""
    return all(0xDC80 <= ord(c) <= 0xDCFF for c in text if 0xD800 <= ord(c) <= 0xDFFF)


def _shown(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _INVISIBLE:
        return character
    return character.encode("unicode_escape").decode("ascii")
