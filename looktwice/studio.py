"""The graph of an inspection for LangGraph Studio: the same steps and the same way, over a state that is plain JSON.

The state that the steps share holds photos, score maps and tensors, which a browser cannot show. Here it stays in this
process, and what the browser sees after each step is what that step found, in words and numbers.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from functools import cache
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, cast
from uuid import uuid4

from langgraph.graph import StateGraph

from agent import Inspector
from agent.events import StepEvent
from agent.graph import FIRST, LOOP, Route, add_inspection
from agent.state import InspectionState, Update, add_seconds
from tools.errors import InputError

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

PROFILE = "LOOKTWICE_PROFILE"
"""Names the profile; "nano" by default."""
KEPT = 8
"""Inspections under way whose photos are kept in memory."""


SHOWN = ("evidence", "looks", "verdict", "explanation", "answer")
"""Fields of a step's event that are shown as they are."""


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
    explanation: list[dict[str, Any]]
    answer: str
    seconds: Annotated[dict[str, float], add_seconds]


def inspection() -> CompiledStateGraph[StudioOutput, None, StudioInput, StudioOutput]:
    """The compiled graph; models are loaded by the first step that needs them.

    Raises:
        tools.errors.ModelError: the profile's checkpoints are not on disk.
    """
    graph = StateGraph(StudioOutput, input_schema=StudioInput)
    add_inspection(graph, _shown, _after_suspect)
    return graph.compile()


_under_way: OrderedDict[str, Iterator[tuple[str, Update, InspectionState]]] = OrderedDict()
"""By run: the inspection, which goes on when its next step is asked for."""


@cache
def _inspector() -> Inspector:
    return Inspector(os.environ.get(PROFILE, "nano"))


def _shown(name: str) -> Any:
    """A node that lets the inspection take its next step and shows what that step found."""

    def run(state: StudioOutput) -> StudioOutput:
        key = uuid4().hex if name == FIRST[0] else state["run"]
        if name == FIRST[0]:
            _under_way[key] = _begun(state)
            while len(_under_way) > KEPT:
                _under_way.popitem(last=False)
        if key not in _under_way:
            raise InputError(f"run {key} is not in this process any more; begin again from the first step.")
        step, update, _ = next(_under_way[key], ("", Update(), None))
        if step != name:
            raise InputError(f"run {key} is past the step '{name}'; begin again from the first step.")
        if name == LOOP[-1]:
            del _under_way[key]
        found = StepEvent.of(name, update).as_record()
        shown = cast("StudioOutput", {field: found[field] for field in SHOWN if field in found})
        if name == "suspect":
            shown["suspected"] = found.get("suspected")
        return {**shown, "run": key, "seconds": {name: found["seconds"]}}

    run.__name__ = name
    return run


def _after_suspect(state: StudioOutput) -> Route:
    return "look_again" if state["suspected"] is not None else "judge"


def _begun(state: StudioOutput) -> Iterator[tuple[str, Update, InspectionState]]:
    """An inspection before its first step.

    Raises:
        tools.errors.InputError: no photo was named.
    """
    if not state.get("photo"):
        raise InputError("the state has no photo; give the path of one on this machine.")
    references = [Path(r) for r in state.get("references") or ()]
    normal, question = state.get("normal") or "", state.get("question") or ""
    return _inspector().steps(Path(state["photo"]), references=references, normal=normal, question=question)
