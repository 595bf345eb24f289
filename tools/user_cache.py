"""The user's cache folder: what can be computed again, and is kept because that takes time."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "LOOKTWICE_CACHE"
"""Environment variable that names another folder, or "off"."""


def cache_folder() -> Path | None:
    """Return this user's cache folder, which need not exist, or None where the cache is switched off."""
    named = os.environ.get(VARIABLE, "")
    if named == "off":
        return None
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(named or Path(home) / "looktwice").expanduser()
