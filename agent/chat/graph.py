"""The graph of a conversation: understand -> (answer | look | change | settle)* -> tell, which may wait to confirm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol, cast

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from agent.chat import changes, looks, measures, report_answers
from agent.chat.case import BlindError, Case
from agent.chat.languages import unread
from agent.chat.records import ChatTurn, plain, restored
from agent.chat.state import ChatContext, ChatState, ChatUpdate, Question
from agent.chat.understanding import Intent, Task, on_topic, read, subject_of
from agent.evidence.claims import Sentence

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.graph.state import CompiledStateGraph


class ChatStep(Protocol):
    """A function from the state so far to what changes in it."""

    def __call__(self, state: ChatState, runtime: Runtime[ChatContext]) -> ChatUpdate:
        """Runs the step."""
        ...


FREE: tuple[Intent, ...] = ("help", "off_topic")
"""Intents that are answered by a sentence of their own name."""


POINTING: tuple[Intent, ...] = (
    "where",
    "kind",
    "size",
    "colour",
    "count",
    "present",
    "zoom",
    "compare",
    "same",
    "ignore",
    "restore",
)
"""Intents that speak of one thing, which "it" then means; after others "it" is what was found."""


def understand(state: ChatState, runtime: Runtime[ChatContext]) -> ChatUpdate:
    """Reads the question, and nothing but the question, for what is wanted."""
    case = runtime.context.case
    product = case.product.spec.product if case.product is not None else case.report.product
    tasks = read(
        state.question,
        pending=state.pending is not None,
        on_topic=on_topic(state.question, case),
        product=product,
        vlm=runtime.context.vlm,
    )
    update = ChatUpdate(tasks=[[t.intent, t.clause] for t in tasks], sentences=[])
    update["intent"] = " ".join(t.intent for t in tasks)
    if state.pending is not None and tasks[0].intent not in ("confirm", "decline"):
        update["pending"] = None
        dropped = case.line("still_pending")
        update["sentences"] = plain((dropped,))
        runtime.stream_writer(dropped.text)
    return update


def answer(state: ChatState, runtime: Runtime[ChatContext]) -> ChatUpdate:
    """Answers from what is known: the report's evidence and the measured parts."""
    task, case = _task(state), runtime.context.case
    subject = subject_of(task.clause, case)
    found = {**report_answers.ANSWERS, **measures.ANSWERS}.get(task.intent)
    if found is not None:
        return _said(state, found(case, subject, state.focus))
    if task.intent == "unread":
        return _said(state, [Sentence(unread(task.clause), ())])
    return _said(state, [case.line(task.intent if task.intent in FREE else "unsure_intent")])


def look(state: ChatState, runtime: Runtime[ChatContext]) -> ChatUpdate:
    """Looks at the photo again."""
    task, case = _task(state), runtime.context.case
    subject = subject_of(task.clause, case)
    if task.intent == "ask":
        return _said(state, looks.ask(case, task.clause, runtime.context.vlm))
    looked = looks.compare if task.intent == "compare" else looks.zoom
    return _said(state, looked(case, subject, state.focus))


def change(state: ChatState, runtime: Runtime[ChatContext]) -> ChatUpdate:
    """Leaves something out, takes it back, or proposes a change of the product."""
    task, case = _task(state), runtime.context.case
    subject = subject_of(task.clause, case)
    if task.intent == "remember":
        proposed = changes.remember(case, task.clause)
        update = _said(state, proposed.sentences)
        if proposed.spec is not None:
            update["pending"] = {"words": proposed.words, "spec": proposed.spec.model_dump(mode="json")}
        return update
    if task.intent == "ignore":
        left = changes.ignore(case, subject, state.focus, state.ignored)
    else:
        left = changes.restore(case, subject, state.ignored)
    update = _said(state, left.sentences)
    update["ignored"] = left.ignored
    return update


def settle(state: ChatState, runtime: Runtime[ChatContext]) -> ChatUpdate:
    """A yes or a no to what was proposed."""
    from agent.products.spec import ProductSpec

    task, case = _task(state), runtime.context.case
    if state.pending is None:
        return _said(state, [case.line("nothing_pending")])
    if task.intent == "decline":
        update = _said(state, [case.line("declined")])
    else:
        spec = ProductSpec.model_validate(state.pending["spec"])
        update = _said(state, changes.settle(case, str(state.pending["words"]), spec))
        update["spec"] = state.pending["spec"]
        update["ignored"] = {}
    update["pending"] = None
    return update


def tell(state: ChatState, runtime: Runtime[ChatContext]) -> ChatUpdate:
    """Puts question and answer behind what was said, and keeps what was added to the report."""
    case = runtime.context.case
    sentences = restored(state.sentences)
    said = ChatTurn("assistant", " ".join(s.text for s in sentences), sentences)
    known = case.kept_parts()
    return ChatUpdate(
        turns=[ChatTurn("user", state.question).as_dict(), said.as_dict()],
        tasks=[],
        report=case.report.to_json(),
        digest=case.digest,
        parts=None if known is None else [p.as_dict() for p in known],
    )


def confirm(state: ChatState, runtime: Runtime[ChatContext]) -> ChatUpdate:
    """Waits for what a person says to the proposal; a thread that is closed meanwhile goes on here."""
    del runtime
    return ChatUpdate(question=interrupt(state.pending))


def spoken(step: ChatStep) -> ChatStep:
    """The same step, whose sentences are checked and passed on as they come; what cannot be looked at is said."""

    def run(state: ChatState, runtime: Runtime[ChatContext]) -> ChatUpdate:
        case = runtime.context.case
        try:
            update = step(state, runtime)
        except BlindError as error:
            update = _said(state, [case.line("no_pixels", why=str(error).rstrip("."))])
        fresh = backed(restored(update["sentences"])[len(state.sentences) :], case)
        for sentence in fresh:
            runtime.stream_writer(sentence.text)
        update["sentences"] = [*state.sentences, *plain(fresh)]
        update["tasks"] = state.tasks[1:]
        about_one = state.tasks[0][0] in POINTING
        update["focus"] = list(dict.fromkeys(i for s in fresh for i in s.cites)) if about_one else []
        return update

    return run


def backed(sentences: Sequence[Sentence], case: Case) -> tuple[Sentence, ...]:
    """The sentences whose every citation exists in the report."""
    return tuple(s for s in sentences if case.ids.issuperset(s.cites))


def _task(state: ChatState) -> Task:
    intent, clause = state.tasks[0]
    return Task(cast("Intent", intent), clause)


def _said(state: ChatState, sentences: Sequence[Sentence]) -> ChatUpdate:
    return ChatUpdate(sentences=[*state.sentences, *plain(tuple(sentences))])


Room = Literal["answer", "look", "change", "settle", "tell"]
_ROOMS: dict[str, Room] = {
    "zoom": "look",
    "compare": "look",
    "ask": "look",
    "ignore": "change",
    "restore": "change",
    "remember": "change",
    "confirm": "settle",
    "decline": "settle",
}


def build_chat_graph(
    checkpointer: BaseCheckpointSaver[str],
) -> CompiledStateGraph[ChatState, ChatContext, Question, ChatState]:
    """The compiled graph: one run answers one question, and stops at `confirm` while a proposal waits for an answer."""
    graph = StateGraph(ChatState, context_schema=ChatContext, input_schema=Question)
    graph.add_node("understand", understand)
    rooms: tuple[tuple[Room, ChatStep], ...] = (
        ("answer", answer),
        ("look", look),
        ("change", change),
        ("settle", settle),
    )
    for name, step in rooms:
        graph.add_node(name, spoken(step))
        graph.add_conditional_edges(name, next_room)
    graph.add_node("tell", tell)
    graph.add_edge(START, "understand")
    graph.add_conditional_edges("understand", next_room)
    graph.add_node("confirm", confirm)
    graph.add_conditional_edges("tell", after_tell)
    graph.add_edge("confirm", "understand")
    return graph.compile(checkpointer=checkpointer)


def after_tell(state: ChatState) -> Literal["confirm", "__end__"]:
    """Waits where a proposal does."""
    return "confirm" if state.pending is not None else "__end__"


def next_room(state: ChatState) -> Room:
    """Where the next task is done; to `tell` once none is left."""
    return _ROOMS.get(state.tasks[0][0], "answer") if state.tasks else "tell"
