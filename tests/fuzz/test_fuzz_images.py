"""No image file, however broken, crashes, hangs or fills the memory: each is a photo or one sentence."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from corpus import corpus

SLOWEST = 5.0
"""Seconds of computing that one file may take."""
MOST = 1300
"""MiB that the process may hold: a photo of 100 megapixels in its own mode, in RGB, and turned."""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """What became of each file, by its name."""
    folder = tmp_path_factory.mktemp("corpus")
    cases = {case.name: case for case in corpus()}
    for case in cases.values():
        (folder / case.name).write_bytes(case.content)
    program = Path(__file__).parent / "load_all.py"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(program), str(folder)],
        capture_output=True,
        text=True,
        timeout=600,
        env=env,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"died after {lines[-1:]}: {done.stderr[-2000:]}"
    return cases, {line["name"]: line for line in lines}


def test_there_are_a_thousand_files_and_each_has_an_answer(loaded):
    cases, lines = loaded
    assert len(cases) >= 1000
    assert lines.keys() == cases.keys()


def test_each_is_a_photo_or_one_sentence_that_names_it(loaded):
    _, lines = loaded
    assert [line for line in lines.values() if line["result"] == "broke"] == []
    for line in lines.values():
        if line["result"] == "refused":
            assert line["name"] in line["said"]
            assert line["said"].endswith(".")
            assert "\n" not in line["said"]


def test_sound_files_are_loaded_and_empty_promises_are_not(loaded):
    cases, lines = loaded
    of = Counter((cases[name].kind, line["result"]) for name, line in lines.items())
    assert of["sound", "refused"] == 0
    assert of["cut", "refused"] > of["cut", "loaded"]
    assert of["lying", "refused"] > of["lying", "loaded"]
    assert lines["bomb-900mp.png"]["result"] == "refused"


def test_none_takes_long_and_memory_stays_bounded(loaded):
    _, lines = loaded
    slowest = max(lines.values(), key=lambda line: line["seconds"])
    assert slowest["seconds"] < SLOWEST, slowest
    assert max(line["peak"] for line in lines.values()) < MOST
