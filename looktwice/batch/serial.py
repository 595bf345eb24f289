"""Inspects photo after photo in this process, while threads decode the next ones and write the last ones."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from looktwice.batch.job import Job, Outcome
from looktwice.batch.work import Decoded, Work, decode, inspect_decoded, keep

if TYPE_CHECKING:
    from agent import Inspector

AHEAD = 3
"""Photos decoded before their turn."""
BEHIND = 2
"""Reports that may wait to be written; then inspecting waits for the disk."""


class SerialRunner:
    """One inspector, for a GPU or for few photos."""

    def __init__(self, inspector: Inspector, work: Work, *, ahead: int = AHEAD) -> None:
        """Takes an inspector that the caller has opened already."""
        inspector.warm()
        self._inspector, self._work, self._ahead = inspector, work, ahead
        self._readers = ThreadPoolExecutor(min(2, ahead), thread_name_prefix="decode")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._decoding: deque[Future[Decoded]] = deque()
        self._writing: deque[Future[Outcome]] = deque()

    @property
    def room(self) -> int:
        """How many more photos may be decoded ahead."""
        return 1 + self._ahead - len(self._decoding)

    @property
    def pending(self) -> int:
        """Photos being decoded or written."""
        return len(self._decoding) + len(self._writing)

    def submit(self, job: Job) -> None:
        """Begins to decode a photo."""
        self._decoding.append(self._readers.submit(decode, job))

    def collect(self, seconds: float) -> list[Outcome]:
        """Inspects the next photo that is decoded, and gives those that are written."""
        outcomes: list[Outcome] = []
        if self._decoding:
            wait([self._decoding[0]], timeout=seconds)
            if self._decoding[0].done():
                decoded = self._decoding.popleft().result()
                found = inspect_decoded(self._inspector, self._work, decoded)
                if isinstance(found, Outcome):
                    outcomes.append(found)
                else:
                    self._writing.append(self._writer.submit(keep, found, self._work, decoded))
        elif self._writing:
            wait([self._writing[0]], timeout=seconds)
        while self._writing and (self._writing[0].done() or len(self._writing) > BEHIND):
            outcomes.append(self._writing.popleft().result())
        return outcomes

    def drop(self) -> None:
        """Forgets the photos that were decoded ahead."""
        while self._decoding:
            self._decoding.pop().cancel()

    def close(self) -> None:
        """Waits for the threads."""
        self._readers.shutdown(cancel_futures=True)
        self._writer.shutdown()
