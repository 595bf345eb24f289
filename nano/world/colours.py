"""The eleven basic colours, in two palettes, and the materials that wear them."""

from __future__ import annotations

from nano.world.canvas import Paint
from nano.world.chance import Chance
from nano.world.scene import Style

PALETTE: dict[str, dict[str, tuple[float, float, float]]] = {
    "plain": {
        "red": (0.78, 0.13, 0.13),
        "orange": (0.92, 0.48, 0.12),
        "yellow": (0.90, 0.77, 0.16),
        "green": (0.16, 0.55, 0.25),
        "blue": (0.14, 0.32, 0.72),
        "purple": (0.48, 0.22, 0.62),
        "pink": (0.93, 0.56, 0.68),
        "brown": (0.45, 0.29, 0.17),
        "black": (0.13, 0.13, 0.14),
        "white": (0.91, 0.91, 0.89),
        "grey": (0.56, 0.57, 0.58),
    },
    "shift": {
        "red": (0.66, 0.06, 0.16),
        "orange": (0.84, 0.38, 0.05),
        "yellow": (0.80, 0.70, 0.05),
        "green": (0.05, 0.45, 0.36),
        "blue": (0.10, 0.42, 0.66),
        "purple": (0.38, 0.14, 0.48),
        "pink": (0.84, 0.44, 0.62),
        "brown": (0.34, 0.20, 0.14),
        "black": (0.17, 0.15, 0.13),
        "white": (0.83, 0.82, 0.74),
        "grey": (0.47, 0.46, 0.44),
    },
}

MATERIALS: dict[str, tuple[float, str | None, float, float]] = {
    "plastic": (0.22, "speckle", 0.03, 0.02),
    "gloss": (0.55, None, 0.0, 0.0),
    "metal": (0.75, "brushed", 0.14, 0.05),
    "cast": (0.35, "speckle", 0.14, 0.10),
    "rubber": (0.06, "speckle", 0.06, 0.05),
    "paper": (0.04, "speckle", 0.03, 0.02),
    "food": (0.18, "clouds", 0.22, 0.35),
    "mat": (0.04, "speckle", 0.08, 0.05),
    "wood": (0.10, "brushed", 0.20, 0.06),
}
"""Gloss, texture, how much it colours, how much it raises (units)."""


def linear(colour: tuple[float, float, float]) -> tuple[float, float, float]:
    """Display colour to linear light; the square undoes the camera's square root."""
    r, g, b = colour
    return r * r, g * g, b * b


def paint(name: str, material: str, chance: Chance, style: Style, spread: float = 0.07) -> Paint:
    """A basic colour on a material, a little different each time."""
    gloss, texture, grain, bump = MATERIALS[material]
    light = chance.uniform(1 - spread, 1 + spread)
    r, g, b = (c * light * chance.uniform(0.98, 1.02) for c in PALETTE[style][name])
    much = 1.7 if style == "shift" else 1.0
    return Paint(linear((r, g, b)), gloss, texture, grain * much, bump * much)
