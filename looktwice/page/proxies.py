"""Keeps the page from the proxies that this machine uses for other hosts; needs no other module of the page.

Gradio makes HTTP clients when it is imported and calls the page when it starts. Both read the proxies of the
environment, and fail where a proxy needs a package that is not installed, or does not answer for this machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_proxies() -> Iterator[None]:
    """Hides the variables that name proxies."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.lower().endswith("_proxy")}
    try:
        yield
    finally:
        os.environ.update(hidden)
