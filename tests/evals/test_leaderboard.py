"""The leaderboard's table has a row for each run, beside the command that makes it again."""

import shlex

from typer.testing import CliRunner

from evals.run.results import Results, RunSettings
from evals.studies.leaderboard import METRICS, PARTS, command_of, page, row
from looktwice.cli.commands import app
from tools.errors import LookTwiceError


def results(part, shots):
    settings = RunSettings(
        benchmark="world",
        profile="nano",
        shots=shots,
        seed=1,
        limit=12,
        split=part.split,
        style=part.style,
        categories=("nut",),
        looks=3,
        words=True,
    )
    return Results(
        benchmark="world",
        profile="nano",
        shots=shots,
        metrics={"image_auroc": 0.75, "seconds_per_image": 1.5},
        categories={},
        images=12,
        settings=settings,
        intervals={"image_auroc": (0.5, 0.875)},
    )


def test_a_row_has_its_figures_with_intervals_and_leaves_empty_what_is_not_defined():
    cells = [c.strip() for c in row(PARTS[1], results(PARTS[1], 4)).split("|")[1:-1]]
    assert cells[:4] == ["heldout", "4", "12", "0.750 (0.50-0.88)"]
    assert cells[-1] == "1.50"
    assert cells[4:-1] == [""] * (len(METRICS) - 2)


def test_each_row_s_command_is_one_that_the_command_line_takes(tmp_path):
    for part in PARTS:
        _, *arguments = shlex.split(command_of(part, results(part, 0).settings))
        # A device that is not there stops it before anything is measured, after all options were understood.
        said = CliRunner().invoke(app, [*arguments, "--device", "nowhere", "--out", str(tmp_path / "out")])
        assert isinstance(said.exception, LookTwiceError), said.output


def test_the_page_states_the_command_and_every_row():
    text = page([(part, results(part, 1)) for part in PARTS], "python -m evals.studies.leaderboard")
    assert "Made by `python -m evals.studies.leaderboard`" in text
    assert [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")][1:] == [
        p.name for p in PARTS
    ]
    assert text.count("    looktwice eval world") == 3
