"""The wiring of a conversation, and nothing else: understand -> (answer | look | change | settle)* -> tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from langgraph.graph import END, START, StateGraph

from agent.chat import steps
from agent.chat.state import ChatContext, ChatState, Question

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph

Room = Literal["answer", "look", "change", "settle", "tell"]
_ROOMS: dict[str, Room] = {
    "zoom": "look", "compare": "look", "ask": "look", "ignore": "change", "restore": "change", "remember": "change",
    "confirm": "settle", "decline": "settle",
}  # fmt: skip


def build_chat_graph(
    checkpointer: BaseCheckpointSaver[str],
) -> CompiledStateGraph[ChatState, ChatContext, Question, ChatState]:
    """The compiled graph; one run of it is one question."""
    graph = StateGraph(ChatState, context_schema=ChatContext, input_schema=Question)
    graph.add_node("understand", steps.understand)
    for name in ("answer", "look", "change", "settle"):
        graph.add_node(name, steps.spoken(getattr(steps, name)))
        graph.add_conditional_edges(name, next_room)
    graph.add_node("tell", steps.tell)
    graph.add_edge(START, "understand")
    graph.add_conditional_edges("understand", next_room)
    graph.add_edge("tell", END)
    return graph.compile(checkpointer=checkpointer)


def next_room(state: ChatState) -> Room:
    """Where the next task is done; to `tell` once none is left."""
    return _ROOMS.get(state.tasks[0][0], "answer") if state.tasks else "tell"
