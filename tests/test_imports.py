"""No two modules import each other, directly or by way of others, when they are loaded."""

import ast
from pathlib import Path

import networkx

ROOT = Path(__file__).parent.parent
ROOMS = ("looktwice", "evals", "agent", "tools", "nano", "prompts")


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))}


def loaded(path):
    """What a module imports when it is loaded: neither within functions nor for type checkers alone."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            # A module taken from its package needs that module, whatever else the package offers.
            yield from (name if name in MODULES else node.module for name in below)


def test_no_circle_of_imports():
    graph = networkx.DiGraph()
    for name, path in MODULES.items():
        graph.add_edges_from((name, other) for other in loaded(path) if other in MODULES and other != name)
    circles = [sorted(c) for c in networkx.strongly_connected_components(graph) if len(c) > 1]
    assert circles == []
    assert graph.number_of_edges() > 500
