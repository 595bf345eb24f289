"""Where conversations are kept: a SQLite file, or memory; a thread is one conversation about one photo."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tools.errors import InputError, LookTwiceError

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver

    from agent.report.model import InspectionReport

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
        InputError: the file is not SQLite, is another program's, is locked, or cannot be written.
    """
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
    from langgraph.checkpoint.sqlite import SqliteSaver

    # In memory too it is SQLite, so that `prune` drops old states there as it does in a file.
    file = Path(path) if path is not None else None
    try:
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            if file.exists() and not file.is_file():
                raise InputError(f"{file}: is not a regular file; give the path of a new or of an earlier store.")
        connection = sqlite3.connect(file or ":memory:", check_same_thread=False, timeout=10.0)
        # A store may come from somebody else: only types that are safe to build and our own question are restored.
        saver = SqliteSaver(
            connection, serde=JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=ALLOWED)
        )
        _refuse_foreign(connection, file)
        saver.setup()
    except (OSError, sqlite3.Error, UnicodeError) as error:
        raise InputError(
            f"{file}: cannot keep conversations there ({error}); give the path of a new or of an earlier store."
        ) from error
    return saver


def _refuse_foreign(connection: sqlite3.Connection, file: Path | None) -> None:
    """Refuse a database of another program before any table is added to it.

    Raises:
        InputError: it has tables, and not those of a store.
    """
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    tables = {str(name) for (name,) in rows if not str(name).startswith("sqlite_")}
    columns = {str(row[1]) for row in connection.execute("PRAGMA table_info(checkpoints)").fetchall()}
    if tables and not {"thread_id", "checkpoint_id", "type", "checkpoint", "metadata"} <= columns:
        connection.close()
        raise InputError(
            f"{file}: is a database of another program (it has tables {', '.join(sorted(tables)[:4])}); give the path "
            "of a new or of an earlier store."
        )


@contextmanager
def damage_as_input_error(store: Path | str | None, thread: str) -> Iterator[None]:
    """Turn whatever a damaged, locked or foreign store causes while it is read into one sentence.

    Raises:
        InputError: reading failed.
    """
    try:
        yield
    except LookTwiceError:
        raise
    except (sqlite3.Error, ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(
            f"{store or 'the store in memory'}: thread '{thread}' cannot be read ({reason}); the store is locked, "
            "damaged or of another program. Give another thread or another store."
        ) from error


def prune(saver: BaseCheckpointSaver[str], thread: str) -> None:
    """Drops all but the last states of a thread, so that a long conversation does not fill the disk."""
    from langgraph.checkpoint.sqlite import SqliteSaver

    if not isinstance(saver, SqliteSaver):
        return
    last = "SELECT checkpoint_id FROM checkpoints WHERE thread_id = ? ORDER BY checkpoint_id DESC LIMIT ?"
    with saver.cursor() as cursor:
        for table in ("checkpoints", "writes"):
            # Both parts are constants of this function.
            statement = f"DELETE FROM {table} WHERE thread_id = ? AND checkpoint_id NOT IN ({last})"  # noqa: S608  # nosec B608
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
        close(saver)


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
