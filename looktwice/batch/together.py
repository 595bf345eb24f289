"""Inspects several photos at a time in this process, so that each network runs once for all that ask for it."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from looktwice.batch.job import Job, Outcome
from looktwice.batch.serial import AHEAD, BEHIND
from looktwice.batch.work import Decoded, Work, decode, inspect_decoded, keep
from tools.together import Joined, Together

if TYPE_CHECKING:
    from agent import InspectionReport, Inspector


class TogetherRunner:
    """One inspector with several photos in hand, for a GPU, which one photo does not fill.

    Photos are taken in their order, so many at a time; the next ones begin when all of these have ended, so that which
    photos are in hand together follows from the list of photos. Outcomes are given in the order of the list.
    """

    def __init__(self, inspector: Inspector, work: Work, *, photos: int) -> None:
        """Takes an inspector that the caller has opened already.

        Args:
            inspector: the one of this process.
            work: with a product.
            photos: at a time.
        """
        inspector.warm()
        self._inspector, self._work, self._photos = inspector, work, photos
        self._together = Together(photos)
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="decode")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._decoding: deque[Future[Decoded]] = deque()
        self._inspecting: deque[tuple[Decoded, Future[InspectionReport | Outcome]]] = deque()
        self._writing: deque[Future[Outcome]] = deque()

    @property
    def joined(self) -> dict[str, Joined]:
        """How the forwards of each network were joined so far."""
        return self._together.joined

    @property
    def room(self) -> int:
        """How many more photos may be decoded ahead: as many as are in hand."""
        return max(self._photos, 1 + AHEAD) - len(self._decoding)

    @property
    def pending(self) -> int:
        """Photos being decoded, inspected or written."""
        return len(self._decoding) + len(self._inspecting) + len(self._writing)

    def submit(self, job: Job) -> None:
        """Begins to decode a photo."""
        self._decoding.append(self._readers.submit(decode, job))

    def collect(self, seconds: float) -> list[Outcome]:
        """Begins the next photos once those in hand have ended, and gives those that are written."""
        outcomes: list[Outcome] = []
        if not self._inspecting and len(self._writing) <= BEHIND:
            outcomes += self._begin(seconds)
        if self._inspecting:
            wait([self._inspecting[0][1]], timeout=seconds)
        elif self._writing:
            wait([self._writing[0]], timeout=seconds)
        while self._inspecting and self._inspecting[0][1].done():
            decoded, inspected = self._inspecting.popleft()
            self._writing.append(self._writer.submit(_kept, inspected.result(), self._work, decoded))
        while self._writing and self._writing[0].done():
            outcomes.append(self._writing.popleft().result())
        return outcomes

    def drop(self) -> None:
        """Forgets the photos that were decoded ahead."""
        while self._decoding:
            self._decoding.pop().cancel()

    def close(self) -> None:
        """Waits for the threads."""
        self._readers.shutdown(cancel_futures=True)
        self._together.close()
        self._writer.shutdown()

    def _begin(self, seconds: float) -> list[Outcome]:
        """Takes the next photos in hand once all are decoded; where some cannot be read, gives those instead."""
        following = list(islice(self._decoding, self._photos))
        if wait(following, timeout=seconds).not_done:
            return []
        found = [future.result() for future in following]
        refused = [decoded.refusal for decoded in found if decoded.refusal is not None]
        for _ in following:
            self._decoding.popleft()
        if refused:  # others come up in their place first, so that as many as can be are in hand
            self._decoding.extendleft(f for f in reversed(following) if f.result().refusal is None)
            return refused
        tasks = [partial(inspect_decoded, self._inspector, self._work, decoded) for decoded in found]
        self._inspecting.extend(zip(found, self._together.start(tasks), strict=True))
        return []


def _kept(found: InspectionReport | Outcome, work: Work, decoded: Decoded) -> Outcome:
    return found if isinstance(found, Outcome) else keep(found, work, decoded)
