"""Marks where a model runs, so that the time spent in models can be told from all other time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


@dataclass
class Clock:
    """Time inside model calls."""

    seconds: float = 0.0
    calls: int = 0
    running: bool = False
    """Whether a call is going on; one inside another is the outer one's."""


_clock: ContextVar[Clock | None] = ContextVar("looktwice_model_clock", default=None)


def model_call(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Marks a function that brings plain data into a network's form and runs the network, and does nothing else.

    Resizing and normalising photos, writing prompts and tokenising are part of a call, since no model runs without
    them; whatever is computed from a network's output is not.
    """

    @wraps(function)
    def marked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        clock = _clock.get()
        if clock is None or clock.running:
            return function(*args, **kwargs)
        clock.running, start = True, time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            clock.running = False
            clock.seconds += time.perf_counter() - start
            clock.calls += 1

    return marked


@contextmanager
def clocked() -> Iterator[Clock]:
    """Adds up the model calls of this thread, and of what runs in a copy of its context, until it ends."""
    clock = Clock()
    token = _clock.set(clock)
    try:
        yield clock
    finally:
        _clock.reset(token)
