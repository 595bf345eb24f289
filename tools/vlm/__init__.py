"""The narrator: answers in words, and says how likely each of given answers is.

Nothing here words a question or weighs an answer.
"""

from __future__ import annotations

from tools.vlm.local import LocalVLM
from tools.vlm.scoring import Turn, debias

__all__ = ["LocalVLM", "Turn", "debias"]
