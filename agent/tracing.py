"""Keeps photos and sentences on this machine: LangSmith's tracing of a graph runs only where it was asked for."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager

VARIABLE = "LOOKTWICE_LANGSMITH"
"""Environment variable; "1" lets LANGSMITH_TRACING and its siblings send every state of a graph, pixels included."""


def private_tracing() -> AbstractContextManager[object]:
    """Return a context in which no graph sends its states to LangSmith, whatever LANGSMITH_TRACING says.

    LangGraph traces a graph wherever those variables are set, often for another program of the same machine. The state
    of an inspection holds the photo, the references and the user's words.
    """
    from langsmith import tracing_context

    enabled = None if os.environ.get(VARIABLE) == "1" else False
    return tracing_context(enabled=enabled)
