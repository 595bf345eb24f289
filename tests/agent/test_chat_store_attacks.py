"""A conversation store from somebody else runs no code."""

import contextlib
import os
import sqlite3
import threading

import ormsgpack
import pytest
from langgraph.checkpoint.sqlite import SqliteSaver
from test_chat import World

from agent.chat.store import open_store
from tools.errors import InputError

CONFIG = {"configurable": {"thread_id": "t1", "checkpoint_ns": ""}}


@pytest.mark.parametrize(("module", "name"), [("os", "system"), ("posix", "system"), ("subprocess", "getoutput")])
def test_a_store_that_names_a_function_does_not_call_it(tmp_path, module, name):
    path, mark = tmp_path / "evil.sqlite", tmp_path / "ran"
    saver = SqliteSaver(sqlite3.connect(path, check_same_thread=False))
    saver.setup()
    call = ormsgpack.packb((module, name, f"touch {mark}"))
    state = ormsgpack.packb(
        {
            "id": "1",
            "ts": "",
            "v": 4,
            "channel_values": {"x": ormsgpack.Ext(0, call)},
            "channel_versions": {},
            "versions_seen": {},
        }
    )
    saver.conn.execute(
        "INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, type, checkpoint, metadata) "
        "VALUES ('t1', '', '1', 'msgpack', ?, '{}')",
        (state,),
    )
    saver.conn.commit()
    saver.conn.close()
    open_store(path).get_tuple(CONFIG)
    assert not mark.exists()


def copied(source, target):
    with sqlite3.connect(source) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    target.write_bytes(source.read_bytes())
    return target


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "kept.sqlite"
    chat = World(store=path).chat()
    chat.ask("why is it bad?")
    chat.close()
    return path


@pytest.mark.parametrize("column", ["checkpoint", "metadata", "type"])
@pytest.mark.parametrize(
    "value", [None, "", "text", b"", b"\xc1", b"\x80", b"{}", b"[1]", b"null", 7, "pickle", "json"]
)
def test_a_damaged_row_is_one_sentence(kept, tmp_path, column, value):
    path = copied(kept, tmp_path / "damaged.sqlite")
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE checkpoints SET {column} = ?", (value,))
    connection.close()
    with contextlib.suppress(InputError):
        World(store=path).chat().ask("why?")


@pytest.mark.parametrize("value", [None, "", b"", b"\xc1", b"\x80", b"[1]", b"null", 7])
def test_a_damaged_proposal_that_waits_is_one_sentence_or_another_question(tmp_path, value):
    path = tmp_path / "waiting.sqlite"
    chat = World(store=path).chat()
    chat.ask("remember: one bolt from now on")
    chat.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("UPDATE writes SET value = ? WHERE channel = '__interrupt__'", (value,)).rowcount == 1
    connection.close()
    with contextlib.suppress(InputError):
        World(store=path).chat().ask("no")


@pytest.mark.parametrize("content", [b"", b"text", b"SQLite format 3\x00" + b"\x00" * 200, b"\xff" * 5000])
def test_a_file_that_is_no_store_is_one_sentence_or_a_new_store(tmp_path, content):
    path = tmp_path / "other.sqlite"
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        World(store=path).chat()


def test_the_database_of_another_program_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE invoices (id INTEGER)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match="another program"):
        open_store(path)
    assert path.read_bytes() == before


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a regular file"):
        open_store(tmp_path / "pipe")


def test_writers_of_one_thread_lose_no_turn(tmp_path):
    path = tmp_path / "threads.sqlite"
    World(store=path).chat().close()

    def talk():
        chat = World(store=path).chat()
        for _ in range(10):
            chat.ask("why is it bad?")
        chat.close()

    writers = [threading.Thread(target=talk) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(World(store=path).chat().turns) == 80


def test_a_question_that_is_too_long_is_refused():
    with pytest.raises(InputError, match=r"question: has 2,001 characters; at most 2,000"):
        World().chat().ask("a" * 2001)
