"""A procedural world of products with per-pixel truth, rules and questions, to train and to test on.

Same arguments, same bytes, on every machine. It may use tools and prompts, and knows nothing of agents.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nano.world.words import FAMILIES, HELDOUT, TRAINED

if TYPE_CHECKING:
    from nano.world.gallery import write_gallery
    from nano.world.make import family, render
    from nano.world.scene import Family, Scene, SceneDefect, ScenePart, SceneQuestion
    from nano.world.write import write_world

__all__ = [
    "FAMILIES",
    "HELDOUT",
    "TRAINED",
    "Family",
    "Scene",
    "SceneDefect",
    "ScenePart",
    "SceneQuestion",
    "family",
    "render",
    "write_gallery",
    "write_world",
]

_HOMES = {"family": "make", "render": "make", "write_gallery": "gallery", "write_world": "write"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'nano.world' has no attribute '{name}'")
    return getattr(import_module(f"nano.world.{_HOMES.get(name, 'scene')}"), name)
