"""Stops a run between two photos when the terminal or the system asks; asked again, at once."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """While it is open, the first SIGINT or SIGTERM is remembered, and the second ends the process."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._before: dict[int, Any] = {}
        self.signal: int | None = None
        """The signal that came, if one came."""

    def __enter__(self) -> Self:
        """Takes over the signals, where this is the thread that may."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._asked)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Gives the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def asked(self) -> bool:
        """Whether the run should stop."""
        return self._event.is_set()

    @property
    def status(self) -> int:
        """Exit status of a stopped process: 128 and the signal's number."""
        return 128 + (self.signal or 0)

    def sleep(self, seconds: float) -> None:
        """Waits, but not longer than until a signal comes."""
        self._event.wait(seconds)

    def ask(self) -> None:
        """Asks for a stop without a signal."""
        self._event.set()

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            os._exit(128 + number)
        self.signal = number
        self._event.set()
