"""The vlm: answers in words, and says how likely each of given answers is.

Nothing here words a question or weighs an answer.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from tools.vlm.answers import Turn, debias
    from tools.vlm.local import LocalVLM
    from tools.vlm.memory_fallback import MemoryFallbackVLM
    from tools.vlm.server import ServerVLM
else:
    __getattr__, __dir__, _ = lazy_loader.attach(
        __name__,
        submod_attrs={
            "answers": ["Turn", "debias"],
            "local": ["LocalVLM"],
            "memory_fallback": ["MemoryFallbackVLM"],
            "server": ["ServerVLM"],
        },
    )

__all__ = ["LocalVLM", "MemoryFallbackVLM", "ServerVLM", "Turn", "debias"]
