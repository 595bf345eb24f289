"""SQLite files in which LangGraph keeps the states of a graph: opened safely, read safely, and kept small."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tools.errors import InputError, LookTwiceError

if TYPE_CHECKING:
    from langgraph.checkpoint.serde.base import SerializerProtocol
    from langgraph.checkpoint.sqlite import SqliteSaver


def open_checkpoints(path: Path | None, serde: SerializerProtocol, what: str) -> SqliteSaver:
    """Opens a file of states.

    Args:
        path: SQLite file, made where there is none; None for memory.
        serde: restores nothing but types that are safe to build, since a file may come from somebody else.
        what: what is kept in it, for messages.

    Raises:
        InputError: the file is not SQLite, is another program's, is locked, or cannot be written.
    """
    from langgraph.checkpoint.sqlite import SqliteSaver

    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and not path.is_file():
                raise InputError(f"{path}: is not a regular file; give the path of a new or of an earlier store.")
        connection = sqlite3.connect(path or ":memory:", check_same_thread=False, timeout=10.0)
        saver = SqliteSaver(connection, serde=serde)
        _refuse_foreign(connection, path)
        saver.setup()
    except (OSError, sqlite3.Error, UnicodeError) as error:
        raise InputError(
            f"{path}: cannot keep {what} there ({error}); give the path of a new or of an earlier store."
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


def prune(saver: SqliteSaver, thread: str, kept: int) -> None:
    """Drops all but the last states of a thread, so that a long thread does not fill the disk."""
    last = "SELECT checkpoint_id FROM checkpoints WHERE thread_id = ? ORDER BY checkpoint_id DESC LIMIT ?"
    with saver.cursor() as cursor:
        for table in ("checkpoints", "writes"):
            # Both parts are constants of this function.
            statement = f"DELETE FROM {table} WHERE thread_id = ? AND checkpoint_id NOT IN ({last})"  # noqa: S608  # nosec B608
            cursor.execute(statement, (thread, thread, kept))


def prune_threads(saver: SqliteSaver, kept: int) -> None:
    """Drops all but the threads that were written last."""
    with saver.cursor(transaction=False) as cursor:
        cursor.execute("SELECT thread_id FROM checkpoints GROUP BY thread_id ORDER BY MAX(checkpoint_id) DESC")
        threads = [str(thread) for (thread,) in cursor.fetchall()]
    for thread in threads[kept:]:
        saver.delete_thread(thread)
