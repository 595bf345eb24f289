"""The front door: the command line, the page and the public names; the only room that knows all others."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.inspector import Inspector
    from agent.products.spec import Product
    from agent.report.model import InspectionReport

__version__ = "0.1.0"
__all__ = ["InspectionReport", "Inspector", "Product", "__version__"]


def __getattr__(name: str) -> object:
    """Imports a public name when it is first asked for, so that `import looktwice` costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'looktwice' has no attribute {name!r}")
    import agent

    return getattr(agent, name)
