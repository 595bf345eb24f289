"""Keeps libraries from writing progress bars and notes to standard error while a model is loaded."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from transformers.utils import logging as library


@contextmanager
def quiet() -> Iterator[None]:
    """Silences warnings, log lines below errors and progress bars; puts everything back at the end."""
    root = logging.getLogger()
    # open_clip logs through the root logger, and the first such call would install a handler for good.
    mute = logging.NullHandler()
    verbosity, bars, disabled = library.get_verbosity(), library.is_progress_bar_enabled(), logging.root.manager.disable
    root.addHandler(mute)
    logging.disable(logging.WARNING)
    library.set_verbosity_error()
    library.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeHandler(mute)
        logging.disable(disabled)
        library.set_verbosity(verbosity)
        if bars:
            library.enable_progress_bar()
