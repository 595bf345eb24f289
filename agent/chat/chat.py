"""One conversation about one report."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from langgraph.types import Command, Interrupt

from agent.chat.case import Case
from agent.chat.graph import build_chat_graph
from agent.chat.records import ChatTurn, PartFact, PendingChange, Reply, restored
from agent.chat.state import ChatContext, Question
from agent.chat.store import KEPT, checked_thread, open_store, refuse_other
from agent.checkpoints import damage_as_input_error, prune
from agent.products.spec import ProductSpec
from agent.report.model import InspectionReport
from agent.text_limits import QUESTION, checked_text
from agent.tracing import private_tracing
from tools.errors import InputError
from tools.files import exclusive

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.types import StateSnapshot

    from agent.products.spec import Product
    from tools.vlm import LocalVLM

WAIT = 600.0
"""Seconds to wait while another process answers in the same store."""
OnText = Callable[[str], None]
"""Is told the pieces of an answer as they come; joined they are its text."""


class Chat:
    """Questions about a report, answered from its evidence or by looking again; one question at a time."""

    def __init__(
        self, case: Case, vlm: Callable[[], LocalVLM], *, store: Path | str | None = None, thread: str = "chat"
    ) -> None:
        """Prefer `Inspector.chat`.

        Raises:
            tools.errors.InputError: the store cannot be used, or the thread is about another photo.
        """
        self._case = case
        self._context = ChatContext(case, vlm)
        self.thread = checked_thread(thread)
        self._saver = open_store(store)
        self._graph = build_chat_graph(self._saver)
        self._config: RunnableConfig = {"configurable": {"thread_id": self.thread}}
        self._lock = threading.Lock()
        self._store = None if store is None else Path(store)
        with self._turn():
            values = self._values()
            if values.get("report"):
                self._resume(values)
            else:
                self._begin()

    def ask(self, question: str, on_text: OnText | None = None) -> Reply:
        """Answers a question.

        Args:
            question: in plain words.
            on_text: told the pieces of the text as they come.

        Raises:
            tools.errors.InputError: the question is empty or too long.
        """
        if not question.strip():
            raise InputError("the question is empty; ask something, such as: why is it bad?")
        checked_text("question", question, QUESTION)
        with self._lock, self._turn():
            asked = " ".join(question.split())
            waits = self._snapshot().interrupts  # read anew, since another process may have written the store
            return self._run(Command(resume=asked) if waits else Question(asked), on_text)

    def confirm(self) -> Reply:
        """Says yes to the proposal that waits."""
        return self.ask("yes")

    def decline(self) -> Reply:
        """Says no to the proposal that waits."""
        return self.ask("no")

    @property
    def turns(self) -> tuple[ChatTurn, ...]:
        """Everything said, oldest first."""
        return tuple(ChatTurn.of_dict(t) for t in self._values().get("turns", ()))

    @property
    def proposal(self) -> PendingChange | None:
        """The change that waits for a yes or a no."""
        return _proposal(self._values().get("pending"))

    @property
    def report(self) -> InspectionReport:
        """The report with everything that was added to it."""
        return self._case.report

    @property
    def product(self) -> Product | None:
        """The product with the changes that were agreed on."""
        return self._case.product

    def close(self) -> None:
        """Closes the store; what was said is kept."""
        self._saver.conn.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Hold the store's file for one turn, so that no other process adds to the thread in between."""
        with private_tracing(), exclusive(self._store, seconds=WAIT) if self._store is not None else nullcontext():
            yield

    def _snapshot(self) -> StateSnapshot:
        with damage_as_input_error(self._store, self.thread):
            state = self._graph.get_state(self._config)
            if state.values and not isinstance((state.metadata or {}).get("step"), int):
                raise ValueError("a state without the number of its step")
            if not all(isinstance(wait, Interrupt) for wait in state.interrupts):
                raise ValueError("a proposal that cannot be read")
            return state

    def _values(self) -> dict[str, Any]:
        return dict(self._snapshot().values or {})

    def _begin(self) -> None:
        """Starts a thread with the report as it is."""
        known = self._case.kept_parts()
        begun = {
            "report": self._case.report.to_json(),
            "digest": self._case.digest,
            "base": _dumped(self._case.product),
            "parts": None if known is None else [p.as_dict() for p in known],
        }
        self._graph.update_state(self._config, begun, as_node="tell")

    def _resume(self, values: dict[str, Any]) -> None:
        """Goes on with a thread.

        Raises:
            InputError: it is about another photo.
        """
        with damage_as_input_error(self._store, self.thread):
            kept = InspectionReport.model_validate_json(values["report"])
            [ChatTurn.of_dict(turn) for turn in values.get("turns", ())]
            _proposal(values.get("pending"))
        case, digest = self._case, str(values.get("digest", ""))
        other = digest != case.digest if digest and case.digest else Path(kept.image).name != case.name
        if other:
            refuse_other(self.thread, kept.image, case.report.image)
        product = case.product
        if product is not None and values.get("spec") and _dumped(product) == values.get("base"):
            with damage_as_input_error(self._store, self.thread):
                product = replace(product, spec=ProductSpec.model_validate(values["spec"]))
        kept = kept.model_copy(update={"image": case.report.image})
        kept = kept.with_pixels_of(case.report)
        parts = values.get("parts")
        with damage_as_input_error(self._store, self.thread):
            known = None if parts is None else [PartFact.of_dict(p) for p in parts]
        case.adopt(kept, digest, known, product)

    def _run(self, given: Question | Command[Any], on_text: OnText | None) -> Reply:
        """Answers a question, or goes on from the proposal that waits, until the answer is told."""
        before, pieces = self._case.report, 0
        stream = self._graph.stream(
            given, self._config, context=self._context, stream_mode=["custom", "values"], durability="exit"
        )
        values: dict[str, Any] = {}
        for mode, chunk in cast("Any", stream):
            if mode == "values":
                values = chunk
            elif on_text is not None:
                on_text(f" {chunk}" if pieces else str(chunk))
                pieces += 1
        prune(self._saver, self.thread, KEPT)
        changed = self._case.report is not before
        return Reply(
            restored(values["sentences"]),
            self._case.report if changed else None,
            _proposal(values.get("pending")),
            str(values["intent"]),
        )


def _dumped(product: Product | None) -> dict[str, Any] | None:
    return None if product is None else product.spec.model_dump(mode="json")


def _proposal(pending: dict[str, Any] | None) -> PendingChange | None:
    if pending is None:
        return None
    return PendingChange(str(pending["words"]), ProductSpec.model_validate(pending["spec"]))
