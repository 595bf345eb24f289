"""Five hundred damaged conversation stores: each is read, or refused in one sentence, and nothing else is written."""

import contextlib
import random
import sqlite3
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "agent"))
from test_chat import World

from agent.chat.store import kept_report
from tools.errors import LookTwiceError

MUTATIONS, SEED = 500, 44


def test_no_damaged_store_brings_a_traceback_or_a_file_elsewhere(tmp_path):
    source = tmp_path / "kept.sqlite"
    chat = World(store=source).chat()
    chat.ask("why is it bad?")
    thread = chat.thread
    chat.close()
    connection = sqlite3.connect(source)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    whole, chance, refused = source.read_bytes(), random.Random(SEED), 0
    folder = tmp_path / "inside"
    folder.mkdir()
    path = folder / "store.sqlite"
    for _ in range(MUTATIONS):
        content = bytearray(whole)
        for _ in range(chance.choice((1, 4, 30))):
            content[chance.randrange(len(content))] = chance.randrange(256)
        if chance.random() < 0.2:
            del content[chance.randrange(len(content)) :]
        for left in folder.iterdir():
            left.unlink()
        path.write_bytes(content)
        with contextlib.suppress(LookTwiceError):
            refused += 1
            kept_report(path, thread)
            refused -= 1
    assert refused > 50
    assert {p.name for p in folder.iterdir()} <= {
        path.name,
        f"{path.name}-wal",
        f"{path.name}-shm",
        f"{path.name}-journal",
    }
    assert {p.name for p in tmp_path.iterdir()} <= {"inside", "kept.sqlite", ".kept.sqlite.lock"}
