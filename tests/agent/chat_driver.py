"""Asks questions of a thread in a file until it is killed, as a program; says each piece of an answer as it comes."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from test_chat import World

if __name__ == "__main__":
    chat = World(store=Path(sys.argv[1])).chat()
    print("open", len(chat.turns), flush=True)
    for number in range(1000):
        chat.ask(
            f"question {number}: how many bolts, what colour is the nut, and why is it bad?",
            lambda piece: (print("piece", flush=True), time.sleep(0.01)),
        )
        print("done", len(chat.turns), flush=True)
