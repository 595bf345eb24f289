"""Refuses Python code that a checkpoint brings or names; a file of its own because it imports transformers."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from transformers import dynamic_module_utils as dynamic

from tools.errors import ModelError

_loading: ContextVar[bool] = ContextVar("loading", default=False)


@contextmanager
def own_code_refused() -> Iterator[None]:
    """Refuse every import of a checkpoint's own code in this context, whatever asks for it, and ask no questions.

    Raises:
        ModelError: something asks for such code.
    """
    if not hasattr(dynamic.get_class_in_module, "guarded"):
        dynamic.get_class_in_module = _guarded(dynamic.get_class_in_module)
    token, seconds = _loading.set(True), dynamic.TIME_OUT_REMOTE_CODE
    # With no seconds to answer, the library refuses rather than asking on standard input.
    dynamic.TIME_OUT_REMOTE_CODE = 0
    try:
        yield
    finally:
        dynamic.TIME_OUT_REMOTE_CODE = seconds
        _loading.reset(token)


def _guarded(imported: Any) -> Any:
    @functools.wraps(imported)
    def refuse(*args: Any, **options: Any) -> Any:
        if _loading.get():
            raise ModelError(
                "the checkpoint asks for code of its own, which is never run; take one whose class is built in."
            )
        return imported(*args, **options)

    refuse.guarded = True  # type: ignore[attr-defined]  # marks the function, so that it is wrapped once
    return refuse
