"""The commands that make tables measure every row, write as they go, and state how to measure each again."""

import sys

import pretend
import pytest

from evals.studies import figures, leaderboard


@pytest.fixture(autouse=True)
def inspector(monkeypatch):
    """Instead of models, brightness."""
    made = pretend.Inspector()
    for study in (figures, leaderboard):
        monkeypatch.setattr(study, "Inspector", lambda *_, **__: made)
    return made


def test_the_leaderboard_measures_its_rows_writes_its_page_and_goes_on_where_it_was(monkeypatch, tmp_path, inspector):
    page = tmp_path / "board.md"
    command = ["leaderboard", "--limit", "12", "--shots", "0", "1", "--parts", "heldout"]
    monkeypatch.setattr(sys, "argv", [*command, "--out", str(tmp_path / "runs"), "--page", str(page)])
    leaderboard.main()
    rows = [line for line in page.read_text().splitlines() if line.startswith("| heldout |")]
    assert [row.split("|")[2].strip() for row in rows] == ["0", "1"]
    assert all(row.split("|")[3].strip() == "12" for row in rows)
    assert page.read_text().count("    looktwice eval world --split heldout") == 2
    before = len(inspector.inspected)
    assert before == 24
    leaderboard.main()
    assert len(inspector.inspected) == before


def test_figures_are_printed_row_by_row_with_the_command_of_each(monkeypatch, tmp_path, capsys, inspector):
    command = ["figures", "--limit", "8", "--only", "world, heldout", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", command)
    figures.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[2].strip() for line in lines if line.startswith("| world, heldout")] == ["0", "1", "4"]
    assert sum(line.startswith("    looktwice eval world --split heldout") for line in lines) == 3
    assert {len(references) for _, references, _, _ in inspector.learned} == {0, 1, 4}
