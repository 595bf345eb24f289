"""Keeps freed memory in a worker process: arrays of a photo's size come and go all the time."""

from __future__ import annotations

import sys

TRIM, TOP_PAD, MMAP = -1, -2, -3
"""Parameters of glibc's mallopt: see its manual page."""
KEPT = 2**31 - 1
STEP = 64 * 2**20
LARGE = 2**30


def keep_freed_memory() -> bool:
    """Has the C library reuse freed memory rather than give it back and ask for fresh pages, which have to be cleared.

    The process then holds what its largest photo took. Elsewhere than with glibc nothing happens.

    Returns:
        Whether it was told so.
    """
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all([mallopt(MMAP, LARGE), mallopt(TRIM, KEPT), mallopt(TOP_PAD, STEP)])
