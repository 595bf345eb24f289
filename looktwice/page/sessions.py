"""What one visitor has on the page: the last report, the conversation, files; gone when the visitor goes."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from looktwice.page.progress import StopFlag

if TYPE_CHECKING:
    from agent import InspectionReport, Product
    from agent.chat import Chat
    from looktwice.page.tabs.batch import BatchRow

MOST = 64
"""Visitors whose things are kept; each may hold a photo, a report and a batch in memory."""
LARGEST_HELD = 4_000_000_000
"""Bytes of the decoded photos that all visitors hold together."""
IDLE = 30 * 60.0
"""Seconds after which a visitor is forgotten who did nothing and whose page is closed."""
OPEN_IDLE = 6 * 3600.0
"""The same while the page is still open in a browser, which its heartbeat tells."""
Cited = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class VisitTurn:
    """One turn of the conversation."""

    role: str
    """"user", "inspector" or "note"."""
    sentences: tuple[Cited, ...]
    """Text and the ids it cites."""


@dataclass
class Visit:
    """One visitor's things."""

    folder: Path
    report: InspectionReport | None = None
    product: Product | None = None
    product_kept: bool = False
    """Whether the product is one of the store, so that teaching it writes its file."""
    chat: Chat | None = None
    log: list[VisitTurn] = field(default_factory=list)
    batch: list[BatchRow] = field(default_factory=list)
    stop: StopFlag = field(default_factory=StopFlag)
    seen: float = 0.0
    """When the visitor last did something, in seconds of the clock of `Visits`."""

    def fresh_stop(self) -> StopFlag:
        """Ends what this visitor still has running, and gives the flag of what comes next."""
        self.stop.set()
        self.stop = StopFlag()
        return self.stop


class Visits:
    """All visitors, by Gradio's session."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Keep nothing yet.

        Args:
            clock: seconds, which never go back.
        """
        self._clock = clock
        self._root = Path(tempfile.mkdtemp(prefix="looktwice-page-"))
        self._lock = threading.Lock()
        self._visits: dict[str, Visit] = {}
        self._beating: Counter[str] = Counter()

    def of(self, session: str | None) -> Visit:
        """A visitor's things; new ones where nothing is known, in place of those of whoever was idle longest."""
        key = session or "nobody"
        with self._lock:
            self._forget_idle(key)
            others = self._visits.keys() - {key}
            while others and (len(others) >= MOST or self._held() > LARGEST_HELD):
                idlest = min(others, key=lambda k: (self._beating[k] > 0, self._visits[k].seen))
                self._drop(idlest)
                others.remove(idlest)
            if key not in self._visits:
                self._visits[key] = Visit(Path(tempfile.mkdtemp(dir=self._root)))
            visit = self._visits[key]
            visit.seen = self._clock()
            return visit

    def hold(self, session: str) -> None:
        """A visitor's page is open: its heartbeat has begun."""
        with self._lock:
            self._beating[session] += 1
            self._forget_idle(session)

    def release(self, session: str) -> None:
        """The heartbeat has ended."""
        with self._lock:
            self._beating[session] -= 1
            if self._beating[session] <= 0:
                del self._beating[session]

    def leave(self, session: str | None) -> None:
        """A visitor has gone: work stops, files are removed."""
        with self._lock:
            if session in self._visits:
                self._drop(session)

    def close(self) -> None:
        """The page closes: everything goes."""
        with self._lock:
            for key in list(self._visits):
                self._drop(key)
        shutil.rmtree(self._root, ignore_errors=True)

    def _forget_idle(self, key: str) -> None:
        """Drop those who were idle for too long, `key` not among them."""
        now = self._clock()
        for old, visit in list(self._visits.items()):
            if old != key and now - visit.seen > (OPEN_IDLE if self._beating[old] > 0 else IDLE):
                self._drop(old)

    def _held(self) -> int:
        """Bytes of the photos in memory; one that several visitors share counts once."""
        sizes: dict[int, int] = {}
        for visit in self._visits.values():
            report, product = visit.report, visit.product
            for sample in (*([report.sample] if report else []), *(product.references if product else ())):
                sizes[id(sample)] = sample.image.nbytes
        return sum(sizes.values())

    def _drop(self, key: str) -> None:
        visit = self._visits.pop(key)
        visit.stop.set()
        shutil.rmtree(visit.folder, ignore_errors=True)
