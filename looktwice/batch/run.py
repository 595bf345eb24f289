"""The run of a batch: photos in, one line per photo out; it resumes, and stops between photos on a signal."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from filelock import FileLock, Timeout

from agent.report.files import remove_report
from looktwice.batch.inputs import ListedPhoto, Watch, listed, monotonic
from looktwice.batch.manifest import RunManifest, claim, held_manifest
from looktwice.batch.records import (
    FAILURES,
    RESULTS,
    FinishedPhotos,
    InspectionJob,
    Journal,
    Kind,
    Names,
    PhotoOutcome,
    ResultLine,
    exit_status,
    file_digest,
    kind_of,
)
from looktwice.batch.workers import Runner, decode
from tools.errors import InputError

if TYPE_CHECKING:
    from looktwice.batch.observers import Observer
    from tools.types import Sample

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class SignalStop:
    """While it is open, the first SIGINT or SIGTERM is remembered, and the second ends the process."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._before: dict[int, Any] = {}
        self.signal: int | None = None
        """The signal that came, if one came."""

    def __enter__(self) -> Self:
        """Takes over the signals, where this is the thread that may."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._asked)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Gives the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def asked(self) -> bool:
        """Whether the run should stop."""
        return self._event.is_set()

    @property
    def status(self) -> int:
        """Exit status of a stopped process: 128 and the signal's number."""
        return 128 + (self.signal or 0)

    def sleep(self, seconds: float) -> None:
        """Waits, but not longer than until a signal comes."""
        self._event.wait(seconds)

    def ask(self) -> None:
        """Asks for a stop without a signal."""
        self._event.set()

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            os._exit(128 + number)
        self.signal = number
        self._event.set()


TICK = 0.5
"""Seconds after which a run that waits looks whether it should stop, or whether photos have come."""
Start = Callable[["Sample"], Runner]
"""Makes the runner, once there is a photo to inspect; it is told that photo, which may say what the product is."""


@dataclass(frozen=True)
class BatchPlan:
    """What is inspected, and where results go."""

    inputs: tuple[Path, ...]
    out: Path
    manifest: RunManifest
    watch: float | None = None
    """Seconds between two looks for new photos; None ends with the photos that are there."""
    idle: float | None = None
    """A watch ends after so many seconds without a new photo; None goes on until it is stopped."""


@dataclass
class Tally:
    """What a run did."""

    kinds: Counter[Kind] = field(default_factory=Counter)
    """Photos of this call, by what they were found to be."""
    before: Counter[Kind] = field(default_factory=Counter)
    """Photos that earlier calls had done."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By stage, summed over photos and processes."""
    wall: float = 0.0
    """Seconds from the first photo to the last."""
    signal_status: int | None = None
    """Exit status of a run that a signal stopped."""

    @property
    def status(self) -> int:
        """Exit status: of the signal, else of all photos."""
        return exit_status(self.kinds + self.before) if self.signal_status is None else self.signal_status


def run_batch(
    batch: BatchPlan, start: Start, *, stop: SignalStop, observer: Observer, on_outcome: Callable[[PhotoOutcome], None]
) -> Tally:
    """Inspects every photo that has no line yet.

    Args:
        batch: what and where.
        start: makes what inspects.
        stop: asked before each photo whether to go on.
        observer: told everything, for logs and counters.
        on_outcome: told each outcome once its line is on disk.

    Raises:
        InputError: the output folder cannot be written, is full, in use, removed meanwhile, or holds a run of another
            kind; or there is nothing to inspect.
    """
    with ExitStack() as stack:
        stack.enter_context(_alone(batch.out))
        resumed = claim(batch.out, batch.manifest)
        for left in batch.out.glob(".*.part"):
            remove_report(left)
        results, failures = Journal(batch.out / RESULTS), Journal(batch.out / FAILURES)
        stack.callback(results.close)
        stack.callback(failures.close)
        failures.clear()
        done = FinishedPhotos()
        for line in results.lines():
            done.add(line)
        observer.started(batch, resumed=resumed, done=len(done))
        run = _Run(results, failures, done, Tally(), observer, on_outcome)
        begun = time.perf_counter()
        try:
            run.go(_Source(batch, done, run.tally), start, stop)
            results.check()
            failures.check()
        finally:
            run.tally.wall = time.perf_counter() - begun
            if stop.signal is not None:
                run.tally.signal_status = stop.status
            observer.ended(run.tally)
        return run.tally


def finished(batch: BatchPlan) -> Tally | None:
    """What earlier calls found, where they have inspected all photos; None where a photo is left, or another run is.

    Raises:
        InputError: the output folder cannot be read, is in use, or a line of it is none of ours.
    """
    held = held_manifest(batch.out)
    if held is None or held.differences(batch.manifest):
        return None
    with _alone(batch.out):
        results = Journal(batch.out / RESULTS)
        try:
            done, tally = FinishedPhotos(), Tally()
            for line in results.lines():
                done.add(line)
            return tally if next(_Source(batch, done, tally).jobs(), None) is None else None
        finally:
            results.close()


class _Source:
    """Jobs in the order of the listing, as far as they are not done."""

    def __init__(self, batch: BatchPlan, done: FinishedPhotos, tally: Tally) -> None:
        self._batch, self._done, self._tally = batch, done, tally
        self._names = Names(done.folders, batch.out)
        self.ended = False

    def jobs(self) -> Iterator[InspectionJob | None]:
        """One job after the other; None where there is none at the moment."""
        batch = self._batch
        if batch.watch is None:
            for found in listed(batch.inputs, batch.out):
                job = self._open(found)
                if job is not None:
                    yield job
            return
        watch = Watch(batch.inputs, batch.out, every=batch.watch, clock=monotonic)
        while batch.idle is None or monotonic() - watch.quiet_since < batch.idle:
            for found in watch.look():
                job = self._open(found)
                if job is not None:
                    yield job
            yield None

    def _open(self, found: ListedPhoto) -> InspectionJob | None:
        """The job of a photo; None where it has its line."""
        if self._done.has_name(found.name):
            try:
                kind = self._done.kind(found.name, file_digest(found.path))
            except OSError:
                kind = None
            if kind is not None:
                self._tally.before[kind] += 1
                return None
        return InspectionJob(found.path, found.name, self._names.fresh(found.path))


class _Run:
    """The loop between source, runner and journal."""

    def __init__(
        self,
        results: Journal,
        failures: Journal,
        done: FinishedPhotos,
        tally: Tally,
        observer: Observer,
        on_outcome: Callable[[PhotoOutcome], None],
    ) -> None:
        self._results, self._failures, self._done = results, failures, done
        self.tally, self._observer, self._on_outcome = tally, observer, on_outcome

    def go(self, source: _Source, start: Start, stop: SignalStop) -> None:
        """Inspects until the source ends or the run is stopped."""
        jobs = source.jobs()
        runner: Runner | None = None
        ended = False
        try:
            while not ended and not stop.asked:
                while not stop.asked and (runner is None or runner.room > 0):
                    try:
                        job = next(jobs)
                    except StopIteration:
                        ended = True
                        break
                    if job is None:
                        break
                    runner = self._submit(job, runner, start)
                if runner is not None and runner.pending:
                    self._collect(runner)
                elif not ended:
                    stop.sleep(TICK)
            while runner is not None and runner.pending:
                if stop.asked:
                    runner.drop()
                self._collect(runner)
        finally:
            if runner is not None:
                runner.close()

    def _submit(self, job: InspectionJob, runner: Runner | None, start: Start) -> Runner | None:
        """Gives a job to the runner; the first photo that can be read starts it."""
        if runner is None:
            decoded = decode(job)
            if decoded.refusal is not None:
                self._record(decoded.refusal)
                return None
            if decoded.sample is not None:
                runner = start(decoded.sample)
        if runner is not None:
            runner.submit(job)
        return runner

    def _collect(self, runner: Runner) -> None:
        for outcome in runner.collect(TICK):
            self._record(outcome)
        self._observer.waiting(runner.pending)

    def _record(self, outcome: PhotoOutcome) -> None:
        """Puts an outcome's line on disk, then counts and tells it.

        Raises:
            InputError: the disk is full, or the results were removed; the photo is tried again by the next call.
        """
        if outcome.disk_full:
            raise InputError(outcome.error or "the disk is full; make room, and call again.")
        begun = time.perf_counter()
        line = ResultLine.of(outcome)
        journal = self._failures if outcome.status == "failed" else self._results
        try:
            journal.append(line)
        except OSError as error:
            raise InputError(
                f"{journal.path}: cannot be written ({error.strerror}); the run stops, finished photos are kept; make "
                "room, and call again."
            ) from error
        if outcome.status != "failed":
            self._done.add(line)
        for stage, value in {**outcome.seconds, "line": time.perf_counter() - begun}.items():
            self.tally.seconds[stage] = self.tally.seconds.get(stage, 0.0) + value
        self.tally.kinds[kind_of(outcome.status, outcome.report)] += 1
        self._observer.outcome(outcome)
        self._on_outcome(outcome)


def _alone(out: Path) -> ExitStack:
    """Holds the folder for this run; the system lets go of it even after a kill.

    Raises:
        InputError: another run holds it.
    """
    stack = ExitStack()
    try:
        stack.enter_context(FileLock(out / ".lock", timeout=0))
    except Timeout as error:
        raise InputError(
            f"{out}: another run writes into it at the moment; wait for it, or give another --out folder."
        ) from error
    except OSError as error:
        raise InputError(
            f"{out}: cannot be written ({error.strerror}); give --out a folder that you may write to."
        ) from error
    return stack
