"""The graph for LangGraph Studio: it can be found, goes the way of an inspection, and shows plain JSON."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from agent.graph import build_graph
from looktwice import Inspector
from looktwice.examples import examples
from looktwice.studio import inspection
from tools.errors import InputError

ROOT = Path(__file__).parents[2]
CONFIG = json.loads((ROOT / "langgraph.json").read_text())


def test_the_file_names_a_function_that_builds_the_graph_of_an_inspection():
    path, _, name = CONFIG["graphs"]["inspection"]["path"].partition(":")
    module = import_module(path.removeprefix("./").removesuffix(".py").replace("/", "."))
    drawn, own = getattr(module, name)().get_graph(), build_graph().get_graph()
    assert set(drawn.nodes) == set(own.nodes)
    assert {(e.source, e.target) for e in drawn.edges} == {(e.source, e.target) for e in own.edges}


def test_the_tool_of_langgraph_accepts_the_file():
    pytest.importorskip("langgraph_cli", reason="langgraph-cli is not installed")
    code = "from langgraph_cli.cli import cli; cli(['validate', '--config', 'langgraph.json'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_finds_what_the_inspector_finds_and_tells_it_in_plain_json():
    wood = next(e for e in examples() if e.name == "wood")
    asked = {"photo": str(wood.photos[-1]), "references": [str(r) for r in wood.references[:2]], "normal": wood.normal}
    shown = inspection().invoke(asked)
    assert json.loads(json.dumps(shown)) == shown
    report = Inspector("nano").inspect(wood.photos[-1], references=wood.references[:2], normal=wood.normal)
    assert shown["verdict"]["score"] == pytest.approx(report.verdict.score, abs=1e-6)
    assert len(shown["looks"]) == len(report.looks)
    assert [s["text"] for s in shown["explanation"]] == [s.text for s in report.explanation]
    assert [(e["id"], e["what"]) for e in shown["evidence"]] == [(e.id, e.what) for e in report.evidence]
    assert {"intake", "glance", "explain"} <= set(shown["seconds"])


def test_a_run_without_a_photo_is_refused():
    with pytest.raises(InputError, match="no photo"):
        inspection().invoke({"references": []})
