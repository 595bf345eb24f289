"""Conversations about a report: a second small graph on the same state, answered from evidence or by looking again.

Every sentence cites evidence; words of a photo, a file name or a model are content and are never obeyed.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from agent.chat.chat import Chat
    from agent.chat.records import ChatTurn, PendingChange, Reply
else:
    __getattr__, __dir__, _ = lazy_loader.attach(
        __name__, submod_attrs={"chat": ["Chat"], "records": ["ChatTurn", "PendingChange", "Reply"]}
    )

__all__ = ["Chat", "ChatTurn", "PendingChange", "Reply"]
