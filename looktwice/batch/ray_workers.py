"""Inspects photos on a Ray cluster: Ray Data maps the same inspector, one an actor, over the list of photos.

Reading the list, placing the actors, and repeating what a lost machine had in hand are Ray's; the lines are written
here, one process for all, as in any other batch. Photos and the output folder lie on a drive that all machines share.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import queue
import re
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from looktwice.batch.records import InspectionJob, PhotoOutcome
from looktwice.batch.workers import KEEP_FREED, Work, decode, inspect_decoded, keep
from tools.errors import InputError

if TYPE_CHECKING:
    from agent import Inspector

LOCAL = "local"
"""An address that starts a cluster on this machine alone."""
BLOCK = 1024
"""Photos a worker of one data set; with the next one each worker loads its models again."""
TRIES = 2
"""A photo on which so many workers ended is given up; Ray alone would repeat it for ever."""
MARKS = ".tries"
STOP = "stop"
"""A mark that a run is to stop: workers pass over the photos that they have not begun."""
BATCH = 4
"""Photos that an actor takes at a time: what a lost machine costs."""


class RayRunner:
    """Gathers jobs into blocks and maps the inspector over each block; a lost actor's photos go to another one."""

    def __init__(self, work: Work, *, address: str, workers: int) -> None:
        """Connects to a cluster.

        Args:
            work: sent to each actor once.
            address: of the cluster ("auto", "HOST:PORT", "ray://HOST:10001"), or "local".
            workers: actors, each with a GPU where the cluster has one for each, and a core otherwise.

        Raises:
            InputError: Ray is not installed, or there is no such cluster.
        """
        try:
            import ray
        except ImportError as error:
            raise InputError("--ray needs Ray; install it by `pip install 'looktwice[ray]'`.") from error
        try:
            if not ray.is_initialized():
                keep = {"env_vars": KEEP_FREED}
                ray.init(None if address == LOCAL else address, log_to_driver=False, runtime_env=keep)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise InputError(
                f"--ray {address}: no cluster answers there ({error}); give auto, HOST:PORT, or local."
            ) from error
        _remove_marks(work.out)
        try:
            (work.out / MARKS).mkdir()
        except OSError as error:
            raise InputError(
                f"{work.out / MARKS}: cannot be made new ({error.strerror}); move it, or give another --out folder."
            ) from error
        self._out = work.out
        self._work = ray.put(work)
        self._workers = workers
        self._gpus = 1 if ray.cluster_resources().get("GPU", 0) >= workers else 0
        self._jobs: list[InspectionJob] = []
        self._taken = 0
        self._outcomes: queue.Queue[PhotoOutcome | Exception | None] = queue.Queue()
        self._mapping: threading.Thread | None = None

    @property
    def room(self) -> int:
        """How many more photos the next block takes."""
        return BLOCK * self._workers - len(self._jobs)

    @property
    def pending(self) -> int:
        """Photos in the block being mapped, and in the next one."""
        return self._taken + len(self._jobs)

    def submit(self, job: InspectionJob) -> None:
        """Puts a photo into the next block."""
        self._jobs.append(job)

    def collect(self, seconds: float) -> list[PhotoOutcome]:
        """The outcomes of the block being mapped; begins the next block when it is done."""
        if not self._taken and self._jobs:
            block, self._jobs = self._jobs, []
            self._taken = len(block)
            self._mapping = threading.Thread(target=self._map, args=(block,), daemon=True)
            self._mapping.start()
        found: list[PhotoOutcome] = []
        try:
            while True:
                outcome = self._outcomes.get(timeout=seconds if not found else 0)
                if isinstance(outcome, Exception):
                    raise InputError(
                        f"the Ray cluster gave up ({_last_line(outcome)}); what was finished is kept, call again."
                    ) from outcome
                self._taken -= 1
                if outcome is not None:
                    found.append(outcome)
        except queue.Empty:
            return found

    def drop(self) -> None:
        """Forgets the photos of the next block, and has workers pass over those that they have not begun."""
        self._jobs.clear()
        (self._out / MARKS / STOP).touch()

    def close(self) -> None:
        """Waits for the block being mapped; the cluster stays as it was found."""
        if self._mapping is not None:
            self._mapping.join(timeout=5)
        _remove_marks(self._out)

    def _map(self, block: list[InspectionJob]) -> None:
        """Maps a block; runs beside the main thread, which writes lines."""
        import ray.data

        try:
            rows = [{"job": json.dumps([str(job.path), job.name, job.folder])} for job in block]
            data = ray.data.from_items(rows, override_num_blocks=max(1, len(rows) // BATCH))
            mapped = data.map_batches(
                _Actor,
                fn_constructor_args=(self._work,),
                batch_size=BATCH,
                num_cpus=1,
                num_gpus=self._gpus,
                compute=ray.data.ActorPoolStrategy(size=self._workers),  # a lost actor's batch is repeated
            )
            for row in mapped.iter_rows():
                values = json.loads(row["outcome"])
                self._outcomes.put(None if values is None else _outcome(values))
        except Exception as error:  # the main thread tells it
            self._outcomes.put(error)


class _Actor:
    """An inspector on some machine of the cluster."""

    def __init__(self, work: Any) -> None:
        import ray

        self._work: Work = ray.get(work)
        self._inspector: Inspector = self._work.open()
        self._inspector.warm()

    def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
        """The outcomes of some jobs; none of a job that was not begun when the run was stopped."""
        found = [self._one(_job(json.loads(job))) for job in rows["job"]]
        return {"outcome": [json.dumps(asdict(one) if one is not None else None, default=str) for one in found]}

    def _one(self, job: InspectionJob) -> PhotoOutcome | None:
        if (self._work.out / MARKS / STOP).exists():
            return None
        mark = _mark(self._work.out, job)
        if _tried(mark) >= TRIES:
            return _given_up(job)
        with mark.open("ab") as stream:
            stream.write(b".")
        try:
            return self._inspected(job)
        finally:
            mark.unlink(missing_ok=True)

    def _inspected(self, job: InspectionJob) -> PhotoOutcome:
        decoded = decode(job)
        found = inspect_decoded(self._inspector, self._work, decoded)
        return found if isinstance(found, PhotoOutcome) else keep(found, self._work, decoded)


def _mark(out: Path, job: InspectionJob) -> Path:
    """The file that stands while a photo is inspected: it outlives a worker that the photo ends."""
    return out / MARKS / hashlib.sha256(job.name.encode()).hexdigest()[:32]


def _remove_marks(out: Path) -> None:
    """Removes the marks of a run and their folder; a foreign file in it, or a link of its name, stays."""
    folder = out / MARKS
    if folder.is_symlink() or not folder.is_dir():
        return
    with contextlib.suppress(OSError):
        for mark in folder.iterdir():
            if mark.name == STOP or re.fullmatch(r"[0-9a-f]{32}", mark.name):
                mark.unlink()
        folder.rmdir()


def _tried(mark: Path) -> int:
    """How many workers ended while they inspected a photo."""
    return mark.stat().st_size if mark.exists() else 0


def _given_up(job: InspectionJob) -> PhotoOutcome:
    said = (
        f"{job.path}: {TRIES} workers ended while they inspected it (often want of memory); the others go on; look at "
        "it, or give each worker more memory."
    )
    return PhotoOutcome(job, "failed", None, error=said)


def _last_line(error: Exception) -> str:
    """What ended an actor: Ray's messages hold a whole traceback, whose last line says it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" ^~")]
    return lines[-1][:200] if lines else type(error).__name__


def _job(values: list[Any]) -> InspectionJob:
    """A job as it travels: path, name and folder, in JSON."""
    path, name, folder = values
    return InspectionJob(Path(path), name, folder)


def _outcome(values: dict[str, Any]) -> PhotoOutcome:
    """An outcome as it travels: its fields, in JSON."""
    job = values.pop("job")
    return PhotoOutcome(job=_job([job["path"], job["name"], job["folder"]]), **values)
