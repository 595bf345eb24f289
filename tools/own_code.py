"""Refuses code that a checkpoint brings along: no setting asks for it, and none is imported while a model is loaded."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from tools.checkpoint import read_config
from tools.errors import ModelError

_CODE = ("auto_map", "trust_remote_code", "custom_generate", "custom_pipelines", "use_kernels")
"""Settings that name or allow code outside of the installed libraries."""
_ELSEWHERE = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal", "backbone")
"""Settings that name a built-in by a plain word, or by a repository's name something that is fetched."""
_WEIGHTS = ("use_pretrained_backbone",)
"""Settings that fetch other weights than those of the folder."""
_loading: ContextVar[bool] = ContextVar("loading", default=False)


def check_settings(folder: Path) -> None:
    """Check every JSON file of a checkpoint's folder.

    Raises:
        ModelError: one cannot be read, or a setting asks for code or weights from elsewhere.
    """
    if (folder / "adapter_config.json").exists():
        raise ModelError(
            f"{folder}: holds an adapter (adapter_config.json), which names another checkpoint; merge the adapter into "
            "its checkpoint, or remove the file."
        )
    for path in sorted(folder.glob("*.json")):
        found = _asks(read_config(folder, path.name, mapping=False))
        if found:
            raise ModelError(
                f"{folder}: {path.name} sets {found}, which takes code or weights from outside of the folder; that is "
                "never accepted; take a checkpoint whose class is built in."
            )


@contextmanager
def own_code_refused() -> Iterator[None]:
    """Refuse every import of a checkpoint's own code in this context, whatever asks for it, and ask no questions.

    Raises:
        ModelError: something asks for such code.
    """
    from transformers import dynamic_module_utils as dynamic

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


def _asks(data: Any) -> str:
    """The first setting, at any depth, that asks for something from elsewhere; empty where none does."""
    waiting = [data]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += [value for value in item if isinstance(value, dict | list)]
        if not isinstance(item, dict):
            continue
        for key, value in item.items():
            # A vocabulary may hold any word as a key; its values are whole numbers.
            named = isinstance(value, bool | str | list | dict) and bool(value)
            if named and (key in _CODE or key in _WEIGHTS):
                return str(key)
            if key in _ELSEWHERE and isinstance(value, str) and any(c in value for c in "/:\\"):
                return str(key)
            if isinstance(value, dict | list):
                waiting.append(value)
    return ""
