"""Lets models work in a process that was forked from one that used them.

The threads of OpenMP, by which torch and scikit-learn compute in parallel, do not exist in a forked process, and the
first parallel loop there waits for them for ever. A forked process therefore computes with one thread. A GPU cannot be
used in a forked process at all.
"""

from __future__ import annotations

import os
import sys

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from tools.errors import ModelError

_process = os.getpid()
"""The process that has been prepared: the one that imported this module, or one that was forked from it since."""


def prepare_forked_process() -> bool:
    """Limits a forked process to one thread, once; does nothing in the process that imported this module.

    Returns:
        Whether the process was forked since the last call.

    Raises:
        ModelError: the parent process used a GPU, which its forks cannot.
    """
    global _process  # noqa: PLW0603  # the state is that of the process
    if os.getpid() == _process:
        return False
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        raise ModelError(
            "this process was forked from one that uses the GPU, which a forked process cannot use; start workers with "
            'multiprocessing.get_context("spawn"), and give them the Inspector, which travels by pickle.'
        )
    threadpool_limits(1)
    if torch is not None:
        torch.set_num_threads(1)
    _process = os.getpid()
    return True
