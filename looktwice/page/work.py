"""Runs long work in a thread of its own and hands out what it says as it goes; stopping it really stops it."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from tools.errors import LookTwiceError

T = TypeVar("T")
R = TypeVar("R")
CHECKED = 0.2
"""Seconds between two looks at whether the work was stopped while a step goes on."""
_LOG = logging.getLogger("looktwice.page")


class StoppedError(Exception):
    """The visitor has stopped the work, or has gone."""


@dataclass(frozen=True)
class Done(Generic[R]):
    """What the work came to."""

    result: R


@dataclass(frozen=True)
class Failed:
    """Why the work came to nothing."""

    reason: str
    """A sentence, or the name of what went wrong inside."""
    inside: bool
    """Whether the fault is the program's or a model's, not the input's."""


@dataclass(frozen=True)
class Stopped:
    """The work was stopped."""


class Stop:
    """A flag that work looks at between two steps."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Stops the work."""
        self._event.set()

    @property
    def is_set(self) -> bool:
        """Whether the work was stopped."""
        return self._event.is_set()

    def check(self) -> None:
        """Goes on, or ends the work.

        Raises:
            StoppedError: it was stopped.
        """
        if self._event.is_set():
            raise StoppedError


def streamed(work: Callable[[Callable[[T], None]], R], stop: Stop) -> Iterator[T | Done[R] | Failed | Stopped]:
    """What `work` says, then how it ended; when the reader goes away, the work is stopped.

    Args:
        work: is given a function to say things with, which also ends it once it is stopped.
        stop: of this work.
    """
    said: queue.SimpleQueue[T | Done[R] | Failed | Stopped] = queue.SimpleQueue()

    def say(item: T) -> None:
        stop.check()
        said.put(item)

    def run() -> None:
        try:
            said.put(Done(work(say)))
        except StoppedError:
            said.put(Stopped())
        except LookTwiceError as error:
            said.put(Failed(str(error), inside=False))
        except Exception as error:
            # Whatever a model throws ends this one inspection, never the page; the log keeps where it came from.
            _LOG.exception("an inspection failed")
            said.put(
                Failed(f"{type(error).__name__}: {str(error)[:200]}" if str(error) else type(error).__name__, True)
            )

    threading.Thread(target=run, daemon=True, name="looktwice-work").start()
    try:
        while True:
            try:
                item = said.get(timeout=CHECKED)
            except queue.Empty:
                if not stop.is_set:
                    continue
                # The reader is free at once; the work itself ends with the step that it is in.
                item = Stopped()
            yield item
            if isinstance(item, Done | Failed | Stopped):
                return
    finally:
        stop.set()
