"""Which families may be trained on and which never are."""

TRAINED = (
    "tray",
    "connector",
    "bottle",
    "meal_box",
    "pin_grid",
    "blister",
    "memory_module",
    "metal",
    "gear",
    "wood",
    "fabric",
)
"""Recipes train on these."""

HELDOUT = ("fastener_bag", "circuit_board", "leather", "nut")
"""No recipe may read these: they are the zero-shot test."""

FAMILIES = TRAINED + HELDOUT
"""All of them."""
