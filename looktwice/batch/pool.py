"""Inspects photos in several processes, each with an inspector of its own; one that dies costs one try of its photo."""

from __future__ import annotations

import os
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from multiprocessing import connection, get_context, parent_process
from typing import TYPE_CHECKING

from pebble import ProcessExpired, ProcessPool

from looktwice.batch.records import InspectionJob, PhotoOutcome
from looktwice.batch.workers import Work, decode, failure, inspect_decoded, keep, keeping_freed_memory

if TYPE_CHECKING:
    from agent import Inspector

TRIES = 2
"""A photo on which so many processes ended is given up."""
QUEUED = 1
"""Jobs that wait for each process beside the one it has."""


@dataclass
class _Process:
    """What a worker process holds between its photos."""

    work: Work
    inspector: Inspector | None = None


_here: _Process | None = None


class PoolRunner:
    """Several processes of few threads each, for CPUs: small models do not fill two cores, two photos do."""

    def __init__(self, work: Work, *, workers: int, threads: int, patience: float) -> None:
        """Starts nothing yet; a process starts with the first photos.

        Args:
            work: sent to each process once.
            workers: processes.
            threads: of each process.
            patience: seconds after which the process of a photo is ended, the first photo's loading included.
        """
        self._patience = patience
        self._size = workers * (1 + QUEUED)
        self._jobs: dict[Future[PhotoOutcome], InspectionJob] = {}
        self._begun: dict[Future[PhotoOutcome], float] = {}
        self._dropped = False
        self._stack = ExitStack()
        self._stack.enter_context(keeping_freed_memory())
        self._pool = ProcessPool(
            max_workers=workers, context=get_context("spawn"), initializer=_start, initargs=(work, threads)
        )

    @property
    def room(self) -> int:
        """How many more photos may wait for a process."""
        return self._size - len(self._jobs)

    @property
    def pending(self) -> int:
        """Photos that have a process, or wait for one."""
        return len(self._jobs)

    def submit(self, job: InspectionJob) -> None:
        """Puts a photo in the queue."""
        # The pool's own timeout reads the wall clock, so a clock that is set forward would end every photo.
        future = self._pool.schedule(_inspect, args=[job])
        self._jobs[future] = job

    def collect(self, seconds: float) -> list[PhotoOutcome]:
        """The outcomes of processes that have finished a photo, or ended with it."""
        if not self._jobs:
            return []
        done, _ = wait(self._jobs, timeout=seconds, return_when=FIRST_COMPLETED)
        found = [self._outcome(future, self._pop(future)) for future in done]
        return [outcome for outcome in (*found, *self._too_slow()) if outcome is not None]

    def drop(self) -> None:
        """Takes the photos that no process has begun out of the queue."""
        self._dropped = True
        for future in [f for f in self._jobs if not f.running() and not f.done()]:
            if future.cancel():
                self._jobs.pop(future)

    def close(self) -> None:
        """Ends the processes."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()
        self._stack.close()

    def _too_slow(self) -> list[PhotoOutcome]:
        """The outcomes of photos whose time is over; their processes are ended."""
        now = time.monotonic()
        for future in self._jobs:
            if future.running():
                self._begun.setdefault(future, now)
        late = [future for future, begun in self._begun.items() if now - begun > self._patience]
        return [self._given_up(self._pop(future)) for future in late if future.cancel()]

    def _pop(self, future: Future[PhotoOutcome]) -> InspectionJob:
        self._begun.pop(future, None)
        return self._jobs.pop(future)

    def _given_up(self, job: InspectionJob) -> PhotoOutcome:
        said = (
            f"{job.path}: took longer than {self._patience:g} s and was given up; look at the photo, or allow more "
            "with --patience."
        )
        return PhotoOutcome(job, "failed", None, error=said)

    def _outcome(self, future: Future[PhotoOutcome], job: InspectionJob) -> PhotoOutcome | None:
        """What became of a photo; None where it is tried once more, or was dropped."""
        try:
            return future.result()
        except CancelledError:
            return None
        except ProcessExpired as error:
            return self._again(job, error.exitcode)
        except Exception as error:
            return failure(job, None, error)

    def _again(self, job: InspectionJob, status: int | None) -> PhotoOutcome | None:
        """Another try for a photo whose process ended."""
        if self._dropped:
            return None
        if job.tries + 1 < TRIES:
            self.submit(replace(job, tries=job.tries + 1))
            return None
        how = f"signal {-status}" if status is not None and status < 0 else f"status {status}"
        said = (
            f"{job.path}: {TRIES} processes ended while they inspected it ({how}; 9 is often want of memory); the "
            "others go on; call again with fewer --workers."
        )
        return PhotoOutcome(job, "failed", None, error=said)


def _start(work: Work, threads: int) -> None:
    """Prepares a worker process."""
    global _here  # noqa: PLW0603  # a process pool has no other place for what a worker keeps
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if "torch" in sys.modules:  # a product that was learned brings it along
        sys.modules["torch"].set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _here = _Process(work)


def _inspect(job: InspectionJob) -> PhotoOutcome:
    """Decodes, inspects and writes one photo."""
    if _here is None:
        raise RuntimeError("the worker process was not started by `_start`")
    decoded = decode(job)
    if decoded.refusal is not None:
        return decoded.refusal
    if _here.inspector is None:
        _here.inspector = _here.work.open()
        _here.inspector.warm()
    found = inspect_decoded(_here.inspector, _here.work, decoded)
    return found if isinstance(found, PhotoOutcome) else keep(found, _here.work, decoded)


def _end_with_parent() -> None:
    """Ends this process when the one that started it is gone, by whatever means."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
