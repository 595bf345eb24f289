"""Where conversations are kept: a SQLite file, or memory; a thread is one conversation about one photo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agent.checkpoints import damage_as_input_error, open_checkpoints
from tools.errors import InputError

if TYPE_CHECKING:
    from langgraph.checkpoint.sqlite import SqliteSaver

    from agent.report.model import InspectionReport

KEPT = 4
"""States of a thread that are kept; only the last is ever read."""
ALLOWED = (("agent.chat.state", "Question"),)
"""Modules and names of our own types that a conversation holds."""
LONGEST = 200
"""Signs of a thread's name."""


def open_store(path: Path | str | None) -> SqliteSaver:
    """A store of threads.

    Args:
        path: SQLite file, made where there is none; None for memory.

    Raises:
        InputError: the file is not SQLite, is another program's, is locked, or cannot be written.
    """
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    # In memory too it is SQLite, so that old states are dropped there as they are in a file.
    serializer = JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=ALLOWED)
    return open_checkpoints(None if path is None else Path(path), serializer, "conversations")


def checked_thread(thread: str) -> str:
    """A thread's name.

    Raises:
        InputError: it is empty or too long.
    """
    if not thread.strip() or len(thread) > LONGEST or not thread.isprintable():
        raise InputError(f"thread {thread[:LONGEST]!r}: give a name of 1 to {LONGEST} printable signs.")
    return thread


def kept_report(path: Path | str, thread: str) -> InspectionReport | None:
    """The report that a thread is about; None where there is no such thread.

    Raises:
        InputError: as `open_store`.
    """
    from agent.report.model import InspectionReport

    if not Path(path).exists():
        return None
    saver = open_store(path)
    try:
        with damage_as_input_error(path, thread):
            found = saver.get_tuple({"configurable": {"thread_id": thread}})
            values = found.checkpoint["channel_values"] if found is not None else {}
            return InspectionReport.model_validate_json(values["report"]) if values.get("report") else None
    finally:
        saver.conn.close()


def refuse_other(thread: str, kept: str, given: str) -> None:
    """Refuses to talk about one photo in the thread of another.

    Raises:
        InputError: always.
    """
    raise InputError(
        f"thread '{thread}' is about another photo ({Path(kept).name}, not {Path(given).name}); give another thread."
    )
