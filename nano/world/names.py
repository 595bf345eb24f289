"""Which families may be trained on and which never are."""

TRAINED = ("tray", "connector", "metal", "gear")
"""Recipes train on these."""

HELDOUT: tuple[str, ...] = ()
"""No recipe may read these: they are the zero-shot test."""

FAMILIES = TRAINED + HELDOUT
"""All of them."""
