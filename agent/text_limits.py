"""Lengths of the texts that a person gives; a longer one would cost gigabytes and minutes of a language model."""

from __future__ import annotations

from tools.errors import InputError

QUESTION = 2_000
"""Characters of a question about a photo, or of one turn of a conversation."""
DESCRIPTION = 10_000
"""Characters of what good means, or of what is wrong with a rejected photo."""
NAME = 80
"""Characters of a product's name and of the noun that models are given."""


def checked_text(field: str, text: str, limit: int) -> str:
    """Return a text that is not too long.

    Args:
        field: what the text is, for the message, such as "question".
        text: what was given.
        limit: most characters.

    Raises:
        InputError: it is longer.

    >>> checked_text("question", "how many?", 20)
    'how many?'
    """
    if len(text) > limit:
        raise InputError(f"{field}: has {len(text):,} characters; at most {limit:,} are accepted; shorten it.")
    return text
