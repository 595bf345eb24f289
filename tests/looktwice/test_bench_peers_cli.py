"""`looktwice bench peers` hands its options on, prints the table or JSON, and writes both."""

import json

import pytest
from typer.testing import CliRunner

from evals.benches.peers import PeersBench
from evals.benches.peers_data import PeerRow, Skipped
from looktwice.cli.commands import app
from tools.errors import InputError

ROW = PeerRow("patches", "looktwice, words", "heldout", 0, 8, {"image_auroc": 0.75}, 0.5, 812.4)
FOUND = PeersBench("nano", 3, 8, 2, 8, 1, (ROW,), (Skipped("anomalib, WinCLIP", "it is not there"),), "the command")


@pytest.fixture
def asked(monkeypatch):
    found = {}

    def bench_peers(profile, **options):
        found.update(options, profile=profile)
        return FOUND

    monkeypatch.setattr("evals.benches.peers.bench_peers", bench_peers)
    return found


def test_the_table_is_printed_and_written_beside_its_json(asked, tmp_path):
    words = ["bench", "peers", "--limit", "8", "--seed", "3", "--shots", "2", "--peer", "there/python"]
    said = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "new")], catch_exceptions=False)
    assert said.exit_code == 0
    assert "| patches: looktwice, words | heldout | 0 | 8 | 0.750 |" in said.stdout
    assert "- anomalib, WinCLIP: it is not there" in said.stdout
    assert (tmp_path / "new" / "peers.md").read_text().strip() == said.stdout.strip()
    assert json.loads((tmp_path / "new" / "peers.json").read_text()) == json.loads(json.dumps(FOUND.as_dict()))
    assert (asked["limit"], asked["seed"], asked["shots"], asked["peer"]) == (8, 3, 2, "there/python")


def test_json_is_all_that_is_printed_where_it_is_asked_for(asked):
    said = CliRunner().invoke(app, ["bench", "peers", "--json"], catch_exceptions=False)
    assert json.loads(said.stdout)["rows"][0]["who"] == "looktwice, words"
    assert asked["profile"] == "nano"


def test_a_folder_that_cannot_be_made_is_said_before_anything_is_measured(asked, tmp_path):
    (tmp_path / "file").write_text("")
    said = CliRunner().invoke(app, ["bench", "peers", "--out", str(tmp_path / "file" / "below")])
    assert isinstance(said.exception, InputError)
    assert asked == {}
