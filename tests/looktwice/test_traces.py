"""`--trace` prints the loop as it happens, `--trace-out` keeps it; a policy that does not exist is refused."""

import json
from pathlib import Path

import pytest

from agent.evidence.types import Hypothesis, Option, Verdict
from looktwice.cli.output import StepPrinter, policed
from tools.errors import InputError
from tools.types import Box, Region

AIMED = Hypothesis(
    "region 1", "structural", Region(Box(1, 2, 3, 4), 0.5), 0.3, "zoom", 0.2, menu=(Option("zoom", 0.2, 0.7),)
)


def test_each_step_is_a_line_of_json_and_a_line_for_people(tmp_path, capsys):
    file = tmp_path / "trace.jsonl"
    on_step = StepPrinter(printed=True, file=file).of(Path("part.png"))
    on_step("suspect", {"hypothesis": AIMED, "seconds": {"suspect": 0.01}})
    on_step("judge", {"verdict": Verdict(True, 0.9, 0.9, ("structural",)), "seconds": {"judge": 0.02}})
    first, second = (json.loads(line) for line in file.read_text().splitlines())
    assert first["photo"] == "part.png"
    suspected = first["suspected"]
    assert (suspected["action"], suspected["menu"]) == ("zoom", [{"action": "zoom", "value": 0.2, "p": 0.7}])
    assert (second["verdict"]["word"], second["seconds"]) == ("anomalous", 0.02)
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("suspect") and "zoom" in said[0]
    assert said[1].startswith("judge") and "anomalous" in said[1]


def test_nothing_is_traced_that_was_not_asked_for():
    assert StepPrinter(printed=False, file=None).of(Path("part.png")) is None


def test_a_trace_that_cannot_be_written_is_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match="--trace-out"):
        StepPrinter(printed=False, file=tmp_path / "no" / "trace.jsonl")


def test_a_policy_that_does_not_exist_is_refused_with_those_that_do():
    assert policed("chosen") == "chosen"
    with pytest.raises(InputError, match="none, fixed, chosen"):
        policed("bold")
