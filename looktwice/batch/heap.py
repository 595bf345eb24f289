"""Has worker processes keep the memory that they freed: arrays of a photo's size come and go all the time.

The C library would give it back and ask for fresh pages, which the system has to clear. A process then holds what its
largest photo took. It reads these variables when it starts; elsewhere than with glibc they mean nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

KEEP_FREED = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
    "MALLOC_TOP_PAD_": str(2**26),
}
"""See glibc's mallopt(3)."""


@contextmanager
def keeping_freed_memory() -> Iterator[None]:
    """Processes that are started meanwhile keep what they freed, unless the user has said otherwise."""
    mine = {name: value for name, value in KEEP_FREED.items() if name not in os.environ}
    os.environ.update(mine)
    try:
        yield
    finally:
        for name in mine:
            os.environ.pop(name, None)
