"""A conversation store from somebody else runs no code."""

import sqlite3

import ormsgpack
import pytest
from langgraph.checkpoint.sqlite import SqliteSaver

from agent.chat.store import open_store

CONFIG = {"configurable": {"thread_id": "t1", "checkpoint_ns": ""}}


@pytest.mark.parametrize(("module", "name"), [("os", "system"), ("posix", "system"), ("subprocess", "getoutput")])
def test_a_store_that_names_a_function_does_not_call_it(tmp_path, module, name):
    path, mark = tmp_path / "evil.sqlite", tmp_path / "ran"
    saver = SqliteSaver(sqlite3.connect(path, check_same_thread=False))
    saver.setup()
    call = ormsgpack.packb((module, name, f"touch {mark}"))
    state = ormsgpack.packb({"id": "1", "ts": "", "v": 4, "channel_values": {"x": ormsgpack.Ext(0, call)},
                             "channel_versions": {}, "versions_seen": {}})  # fmt: skip
    saver.conn.execute(
        "INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, type, checkpoint, metadata) "
        "VALUES ('t1', '', '1', 'msgpack', ?, '{}')",
        (state,),
    )
    saver.conn.commit()
    saver.conn.close()
    open_store(path).get_tuple(CONFIG)
    assert not mark.exists()
