"""The graph alone merges state: runs step by step, inside another graph, and again for what a person asks."""

import re
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from scripted import GOOD, Toolbox, context, photo

from agent.cache import ProductCache
from agent.evidence.types import Claim, Evidence, Hypothesis, appended
from agent.graph import FIRST, LOOP, build_graph, build_revision, run_steps, state_after
from agent.products.spec import Product, ProductSpec
from agent.state import Request, Revision
from tools.types import Box, Region


def inspected(shared):
    request = Request(photo(99), references=tuple(photo(n) for n in range(3)))
    return state_after(build_graph(), request, shared)


def test_explaining_again_adds_no_evidence_that_is_there():
    shared = context(Toolbox(distance=5 * GOOD), looks=0)
    state = inspected(shared)
    assert any(e.claim.topic == "defect_name" for e in state.evidence)
    again = state_after(build_revision(), Revision(**vars(state)), shared)
    assert [e.id for e in again.evidence] == [e.id for e in state.evidence]
    assert (again.verdict, again.explanation) == (state.verdict, state.explanation)


def test_added_evidence_is_weighed_and_a_place_that_is_asked_for_is_looked_at_once():
    shared = context(Toolbox(distance=5 * GOOD, says_yes=0.9), looks=0)
    state = inspected(shared)
    doubt = Evidence("structural", Claim("noted", {"what": "x", "said": "X."}), -9.0, "user", "region 1")
    counted = state_after(
        build_revision(), Revision(**vars(state), added=tuple(appended([doubt], state.evidence))), shared
    )
    assert counted.verdict.score < state.verdict.score
    aimed = Hypothesis("region 1", "structural", Region(Box(36, 20, 44, 28), 0.5), 0.0, "compare", 0.0)
    looked = state_after(build_revision(), Revision(**{**vars(counted), "hypothesis": aimed}), shared)
    assert [look.hypothesis for look in looked.looks] == ["region 1"]
    assert looked.hypothesis is None
    ids = [e.id for e in looked.evidence]
    assert len(ids) == len(set(ids)) > len(counted.evidence) > len(state.evidence)


def test_steps_can_be_taken_by_different_threads():
    shared, names = context(Toolbox(), looks=0), []
    steps = run_steps(build_graph(), Request(photo(99), references=(photo(0),)), shared)
    for _ in FIRST:
        thread = threading.Thread(target=lambda: names.append(next(steps)[0]))
        thread.start()
        thread.join()
    steps.close()
    assert names == list(FIRST)


def test_an_inspection_in_a_step_of_another_graph_leaves_nothing_in_its_store():
    @dataclass
    class Outer:
        score: float = 0.0

    def inspect(state: Outer):
        return {"score": inspected(context(Toolbox(), looks=0)).verdict.score}

    graph = StateGraph(Outer)
    graph.add_node("inspect", inspect)
    graph.add_edge(START, "inspect")
    graph.add_edge("inspect", END)
    saver = SqliteSaver(sqlite3.connect(":memory:", check_same_thread=False))
    done = graph.compile(checkpointer=saver).invoke(Outer(), {"configurable": {"thread_id": "t"}})
    assert 0 < done["score"] < 0.5
    kept = saver.conn.execute("SELECT DISTINCT checkpoint_ns FROM checkpoints").fetchall()
    assert kept == [("",)]


def test_what_is_found_out_about_products_is_kept_within_bounds():
    cache, made = ProductCache(), []

    def learn():
        made.append(Product(ProductSpec(name="x", product="x")))
        return made[-1]

    for number in (*range(10), 9):
        cache.product({"name": f"product {number}"}, [], learn)
    assert len(made) == 10
    cache.product({"name": "product 0"}, [], learn)
    assert len(made) == 11


def test_no_file_but_the_graph_runs_a_step():
    root = Path(__file__).parents[2]
    files = [path for room in ("agent", "evals", "looktwice") for path in (root / room).rglob("*.py")]
    run = re.compile(rf"\bRuntime\(|\bsteps\.(?:{'|'.join([*FIRST, *LOOP, 'amend'])})\(|getattr\(steps\b")
    assert [path.name for path in files if run.search(path.read_text())] == ["graph.py"]
