"""The table of figures has a row for each benchmark that is there, and says how to measure it again."""

import shlex

from typer.testing import CliRunner

from evals.run.runner import Results, RunSettings
from evals.studies.figures import METRICS, line, rows
from looktwice.cli.commands import app
from tools.errors import LookTwiceError


def test_real_photos_that_are_not_there_are_left_out_and_said(tmp_path, capsys):
    (tmp_path / "cubes").mkdir()
    names = [(row.name, row.shots) for row in rows(tmp_path, 12)]
    rendered = ("world, trained families", "world, heldout families", "medleys, unseen")
    assert names[:9] == [(name, n) for name in rendered for n in (0, 1, 4)]
    assert names[9:] == [("cubes", 1), ("cubes", 4), ("cubes", 8)]
    assert "hazelnut: not there" in capsys.readouterr().err


def test_each_row_s_command_is_one_that_the_command_line_takes(tmp_path):
    (tmp_path / "hazelnut").mkdir()
    for row in rows(tmp_path, 12):
        program, *arguments = shlex.split(row.command("nano", 0))
        assert program == "looktwice"
        # A device that is not there stops it before anything is measured, after all options were understood.
        said = CliRunner().invoke(app, [*arguments, "--device", "nowhere", "--out", str(tmp_path / "out")])
        assert isinstance(said.exception, LookTwiceError), said.output


def test_a_metric_that_is_not_defined_stays_empty():
    (row, *_) = rows(None, 12)
    settings = RunSettings(
        benchmark="world",
        profile="nano",
        shots=0,
        seed=1,
        limit=12,
        split="trained",
        style="plain",
        categories=("metal",),
        looks=0,
        words=True,
    )
    results = Results(
        benchmark="world",
        profile="nano",
        shots=0,
        metrics={METRICS[0]: 0.75},
        categories={},
        images=12,
        settings=settings,
    )
    cells = line(row, results).split("|")[4:-1]
    assert [c.strip() for c in cells] == ["0.750", *[""] * (len(METRICS) - 1)]
