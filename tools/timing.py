"""Marks where the time goes that models take, so that it can be told from all other time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from time import perf_counter
from typing import Literal, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")
Work = Literal["model", "search"]
"""A model call; or the search of a patch memory, a product of matrices on the model's device."""


@dataclass
class Clock:
    """Time inside what is marked."""

    seconds: dict[Work, float] = field(default_factory=lambda: {"model": 0.0, "search": 0.0})
    calls: Counter[Work] = field(default_factory=Counter)
    running: bool = False
    """Whether something marked is going on; what is marked inside of it is the outer one's."""


_clock: ContextVar[Clock | None] = ContextVar("looktwice_clock", default=None)


def marked(work: Work) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Marks a function as one kind of work.

    A model call brings plain data into a network's form and runs the network: resizing and normalising photos, writing
    prompts and tokenising are part of it, since no model runs without them; what is computed from a network's output
    is not.
    """

    def mark(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(function)
        def timed(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            clock = _clock.get()
            if clock is None or clock.running:
                return function(*args, **kwargs)
            clock.running, start = True, perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                clock.running = False
                clock.seconds[work] += perf_counter() - start
                clock.calls[work] += 1

        return timed

    return mark


model_call = marked("model")
"""See `marked`."""


@contextmanager
def clocked() -> Iterator[Clock]:
    """Adds up what is marked in this thread, and in what runs in a copy of its context, until it ends."""
    clock = Clock()
    token = _clock.set(clock)
    try:
        yield clock
    finally:
        _clock.reset(token)
