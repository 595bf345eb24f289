"""Where conversations are kept: a SQLite file, or memory; a thread is one conversation about one photo."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from tools.errors import InputError

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver

    from agent.report import InspectionReport

KEPT = 4
"""States of a thread that are kept; only the last is ever read."""
ALLOWED = (("agent.chat.state", "Question"),)
"""Modules and names of our own types that a conversation holds."""
LONGEST = 200
"""Signs of a thread's name."""


def open_store(path: Path | str | None) -> BaseCheckpointSaver[str]:
    """A store of threads.

    Args:
        path: SQLite file, made where there is none; None for memory.

    Raises:
        InputError: the file is not SQLite, or cannot be written.
    """
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
    from langgraph.checkpoint.sqlite import SqliteSaver

    # In memory too it is SQLite, so that `prune` drops old states there as it does in a file.
    file = Path(path) if path is not None else None
    try:
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(file or ":memory:", check_same_thread=False, timeout=10.0)
        # A store may come from somebody else: only types that are safe to build and our own question are restored.
        saver = SqliteSaver(
            connection, serde=JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=ALLOWED)
        )
        saver.setup()
    except (OSError, sqlite3.Error) as error:
        raise InputError(
            f"{file}: cannot keep conversations there ({error}); give the path of a new or of an earlier store."
        ) from error
    return saver


def prune(saver: BaseCheckpointSaver[str], thread: str) -> None:
    """Drops all but the last states of a thread, so that a long conversation does not fill the disk."""
    from langgraph.checkpoint.sqlite import SqliteSaver

    if not isinstance(saver, SqliteSaver):
        return
    last = "SELECT checkpoint_id FROM checkpoints WHERE thread_id = ? ORDER BY checkpoint_id DESC LIMIT ?"
    with saver.cursor() as cursor:
        for table in ("checkpoints", "writes"):
            statement = f"DELETE FROM {table} WHERE thread_id = ? AND checkpoint_id NOT IN ({last})"  # noqa: S608
            cursor.execute(statement, (thread, thread, KEPT))


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
    from agent.report import InspectionReport

    if not Path(path).exists():
        return None
    saver = open_store(path)
    found = saver.get_tuple({"configurable": {"thread_id": thread}})
    values = found.checkpoint["channel_values"] if found is not None else {}
    close(saver)
    return InspectionReport.model_validate_json(values["report"]) if values.get("report") else None


def refuse_other(thread: str, kept: str, given: str) -> None:
    """Refuses to talk about one photo in the thread of another.

    Raises:
        InputError: always.
    """
    raise InputError(
        f"thread '{thread}' is about another photo ({Path(kept).name}, not {Path(given).name}); give another thread."
    )


def close(saver: BaseCheckpointSaver[str]) -> None:
    """Closes the file of a store."""
    connection = getattr(saver, "conn", None)
    if connection is not None:
        connection.close()
