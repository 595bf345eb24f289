"""The graph of an inspection for LangGraph Studio: the same steps and the same way, over a state that is plain JSON.

The state that the steps share holds photos, score maps and tensors, which a browser cannot show. Here it stays in this
process, and what the browser sees after each step is what that step found, in words and numbers.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict
from uuid import uuid4

from langgraph.graph import StateGraph

from agent.graph import FIRST, LOOP, Route, add_inspection
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
    add_inspection(graph, _shown, _after_suspect)
    return graph.compile()


_under_way: OrderedDict[str, Iterator[tuple[str, Update, InspectionState]]] = OrderedDict()
"""By run: the inspection, which goes on when its next step is asked for."""


@cache
def _inspector() -> Inspector:
    from agent import Inspector

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
        return {"run": key, "seconds": {k: round(v, 3) for k, v in update["seconds"].items()}, **plain(update)}

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
