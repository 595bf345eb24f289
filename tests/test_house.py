"""The house stands: imports run downwards, rooms say what they are for, files stay readable."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {
    "looktwice": {"looktwice", "evals", "agent", "tools", "prompts", "nano"},
    "evals": {"evals", "agent", "tools", "prompts", "nano"},
    "agent": {"agent", "tools", "prompts"},
    "tools": {"tools", "prompts"},
    "nano": {"nano", "tools", "prompts"},
    "prompts": {"prompts"},
}
FILES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} has a relative import"
            yield node.module.split(".")[0]


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_downwards(room):
    wrong = [
        f"{path.relative_to(ROOT)} -> {name}"
        for path in FILES
        if path.is_relative_to(ROOT / room)
        for name in imported(path)
        if name in ROOMS and name not in ROOMS[room]
    ]
    assert not wrong


def test_no_file_is_above_four_hundred_lines():
    assert [str(path) for path in FILES if path.read_text().count("\n") > 400] == []


PRIVATE = {"said", "told", "asked", "found", "kept", "seen", "shown", "beside", "worth", "sturdy", "quiet", "plates"}
PRIVATE |= {"together", "shelf", "among"}
"""Words of this project alone: no module and no class is named by one, since a reader cannot guess what it is."""


def classes_of(path):
    return [node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]


def test_no_module_and_no_class_is_named_by_a_word_of_this_project_alone():
    modules = [str(path) for path in FILES if PRIVATE & set(re.split(r"\W|_", str(path.relative_to(ROOT))))]
    classes = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in FILES
        for name in classes_of(path)
        if PRIVATE & {word.lower() for word in re.findall("[A-Z][a-z]*", name)}
    ]
    assert [*modules, *classes] == []


def test_no_class_name_twice():
    names = Counter(name for path in FILES for name in classes_of(path))
    assert [name for name, times in names.items() if times > 1] == []


def test_no_line_is_kept_from_the_formatter():
    files = [*FILES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "docs").rglob("*.py")]
    assert [str(path) for path in files if "# fmt" + ":" in path.read_text()] == []


def test_every_module_says_what_it_is_for():
    assert [str(path) for path in FILES if not ast.get_docstring(ast.parse(path.read_text()))] == []


HEAVY = ["torch", "transformers", "open_clip", "sklearn", "pandas", "gradio", "openai"]
HEAVY += ["scipy.ndimage", "scipy.optimize", "skimage.measure"]
"""Libraries, or the parts of those that load theirs when they are asked for, that take a second or more together."""


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("looktwice, agent", [*HEAVY, "scipy", "skimage", "langgraph", "numpy", "PIL"]),
        ("tools, evals, prompts, nano", [*HEAVY, "scipy", "skimage", "langgraph", "numpy", "PIL"]),
        ("looktwice.cli.commands", [*HEAVY, "langgraph"]),
        ("agent.graph, tools.toolbox", HEAVY),
    ],
)
def test_importing_loads_nothing_heavy(module, absent):
    code = f"import {module}, sys; print([name for name in {absent} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("room", "most"), [("looktwice", 38), ("evals", 20), ("agent", 76), ("tools", 6), ("nano", 2), ("prompts", 2)]
)
def test_imports_stand_at_the_top_but_where_they_avoid_loading_what_may_not_be_needed(room, most):
    inner = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES
        if path.is_relative_to(ROOT / room)
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert len(inner) <= most, inner


@pytest.mark.parametrize(
    ("room", "most"), [("looktwice", 9), ("evals", 12), ("agent", 11), ("tools", 7), ("nano", 12), ("prompts", 7)]
)
def test_no_function_takes_more_parameters_than_these(room, most):
    many = [
        f"{path.relative_to(ROOT)}: {function.name}"
        for path in FILES
        if path.is_relative_to(ROOT / room)
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for given in [[*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]]
        if len([a for a in given if a.arg not in ("self", "cls")]) > most
    ]
    assert many == []


def test_no_machine_path_or_registry_host_is_written_down():
    names = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split("\n")
    hosts = ["pypi" + ".org", "files.python" + "hosted", "/wo" + "rk/", "/ro" + "ot/"]
    texts = [ROOT / n for n in names if n.endswith((".py", ".md", ".toml", ".txt", ".yaml", ".jinja", "run"))]
    found = [f"{path}: {h}" for path in texts if path.exists() for h in hosts if h in path.read_text()]
    assert found == []


def test_both_lists_of_versions_agree():
    listed = (ROOT / "constraints.txt").read_text().split("\n")
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["constraint-dependencies"]
    assert [line for line in listed if line] == pinned


def test_fitted_numbers_reach_tools_as_arguments():
    allowed = {"timing.py", "models/remote_code.py"}  # a clock, and whether a checkpoint is being loaded
    tools = ROOT / "tools"
    hidden = {str(p.relative_to(tools)) for p in tools.rglob("*.py") if "ContextVar" in p.read_text()} - allowed
    stored = sorted((tools / "parts").rglob("*.yaml")) + sorted((tools / "anomaly").rglob("*.yaml"))
    assert (hidden, stored) == (set(), [])
