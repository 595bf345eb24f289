"""One model pass at a time, first come first served, and everybody told how many are ahead."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CHECKED = 0.25
"""Seconds between two looks at whether a visitor who waits has gone."""


class FairQueue:
    """A lock whose order is the order of arrival; long work takes a turn for each of its pieces."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._line: deque[object] = deque()

    @property
    def waiting(self) -> int:
        """How many are in the line, the one at work included."""
        with self._changed:
            return len(self._line)

    @contextmanager
    def turn(self, on_place: Callable[[int], None] = lambda ahead: None) -> Iterator[None]:
        """Waits for a turn and holds it.

        Args:
            on_place: told how many are ahead, whenever that changes and at least every quarter of a second; an
                exception that it raises leaves the line.
        """
        ticket = object()
        with self._changed:
            self._line.append(ticket)
        try:
            while (ahead := self._ahead(ticket)) > 0:
                on_place(ahead)
                with self._changed:
                    if self._line[0] is not ticket:
                        self._changed.wait(CHECKED)
            yield
        finally:
            with self._changed:
                self._line.remove(ticket)
                self._changed.notify_all()

    def _ahead(self, ticket: object) -> int:
        with self._changed:
            return self._line.index(ticket)
