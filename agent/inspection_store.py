"""Keeps inspections in a SQLite file, so that one that was stopped resumes and a finished one is not made again."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.checkpoints import damage_as_input_error, open_checkpoints, prune, prune_threads
from agent.graph import LOOP, build_graph, run_steps
from agent.state import Context, InspectionState, Request, Update
from agent.state_serializer import StateSerializer
from agent.steps.first_look import learned_product
from tools.errors import InputError
from tools.types import Sample

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.sqlite import SqliteSaver

STATES = 1
"""States of an inspection that are kept: the last, with what the step after it has found."""
INSPECTIONS = 100
"""Inspections that are kept, those that were written last."""


class InspectionStore:
    """A file of inspections; each is known by its photo, its product and everything else that decides its report."""

    def __init__(self, path: Path | str, identity: Mapping[str, Any]) -> None:
        """Opens the file once, so that one that cannot be used is refused before any work.

        Args:
            path: SQLite file, made where there is none.
            identity: options, calibration and digests of the weights, as JSON values; an inspection that was kept with
                others is not resumed.

        Raises:
            tools.errors.InputError: the file is another program's, or cannot be written.
        """
        self.path = Path(path)
        self._identity = dict(identity)
        self._open(StateSerializer((), None)).conn.close()

    def steps(self, request: Request, context: Context) -> Iterator[tuple[str, Update, InspectionState]]:
        """Inspects, or goes on after the last step that the file has; of a finished inspection yields the last step.

        Args:
            request: with photos that are decoded.
            context: tools, calibration and limits.

        Raises:
            tools.errors.InputError: the file is damaged, locked or cannot be written any more.
        """
        thread = self.thread(request)
        config: RunnableConfig = {"configurable": {"thread_id": thread}}
        serializer = StateSerializer(_samples(request), request.product)
        with closing((saver := self._open(serializer)).conn):
            graph = build_graph(saver)
            if serializer.product is None and self._has(saver, thread):
                good = tuple(sample for sample in request.references if isinstance(sample, Sample))
                serializer.product = learned_product(context, good, request.normal)
            with damage_as_input_error(self.path, thread):
                kept = graph.get_state(config)
                state = InspectionState(**kept.values) if kept.values.get("sample") is not None else None
            if state is not None and not kept.next:
                yield LOOP[-1], Update(explanation=state.explanation), state
                return
            if state is None:
                saver.delete_thread(thread)
            given = request if state is None else None
            try:
                for step in run_steps(graph, given, context, config=config, durability="sync"):
                    prune(saver, thread, STATES)
                    yield step
                prune_threads(saver, INSPECTIONS)
            except sqlite3.Error as error:
                raise InputError(
                    f"{self.path}: cannot keep the inspection there ({error}); free the disk, or give another store."
                ) from error

    def thread(self, request: Request) -> str:
        """The name under which an inspection is kept: a digest of everything that decides its report."""
        product = request.product
        asked = {
            "photo": _digest(request.photo),
            "references": [_digest(reference) for reference in request.references],
            "normal": request.normal,
            "question": request.question,
            "product": None
            if product is None
            else [
                product.spec.model_dump(mode="json", exclude={"references"}),
                [reference.digest for reference in product.references],
                product.notes,
            ],
        }
        return hashlib.sha256(json.dumps([self._identity, asked], sort_keys=True).encode()).hexdigest()

    def _open(self, serializer: StateSerializer) -> SqliteSaver:
        return open_checkpoints(self.path, serializer, "inspections")

    def _has(self, saver: SqliteSaver, thread: str) -> bool:
        with damage_as_input_error(self.path, thread):
            found = saver.conn.execute("SELECT 1 FROM checkpoints WHERE thread_id = ?", (thread,)).fetchone()
        return found is not None


def _samples(request: Request) -> list[Sample]:
    """The photo and the references of an inspection."""
    known = request.product.references if request.product is not None else ()
    return [sample for sample in (request.photo, *known, *request.references) if isinstance(sample, Sample)]


def _digest(photo: Path | Sample) -> str:
    if not isinstance(photo, Sample):
        raise TypeError("the photos of an inspection that is kept must be decoded")
    return photo.digest
