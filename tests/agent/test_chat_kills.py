"""A conversation in a file outlives the process that is killed in the middle of an answer."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import chat_driver
import pytest
from test_chat import World

from agent.chat.store import KEPT

KILLS = 20 if os.environ.get("LOOKTWICE_LONG") == "1" else 3


def start(store):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, chat_driver.__file__, str(store)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def killed_in_the_middle_of_an_answer(store, chance):
    """How many turns were told to be kept before the kill; some while after a piece of the next answer came."""
    running, kept, pieces = start(store), 0, 0
    wanted = chance.randrange(1, 6)
    for line in running.stdout:
        word, *number = line.split()
        kept = int(number[0]) if number else kept
        pieces += word == "piece"
        if pieces >= wanted and word == "piece":
            break
    time.sleep(chance.uniform(0, 0.02))
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    rest = running.stdout.read()
    running.stdout.close()
    told = [int(line.split()[1]) for line in rest.splitlines() if line.startswith("done")]
    return max([kept, *told])


@pytest.mark.slow
def test_what_was_answered_is_kept_whole_and_the_thread_goes_on(tmp_path):
    store, chance, kept = tmp_path / "threads.sqlite", random.Random(5), 0
    for _ in range(KILLS):
        said = killed_in_the_middle_of_an_answer(store, chance)
        assert said >= kept
        world = World(store=store)
        chat = world.chat()
        turns = chat.turns
        # The answer that was under way is there as a whole, where the kill came after it was kept, or not at all.
        assert said <= len(turns) <= said + 2
        assert [turn.role for turn in turns] == ["user", "assistant"] * (len(turns) // 2)
        assert all(turn.text.strip() for turn in turns)
        kept = len(turns)
        chat.ask("Why is it bad?")
        assert len(chat.turns) == kept + 2
        kept += 2
        chat.close()
        with sqlite3.connect(store) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()


def test_a_conversation_in_memory_keeps_its_last_states_alone():
    chat = World().chat()
    for _ in range(KEPT + 3):
        chat.ask("Why is it bad?")
    assert len(chat.turns) == 2 * (KEPT + 3)
    (states,) = chat._saver.conn.execute("SELECT COUNT(*) FROM checkpoints").fetchone()
    assert states == KEPT
    chat.close()
