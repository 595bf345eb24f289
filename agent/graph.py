"""The wiring of an inspection, and how its graphs are run."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import fields
from itertools import pairwise
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from agent import steps
from agent.state import Context, InspectionState, Request, Revision, Update
from agent.tracing import private_tracing

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph


FIRST = ("intake", "propose", "glance", "match")
"""Steps of the first look, in order."""
LOOP = ("suspect", "look_again", "judge", "explain")
"""Steps that follow it."""
STATE = tuple(field.name for field in fields(InspectionState))
"""Fields of the state of every graph here."""
Route = Literal["look_again", "judge"]


class Step(Protocol):
    """A pure function from the state so far to what changes in it."""

    def __call__(self, state: InspectionState, runtime: Runtime[Context]) -> Update:
        """Runs the step."""
        ...


def build_graph(
    checkpointer: BaseCheckpointSaver[str] | None = None,
) -> CompiledStateGraph[InspectionState, Context, Request, InspectionState]:
    """The compiled graph: a line of steps with one loop, suspect -> look again -> suspect.

    Args:
        checkpointer: keeps the state after each step, so that an inspection that was stopped can resume.
    """
    graph = StateGraph(InspectionState, context_schema=Context, input_schema=Request)
    add_inspection(graph, timed, after_suspect)
    return graph.compile(checkpointer=checkpointer)


def build_first_look() -> CompiledStateGraph[InspectionState, Context, Request, InspectionState]:
    """The first look alone: what it measured can be judged in several ways."""
    graph = StateGraph(InspectionState, context_schema=Context, input_schema=Request)
    _add_line(graph, (START, *FIRST, END), timed)
    return graph.compile()


def build_loop() -> CompiledStateGraph[InspectionState, Context, InspectionState, InspectionState]:
    """What follows the first look: takes its state, looks again, judges and explains."""
    graph = StateGraph(InspectionState, context_schema=Context)
    graph.add_edge(START, LOOP[0])
    _add_loop(graph, timed, after_suspect)
    return graph.compile()


def build_revision() -> CompiledStateGraph[Revision, Context, Revision, InspectionState]:
    """What a person asks of a finished inspection: evidence is added or a place is looked at, then judged anew."""
    graph = StateGraph(Revision, context_schema=Context, output_schema=InspectionState)
    for name in ("amend", *LOOP[1:]):
        graph.add_node(name, timed(name), input_schema=Revision)
    graph.add_edge(START, "amend")
    graph.add_conditional_edges("amend", after_suspect)
    for name, following in pairwise((*LOOP[1:], END)):
        graph.add_edge(name, following)
    return graph.compile()


def add_inspection(
    graph: StateGraph[Any, Any, Any, Any], node: Callable[[str], Any], route: Callable[[Any], Route]
) -> None:
    """Adds the steps of an inspection and the edges between them.

    Args:
        graph: without nodes so far; of any state.
        node: the node of a step, by the step's name.
        route: whether the state after `suspect` asks for a second look.
    """
    _add_line(graph, (START, *FIRST, LOOP[0]), node)
    _add_loop(graph, node, route)


def _add_line(graph: StateGraph[Any, Any, Any, Any], names: Sequence[str], node: Callable[[str], Any]) -> None:
    """The steps of the first look, one after the other, between two ends."""
    for name in FIRST:
        graph.add_node(name, node(name))
    for name, following in pairwise(names):
        graph.add_edge(name, following)


def _add_loop(graph: StateGraph[Any, Any, Any, Any], node: Callable[[str], Any], route: Callable[[Any], Route]) -> None:
    """Looks again as often as it pays, then judges and explains."""
    for name in LOOP:
        graph.add_node(name, node(name))
    graph.add_conditional_edges("suspect", route)
    graph.add_edge("look_again", "suspect")
    graph.add_edge("judge", "explain")
    graph.add_edge("explain", END)


def after_suspect(state: InspectionState) -> Route:
    """Looks again while there is a hypothesis worth it; `suspect` names none once the budget is spent."""
    return "look_again" if state.hypothesis is not None else "judge"


def timed(name: str) -> Step:
    """The step of that name; its update also tells its seconds and the models that are loaded after it."""
    step: Step = getattr(steps, name)

    def run(state: InspectionState, runtime: Runtime[Context]) -> Update:
        start = perf_counter()
        update = step(state, runtime)
        update["seconds"] = {name: perf_counter() - start}
        update["models"] = {**update.get("models", {}), **runtime.context.toolbox.describe()}
        return update

    run.__name__ = name
    return run


def run_steps(
    graph: CompiledStateGraph[Any, Context, Any, InspectionState], given: Any, context: Context, **options: Any
) -> Iterator[tuple[str, Update, InspectionState]]:
    """Runs a graph; yields each step's name, what it changed, and the state after it.

    The graph runs in a context of its own. So a step of another graph can run it without passing its checkpointer on,
    several threads can take turns at the iterator, and no state is sent to LangSmith unless that was asked for.

    Args:
        graph: compiled by a function of this module.
        given: what it starts from; None resumes what its checkpointer keeps.
        context: tools, calibration and limits.
        options: further arguments of the graph's `stream`, such as its configuration.
    """
    from langchain_core.runnables.config import var_child_runnable_config

    own, stack = copy_context(), ExitStack()
    own.run(var_child_runnable_config.set, None)
    own.run(stack.enter_context, private_tracing())
    stream = cast(
        "Generator[tuple[str, dict[str, Any]]]",
        graph.stream(given, context=context, stream_mode=["updates", "values"], output_keys=STATE, **options),
    )
    ended: dict[str, Update] = {}
    try:
        while (item := own.run(next, stream, None)) is not None:
            mode, chunk = item
            if mode == "updates":
                ended |= chunk
                continue
            for name, update in ended.items():
                yield name, update, InspectionState(**chunk)
            ended.clear()
    finally:
        own.run(stream.close)
        own.run(stack.close)


def state_after(
    graph: CompiledStateGraph[Any, Context, Any, InspectionState], given: Any, context: Context
) -> InspectionState:
    """The state after the last step of a graph that is run to its end."""
    *_, (_, _, state) = run_steps(graph, given, context)
    return state
