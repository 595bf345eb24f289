"""The graph of an inspection for LangGraph Studio: the same steps and the same way, over a state that is plain JSON.

The state that the steps share holds photos, score maps and tensors, which a browser cannot show. Here it stays in this
process, and what the browser sees after each step is what that step found, in words and numbers.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from dataclasses import asdict, replace
from functools import cache
from itertools import pairwise
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict
from uuid import uuid4

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from agent import steps
from agent.graph import FIRST, after_suspect
from agent.state import InspectionState, Update, add_seconds
from tools.errors import InputError

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

    from agent import Inspector

PROFILE = "LOOKTWICE_PROFILE"
"""Names the profile; "nano" by default."""
KEPT = 8
"""Inspections under way whose photos are kept in memory."""


class StudioInput(TypedDict, total=False):
    """What Studio asks for."""

    photo: str
    """Path of the photo on this machine."""
    references: list[str]
    """Paths of good ones."""
    normal: str
    """What good means, in a sentence."""
    question: str


class StudioOutput(StudioInput, total=False):
    """What Studio shows; everything is plain JSON."""

    run: str
    """Which inspection of this process it is."""
    evidence: Annotated[list[dict[str, Any]], add]
    looks: Annotated[list[dict[str, Any]], add]
    suspected: dict[str, Any] | None
    """What is about to be looked at again, and how; None where nothing is worth it."""
    verdict: dict[str, Any]
    explanation: list[str]
    answer: str
    seconds: Annotated[dict[str, float], add_seconds]


def inspection() -> CompiledStateGraph[StudioOutput, None, StudioInput, StudioOutput]:
    """The compiled graph; models are loaded by the first step that needs them.

    Raises:
        tools.errors.ModelError: the profile's checkpoints are not on disk.
    """
    graph = StateGraph(StudioOutput, input_schema=StudioInput)
    for name in (*FIRST, "suspect", "look_again", "judge", "explain"):
        graph.add_node(name, _shown(name))
    for name, following in pairwise((START, *FIRST, "suspect")):
        graph.add_edge(name, following)
    graph.add_conditional_edges("suspect", _after_suspect)
    graph.add_edge("look_again", "suspect")
    graph.add_edge("judge", "explain")
    graph.add_edge("explain", END)
    return graph.compile()


_under_way: OrderedDict[str, InspectionState] = OrderedDict()
"""By run: what the steps share."""


@cache
def _inspector() -> Inspector:
    from agent import Inspector

    return Inspector(os.environ.get(PROFILE, "nano"))


def _shown(name: str) -> Any:
    """A step of the inspection, told in plain JSON."""
    step = getattr(steps, name)

    def run(state: StudioOutput) -> StudioOutput:
        started = name == FIRST[0]
        key = uuid4().hex if started else state["run"]
        before = _begun(state) if started else _found(key)
        start = time.perf_counter()
        update: Update = step(before, Runtime(context=_inspector().context))
        _under_way[key] = merged(before, update)
        while len(_under_way) > KEPT:
            _under_way.popitem(last=False)
        return {"run": key, "seconds": {name: round(time.perf_counter() - start, 3)}, **plain(update)}

    run.__name__ = name
    return run


def _after_suspect(state: StudioOutput) -> Literal["look_again", "judge"]:
    return after_suspect(_found(state["run"]))


def _begun(state: StudioOutput) -> InspectionState:
    """The state before the first step.

    Raises:
        tools.errors.InputError: no photo was named.
    """
    if not state.get("photo"):
        raise InputError("the state has no photo; give the path of one on this machine.")
    good = tuple(Path(r) for r in state.get("references") or ())
    return InspectionState(
        Path(state["photo"]), None, good, normal=state.get("normal") or "", question=state.get("question") or ""
    )


def _found(run: str) -> InspectionState:
    """What the steps of a run share.

    Raises:
        tools.errors.InputError: it was begun in another process, or too many others came since.
    """
    if run not in _under_way:
        raise InputError(f"run {run} is not in this process any more; begin again from the first step.")
    return _under_way[run]


def merged(state: InspectionState, update: Update) -> InspectionState:
    """The state after a step: lists grow, seconds add up, anything else is replaced."""
    changed: dict[str, Any] = dict(update)
    for name in ("evidence", "looks"):
        changed[name] = [*getattr(state, name), *changed.get(name, ())]
    changed["seconds"] = add_seconds(state.seconds, changed.get("seconds", {}))
    return replace(state, **changed)


def plain(update: Update) -> StudioOutput:
    """What a step found, as plain JSON."""
    from agent.evidence.claims import say

    found = StudioOutput()
    if "evidence" in update:
        found["evidence"] = [
            {
                "id": e.id, "kind": e.kind, "about": e.hypothesis, "says": say(e.claim), "llr": round(e.llr, 3),
                "source": e.source, "box": [round(v) for v in e.region.box] if e.region else None,
            }
            for e in update["evidence"]
        ]  # fmt: skip
    if "looks" in update:
        found["looks"] = [
            {
                "id": look.id, "about": look.hypothesis, "action": look.action, "question": look.question,
                "box": [round(v) for v in look.box], "changed": round(look.llr, 3),
            }
            for look in update["looks"]
        ]  # fmt: skip
    if "hypothesis" in update:
        h = update["hypothesis"]
        found["suspected"] = {"about": h.name, "kind": h.kind, "action": h.action, "value": h.value} if h else None
    if "verdict" in update:
        verdict = update["verdict"]
        found["verdict"] = {**asdict(verdict), "kinds": list(verdict.kinds), "word": verdict.word}
    if "explanation" in update:
        found["explanation"] = [sentence.text for sentence in update["explanation"]]
    if update.get("answer"):
        found["answer"] = update["answer"]
    return found
