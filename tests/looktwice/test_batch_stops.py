"""Signals and kills: what is written stays whole, nothing is lost, nothing outlives a run."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import batch_driver
from batch_driver import batch, files, lines, photo, run

DRIVER = Path(batch_driver.__file__)
LONG = os.environ.get("LOOKTWICE_LONG") == "1"


def start(folder, out, workers, slow):
    out.mkdir(exist_ok=True)
    arguments = [sys.executable, str(DRIVER), str(folder), str(out), str(workers), str(slow)]
    return subprocess.Popen(
        arguments, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )


def wait_for_lines(out, number, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (out / "results.jsonl").exists() and (out / "results.jsonl").read_bytes().count(b"\n") >= number:
            return
        time.sleep(0.02)
    raise AssertionError(f"no {number} lines in {seconds} s")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_with_its_status_and_whole_lines(tmp_path, number, status):
    for n in range(300):
        photo(tmp_path / "in" / f"{n:03}.png", n % 256)
    running = start(tmp_path / "in", tmp_path / "out", 1, 0.05)
    wait_for_lines(tmp_path / "out", 2)
    running.send_signal(number)
    assert running.wait(timeout=30) == status
    assert b"Traceback" not in running.stderr.read()
    running.stderr.close()
    assert 2 <= len(lines(tmp_path / "out")) < 300
    assert lines(tmp_path / "out", "log.jsonl")[-1]["event"] == "ended"


@pytest.mark.parametrize("workers", [1, 2])
def test_kills_at_random_moments_lose_nothing_and_double_nothing(tmp_path, workers):
    kills, photos = (20, 400) if LONG else (3, 60)
    for n in range(photos):
        photo(tmp_path / "in" / f"{n:03}.png", n % 256)
    chance, out, done = random.Random(workers), tmp_path / "out", 0
    for _ in range(kills):
        running = start(tmp_path / "in", out, workers, 0.02)
        wait_for_lines(out, min(done + 1, photos))
        time.sleep(chance.uniform(0, 0.3))
        running.kill()
        running.wait()
        running.stderr.close()
        done = (out / "results.jsonl").read_bytes().count(b"\n")
    assert run(batch(tmp_path / "in", out)).status in (0, 1, 3)
    assert files(out) == [f"{n:03}.png" for n in range(photos)]
    assert all((out / line["folder"] / "report.json").exists() for line in lines(out))
    assert not list(out.glob(".*.part"))


def test_no_process_outlives_a_killed_run(tmp_path):
    import psutil

    for n in range(200):
        photo(tmp_path / "in" / f"{n:03}.png")
    running = start(tmp_path / "in", tmp_path / "out", 2, 0.05)
    wait_for_lines(tmp_path / "out", 1)
    children = psutil.Process(running.pid).children(recursive=True)
    assert children
    running.kill()
    running.wait()
    running.stderr.close()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
