"""The wiring of an inspection, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, Protocol

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from agent import steps
from agent.state import Context, InspectionState, Request, Update

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph


FIRST = ("intake", "propose", "glance", "match")
"""Steps of the first look, in order."""
LOOP = ("suspect", "look_again", "judge", "explain")
"""Steps that follow it."""


class Step(Protocol):
    """A pure function from the state so far to what changes in it."""

    def __call__(self, state: InspectionState, runtime: Runtime[Context]) -> Update:
        """Runs the step."""
        ...


def build_graph(
    checkpointer: BaseCheckpointSaver[str] | None = None,
) -> CompiledStateGraph[InspectionState, Context, Request, InspectionState]:
    """The compiled graph: a line of steps with one loop, suspect -> look again -> suspect."""
    graph = StateGraph(InspectionState, context_schema=Context, input_schema=Request)
    _line(graph, (START, *FIRST, LOOP[0]))
    _loop(graph)
    return graph.compile(checkpointer=checkpointer)


def build_first_look() -> CompiledStateGraph[InspectionState, Context, Request, InspectionState]:
    """The first look alone: what it measured can be judged in several ways."""
    graph = StateGraph(InspectionState, context_schema=Context, input_schema=Request)
    _line(graph, (START, *FIRST, END))
    return graph.compile()


def build_loop() -> CompiledStateGraph[InspectionState, Context, InspectionState, InspectionState]:
    """What follows the first look: takes its state, looks again, judges and explains."""
    graph = StateGraph(InspectionState, context_schema=Context)
    graph.add_edge(START, LOOP[0])
    _loop(graph)
    return graph.compile()


def _line(graph: StateGraph[InspectionState, Context, Any, InspectionState], names: Sequence[str]) -> None:
    """The steps of the first look, one after the other, between two ends."""
    for name in FIRST:
        graph.add_node(name, timed(name, getattr(steps, name)))
    for name, following in pairwise(names):
        graph.add_edge(name, following)


def _loop(graph: StateGraph[InspectionState, Context, Any, InspectionState]) -> None:
    """Looks again as often as it pays, then judges and explains."""
    for name in LOOP:
        graph.add_node(name, timed(name, getattr(steps, name)))
    graph.add_conditional_edges("suspect", after_suspect)
    graph.add_edge("look_again", "suspect")
    graph.add_edge("judge", "explain")
    graph.add_edge("explain", END)


def after_suspect(state: InspectionState) -> Literal["look_again", "judge"]:
    """Looks again while there is a hypothesis worth it; `suspect` names none once the budget is spent."""
    return "look_again" if state.hypothesis is not None else "judge"


def timed(name: str, step: Step) -> Step:
    """The same step, with its seconds added to its update."""

    def run(state: InspectionState, runtime: Runtime[Context]) -> Update:
        start = perf_counter()
        update = step(state, runtime)
        update["seconds"] = {name: perf_counter() - start}
        return update

    run.__name__ = name
    return run
