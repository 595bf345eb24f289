"""`looktwice eval` on the command line: compare beside benchmarks, progress with an end, wrong calls in a sentence."""

import json

import pytest
from pretend import Inspector, parts_folder, settings
from typer.testing import CliRunner

from evals.datasets import open_benchmark
from evals.run.runner import run
from looktwice.cli.commands import app
from looktwice.cli.eval import Progress
from tools.errors import InputError


def called(*arguments):
    return CliRunner().invoke(app, ["eval", *map(str, arguments)])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = parts_folder(tmp_path_factory.mktemp("data") / "parts")
    categories = open_benchmark("folder", root=root, categories=None, split="all", seed=0, limit=None)
    folders = [tmp_path_factory.mktemp(name) for name in ("a", "b")]
    for folder in folders:
        run(Inspector(), categories, settings(), folder)
    return folders


def test_two_runs_are_compared_in_a_table_and_as_json(runs):
    shown = called("compare", *runs)
    assert shown.exit_code == 0, shown.output
    assert "8 photos in both" in shown.output
    told = json.loads(called("compare", *runs, "--json").output)
    row = next(r for r in told["differences"] if r["metric"] == "image_auroc")
    assert (row["low"], row["high"], told["images"]) == (0.0, 0.0, 8)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare", "one"], "compare takes the folders of two runs, 1 were given"),
        (["world", "surplus"], "only 'compare' takes folders of runs"),
        (["nothing"], "visa-dr, mmad"),
        (["visa-dr"], "'visa-dr' needs its data set"),
        (["mmad", "--root", "absent"], "--root absent is not a folder"),
    ],
)
def test_a_wrong_call_gets_one_sentence(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = called(*arguments)
    assert isinstance(found.exception, InputError)
    assert said in str(found.exception)
    assert "\n" not in str(found.exception)


def test_visa_d_and_r_with_references_is_refused_since_it_is_zero_shot(tmp_path):
    found = called("visa-dr", "--root", tmp_path, "--shots", 2, "--out", tmp_path / "out")
    assert "visa-dr is zero-shot" in str(found.exception)


def test_progress_says_when_a_run_will_end(capsys, monkeypatch):
    times = iter([0.0, 100.0, 200.0])
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    progress = Progress("inspecting")
    for done in (5, 10, 15):
        progress.tell(done, 25)
    told = capsys.readouterr().err
    assert "inspecting: 15 of 25, ends in 200 s" in told
