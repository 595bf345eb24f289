"""One message of a conversation about photos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Turn:
    """What one side says."""

    role: Literal["system", "user", "assistant"]
    text: str
    images: int = 0
    """So many of the conversation's photos stand before the text; they are taken in their order."""
