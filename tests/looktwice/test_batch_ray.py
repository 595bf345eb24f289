"""A batch on a real Ray cluster of this machine gives the files of a local run; a killed worker costs nothing."""

import json
import os
import sys
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from batch_driver import QuickInspector, batch, photo, run

from agent.products.spec import Product, ProductSpec
from looktwice.batch.benchmark import bench_batch
from looktwice.batch.observers import EventLog
from looktwice.batch.run import SignalStop, run_batch
from looktwice.batch.start import How, starter
from looktwice.batch.workers import Work

ray = pytest.importorskip("ray", reason="Ray is an extra: pip install 'looktwice[ray]'")


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Two cores, whatever the machine has."""
    paths = os.pathsep.join(path for path in sys.path if path)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": paths}})
    yield
    ray.shutdown()


def run_on_ray(made, *, stop=None, slow=0.0, on_outcome=lambda _: None):
    opener = partial(QuickInspector, "quick", slow=slow)
    work = Work(opener, Product(ProductSpec(name="quick", product="quick")), "", "", made.out)
    start = starter(opener(), work, How(workers=2, ray="local"), print)
    with stop or SignalStop() as asked:
        return run_batch(made, start, stop=asked, observer=EventLog(made.out), on_outcome=on_outcome)


def answers(out):
    found = {}
    for text in (out / "results.jsonl").read_text().splitlines():
        line = json.loads(text)
        line["seconds"] = None
        if line["report"]:
            line["report"]["seconds"] = None
        assert line["file"] not in found
        found[line["file"]] = json.dumps(line)
    return found


@pytest.fixture
def folder(tmp_path):
    for n in range(30):
        photo(tmp_path / "in" / f"{n:02}.png", 8 * n)
    (tmp_path / "in" / "text.png").write_text("hello")
    return tmp_path / "in"


def test_ray_gives_the_lines_of_a_local_run_but_for_times(folder, tmp_path):
    local, far = run(batch(folder, tmp_path / "local")), run_on_ray(batch(folder, tmp_path / "far"))
    assert answers(tmp_path / "local") == answers(tmp_path / "far")
    assert local.kinds == far.kinds
    assert not run_on_ray(batch(folder, tmp_path / "far")).kinds


def test_a_worker_that_is_killed_costs_its_batch_which_is_repeated(folder, tmp_path):
    photo(folder / "once.png")
    tally = run_on_ray(batch(folder, tmp_path / "out"))
    assert (tmp_path / "died").exists()
    assert len(answers(tmp_path / "out")) == 32
    assert tally.kinds["failed"] == 0


def test_a_photo_that_kills_every_worker_is_given_up_alone(folder, tmp_path):
    photo(folder / "die.png")
    tally = run_on_ray(batch(folder, tmp_path / "out"))
    assert tally.kinds["failed"] == 1
    assert len(answers(tmp_path / "out")) == 31
    (line,) = (tmp_path / "out" / "failures.jsonl").read_text().splitlines()
    assert "2 workers ended" in line


def test_a_stop_passes_over_the_photos_that_no_worker_has_begun_and_the_next_call_goes_on(tmp_path):
    for n in range(120):
        photo(tmp_path / "in" / f"{n:03}.png", n)
    made = batch(tmp_path / "in", tmp_path / "out")
    stop = SignalStop()
    tally = run_on_ray(made, stop=stop, slow=0.05, on_outcome=lambda _: stop.ask())
    assert 0 < sum(tally.kinds.values()) < 100
    assert sum(run_on_ray(made).kinds.values()) == 120 - sum(tally.kinds.values())
    assert len(answers(tmp_path / "out")) == 120


def test_the_bench_says_how_well_two_workers_do_beside_each_other():
    found = bench_batch(partial(QuickInspector, "quick", slow=0.1), images=64, workers=2, ray="local")
    assert 0.5 < found.efficiency < 1.5
    assert found.batch > 1.2 * found.alone
