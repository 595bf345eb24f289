"""The inspector: a LangGraph loop that proposes, glances, matches, suspects, looks again, judges and explains.

It orchestrates tools and knows nothing of evals or the front door.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.inspector import Inspector
    from agent.products.spec import Product
    from agent.report.model import InspectionReport

__all__ = ["InspectionReport", "Inspector", "Product"]

_HOME = {"Inspector": "agent.inspector", "Product": "agent.products.spec", "InspectionReport": "agent.report.model"}


def __getattr__(name: str) -> object:
    """Imports a public name when it is first asked for, so that importing the room costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'agent' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
