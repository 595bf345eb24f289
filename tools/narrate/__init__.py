"""The narrator: answers in words, and says how likely each of given answers is.

Nothing here words a question or weighs an answer.
"""

from tools.narrate.choose import debias
from tools.narrate.local import Narrator
from tools.narrate.turn import Turn

__all__ = ["Narrator", "Turn", "debias"]
