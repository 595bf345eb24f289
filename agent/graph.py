"""The wiring of an inspection, and nothing else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal, Protocol

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from agent import steps
from agent.context import Context
from agent.state import InspectionState, Request, Update

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph


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
    for name in ("intake", "propose", "glance", "match", "suspect", "look_again", "judge", "explain"):
        graph.add_node(name, timed(name, getattr(steps, name)))
    graph.add_edge(START, "intake")
    graph.add_edge("intake", "propose")
    graph.add_edge("propose", "glance")
    graph.add_edge("glance", "match")
    graph.add_edge("match", "suspect")
    graph.add_conditional_edges("suspect", after_suspect)
    graph.add_edge("look_again", "suspect")
    graph.add_edge("judge", "explain")
    graph.add_edge("explain", END)
    return graph.compile(checkpointer=checkpointer)


def after_suspect(state: InspectionState) -> Literal["look_again", "judge"]:
    """Looks again while there is a hypothesis worth it; `suspect` names none once the budget is spent."""
    return "look_again" if state.hypothesis is not None else "judge"


def timed(name: str, step: Step) -> Step:
    """The same step, with its seconds added to its update."""

    def run(state: InspectionState, runtime: Runtime[Context]) -> Update:
        start = time.perf_counter()
        update = step(state, runtime)
        update["seconds"] = {name: time.perf_counter() - start}
        return update

    run.__name__ = name
    return run
