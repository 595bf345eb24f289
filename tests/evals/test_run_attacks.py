"""Two runs in one folder, and names that act on a spreadsheet, a page, a terminal or a file of lines."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pretend import Inspector, Respondent, parts_folder, picture, settings
from rich.console import Console

from evals.datasets import open_benchmark
from evals.datasets.base import read_photo
from evals.datasets.questions import BenchmarkQuestion, PhotoQuestions
from evals.metrics.calibration import bins, plot
from evals.qa.runner import answer_all
from evals.run.results import claimed, read_results
from evals.run.runner import run
from looktwice.cli.eval import _print
from tools.errors import InputError

ROOT = Path(__file__).parents[2]
SCRIPT = "<script>alert(1)"
IMAGE = '"><img src=x onerror=alert(1)>'
HOLD = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from pretend import settings
from evals.run.results import claimed
with claimed(Path(sys.argv[1]), settings()):
    print("held", flush=True)
    sys.stdin.read()
"""


def opened(root):
    return open_benchmark("folder", root=root, categories=None, split="all", seed=0, limit=None)


def asked(tmp_path, name="a", category="candle"):
    photo = picture(tmp_path / "photos" / "a.png")
    return [
        PhotoQuestions(
            name, category, category, read_photo(photo), (BenchmarkQuestion("detect", "Any?", "detection", "no"),)
        )
    ]


@pytest.fixture
def holder(tmp_path):
    """Another program that runs in the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(tests=str(ROOT / "tests")), str(tmp_path / "out")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.communicate("")


def test_a_second_run_in_a_folder_is_refused_until_the_first_has_ended(tmp_path, holder):
    root, out = parts_folder(tmp_path / "parts"), tmp_path / "out"
    before = sorted(p.name for p in out.iterdir())
    attempts = (
        lambda: run(Inspector(), opened(root), settings(), out),
        lambda: answer_all(Respondent(lambda *_: ("No", 0.1)), asked(tmp_path), settings(), out),
    )
    for attempt in attempts:
        with pytest.raises(InputError, match="another program is changing it; wait for it to end") as caught:
            attempt()
        assert "\n" not in str(caught.value)
    assert sorted(p.name for p in out.iterdir()) == before
    code = "from looktwice.cli.main import main; main()"
    call = [sys.executable, "-c", code, "eval", "folder", "--root", root, "--shots", "0", "--out", out]
    ended = subprocess.run(list(map(str, call)), capture_output=True, text=True, cwd=ROOT, check=False)
    assert ended.returncode == 2
    assert "another program is changing it" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
    holder.communicate("")
    run(Inspector(), opened(root), settings(), out)


def test_a_run_that_fails_lets_its_folder_go(tmp_path):
    with pytest.raises(ZeroDivisionError), claimed(tmp_path / "out", settings()):
        raise ZeroDivisionError
    with claimed(tmp_path / "out", settings()):
        pass


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(1)", " =1", "\uff1d1"])
def test_a_folder_named_like_a_formula_is_text_in_the_table(tmp_path, name):
    out = tmp_path / "out"
    run(Inspector(), opened(parts_folder(tmp_path / name)), settings(), out)
    for row in csv.reader(io.StringIO((out / "results.csv").read_text())):
        assert not [cell for cell in row if cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d"))]
    assert f"'{name}" in (out / "results.csv").read_text()


@pytest.mark.parametrize("name", [SCRIPT, IMAGE])
def test_markup_in_names_is_text_on_every_page(tmp_path, name):
    root, out = parts_folder(tmp_path / name, good=16, bad=8), tmp_path / "out"
    (root / "bad" / name).mkdir()
    (root / "bad" / "b3.png").rename(root / "bad" / name / "b3.png")
    (root / "good" / f"{name}.png").write_bytes(b"no photo")
    run(Inspector(), opened(root), settings(), out)
    said = Respondent(lambda item, question: (name, 0.5))
    answer_all(said, asked(tmp_path, name, name), settings(benchmark="visa-dr", by="vlm"), tmp_path / "answers")
    for folder in (out, tmp_path / "answers"):
        page = (folder / "report.html").read_text()
        assert page.count("<script>") == 1
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    assert name not in plot({name: bins([0.5], [True])})


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31m", "\u202egnp", os.fsdecode(b"a\xff"), "[red]"])
def test_a_name_that_acts_on_a_terminal_or_breaks_json_is_written_as_escapes(tmp_path, name):
    root, out = parts_folder(tmp_path / name), tmp_path / "out"
    (root / "bad" / name).mkdir()
    (root / "bad" / "b3.png").rename(root / "bad" / name / "b3.png")
    (root / "good" / f"0{name}.png").write_bytes((root / "good" / "0.png").read_bytes())
    (root / "good" / f"9{name}.png").write_bytes(b"no photo")
    results = run(Inspector(), opened(root), settings(), out)
    assert read_results(out) == results
    assert len(results.refused) == 1
    names = {p.name for p in out.iterdir()} - {"maps", ".settings.json.lock"}
    for file in names:
        assert all(line.isprintable() for line in (out / file).read_text().replace("\t", " ").split("\n")), file
    console = Console(file=io.StringIO(), width=500)
    _print(console, results)
    assert "[red]" not in name or "[red]" in console.file.getvalue()
    respondent = Respondent(lambda item, question: (f"No {name} \ud800", 0.1))
    answer_all(respondent, asked(tmp_path, name, name), settings(by="vlm"), tmp_path / "answers")
    assert json.loads((tmp_path / "answers" / "predictions.jsonl").read_text())
