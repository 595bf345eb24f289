"""Inspects one photo of a batch and keeps its report; photo after photo in this process, decoding ahead."""

from __future__ import annotations

import errno
import gc
import json
import os
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from agent.report.files import remove_report, replaceable
from looktwice.batch.records import InspectionJob, PhotoOutcome, Reports, file_digest, shown_name
from tools.errors import InputError, LookTwiceError
from tools.images import load_sample

if TYPE_CHECKING:
    from agent import InspectionReport, Inspector, Product
    from tools.types import Sample

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


class Runner(Protocol):
    """One way of inspecting many photos."""

    @property
    def room(self) -> int:
        """How many more jobs it takes now; so no more is read ahead than can be used soon."""
        ...

    @property
    def pending(self) -> int:
        """Jobs taken whose outcome has not been given."""
        ...

    def submit(self, job: InspectionJob) -> None:
        """Takes a job; returns at once."""
        ...

    def collect(self, seconds: float) -> list[PhotoOutcome]:
        """The outcomes that are there, waiting for one for about so many seconds at most."""
        ...

    def drop(self) -> None:
        """Gives up the jobs that were not begun; those begun still have their outcome."""
        ...

    def close(self) -> None:
        """Ends threads and processes."""
        ...


_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
"""Error numbers of a full disk and of a used-up quota."""
Opener = Callable[[], "Inspector"]
"""Makes an inspector; it travels to worker processes, so it is a function of a module, or a partial of a class."""


@dataclass(frozen=True, eq=False)
class Work:
    """Everything that inspecting a photo of this run needs, apart from the photo."""

    open: Opener
    product: Product | None
    normal: str
    question: str
    out: Path
    reports: Reports = "all"


@dataclass(frozen=True, eq=False)
class Decoded:
    """A photo that is read and waits for its turn, or why it could not be read."""

    job: InspectionJob
    digest: str | None
    sample: Sample | None
    refusal: PhotoOutcome | None
    seconds: float


def decode(job: InspectionJob) -> Decoded:
    """Reads a photo; what is wrong with it becomes its outcome."""
    start = time.perf_counter()
    digest = None
    try:
        if job.path.is_file():  # reading a pipe or a device might never end
            digest = file_digest(job.path)
        sample = replace(load_sample(job.path), path=Path(shown_name(str(job.path))))
    except (InputError, OSError, ValueError) as error:
        refusal = _unread(job, digest, error)
        return Decoded(job, digest, None, refusal, time.perf_counter() - start)
    except Exception as error:  # a photo may break a decoder in ways that nobody foresaw
        refusal = failure(job, digest, error)
        return Decoded(job, digest, None, refusal, time.perf_counter() - start)
    return Decoded(job, digest, sample, None, time.perf_counter() - start)


def inspect_decoded(inspector: Inspector, work: Work, decoded: Decoded) -> InspectionReport | PhotoOutcome:
    """The report on a photo, or the outcome of one that failed."""
    if decoded.refusal is not None:
        return decoded.refusal
    if decoded.sample is None:
        raise RuntimeError("a decoded photo has either its pixels or its refusal")
    try:
        return inspector.inspect(decoded.sample, product=work.product, normal=work.normal, question=work.question)
    except Exception as error:  # a fault of a model or a tool is this photo's alone
        _make_room()
        return failure(decoded.job, decoded.digest, error)


def keep(report: InspectionReport, work: Work, decoded: Decoded) -> PhotoOutcome:
    """Writes a report's folder, and gives what its line will hold."""
    start = time.perf_counter()
    wanted = work.reports == "all" or (work.reports == "anomalous" and report.verdict.anomalous)
    job = decoded.job if wanted else replace(decoded.job, folder=None)
    if job.folder is not None:
        try:
            save_whole(report, work.out / job.folder)
        except Exception as error:  # a picture that cannot be drawn is this photo's alone
            return replace(failure(job, decoded.digest, error), disk_full=_is_disk_full(error))
    seconds = {"decode": decoded.seconds, **{k: v for k, v in report.seconds.items() if k != "total"}}
    seconds["write"] = time.perf_counter() - start
    values: dict[str, Any] = json.loads(report.to_json())
    values["models"] = dict(sorted(values["models"].items()))  # rather than in the order of loading
    return PhotoOutcome(job, "inspected", decoded.digest, report=values, seconds=seconds)


def save_whole(report: InspectionReport, folder: Path) -> None:
    """Writes a report's folder under another name and then gives it its own, so that no half of one is ever seen.

    Raises:
        InputError: it cannot be written, or what bears its name is not a report of this program.
    """
    part = folder.with_name(f".{folder.name}.part")
    try:
        for place in (part, folder):
            if os.path.lexists(place) and not replaceable(place):
                raise InputError(f"{place}: is not a report of this program and stays; move it, or give another --out.")
        remove_report(part)
        part.mkdir()
        report.save(part)
        remove_report(folder)
        part.replace(folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); make room, and call again.") from error
    finally:
        remove_report(part)


def failure(job: InspectionJob, digest: str | None, error: BaseException) -> PhotoOutcome:
    """The outcome of a photo on which something broke."""
    if isinstance(error, LookTwiceError):
        said = str(error)
    else:
        found = " ".join(str(error).split())[:200]
        what = f"{type(error).__name__}: {found}" if found else type(error).__name__
        said = f"{job.path}: was not inspected ({what}); the others go on, and calling again tries it again."
    detail = "".join(traceback.format_exception(error))
    return PhotoOutcome(job, "failed", digest, error=said, detail=detail)


def _unread(job: InspectionJob, digest: str | None, error: Exception) -> PhotoOutcome:
    """Refused for its content where its bytes could be read; otherwise it may be there the next time."""
    if digest is None and not isinstance(error, InputError):
        try:
            load_sample(job.path)
        except InputError as said:
            return PhotoOutcome(job, "failed", None, error=str(said))
        except Exception as said:
            return failure(job, None, said)
        return failure(job, None, error)
    if not isinstance(error, InputError):
        return failure(job, digest, error)
    return PhotoOutcome(job, "failed" if digest is None else "refused", digest, error=str(error))


def _is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is a disk or a quota that is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__
    return False


def _make_room() -> None:
    """Gives back what a failed inspection held, so that running out of memory does not repeat with the next photo."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


AHEAD = 3
"""Photos decoded before their turn."""
BEHIND = 2
"""Reports that may wait to be written; then inspecting waits for the disk."""


class SerialRunner:
    """One inspector, for a GPU or for few photos."""

    def __init__(self, inspector: Inspector, work: Work, *, ahead: int = AHEAD) -> None:
        """Takes an inspector that the caller has opened already."""
        inspector.warm()
        self._inspector, self._work, self._ahead = inspector, work, ahead
        self._readers = ThreadPoolExecutor(min(2, ahead), thread_name_prefix="decode")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._decoding: deque[Future[Decoded]] = deque()
        self._writing: deque[Future[PhotoOutcome]] = deque()

    @property
    def room(self) -> int:
        """How many more photos may be decoded ahead."""
        return 1 + self._ahead - len(self._decoding)

    @property
    def pending(self) -> int:
        """Photos being decoded or written."""
        return len(self._decoding) + len(self._writing)

    def submit(self, job: InspectionJob) -> None:
        """Begins to decode a photo."""
        self._decoding.append(self._readers.submit(decode, job))

    def collect(self, seconds: float) -> list[PhotoOutcome]:
        """Inspects the next photo that is decoded, and gives those that are written."""
        outcomes: list[PhotoOutcome] = []
        if self._decoding:
            wait([self._decoding[0]], timeout=seconds)
            if self._decoding[0].done():
                decoded = self._decoding.popleft().result()
                found = inspect_decoded(self._inspector, self._work, decoded)
                if isinstance(found, PhotoOutcome):
                    outcomes.append(found)
                else:
                    self._writing.append(self._writer.submit(keep, found, self._work, decoded))
        elif self._writing:
            wait([self._writing[0]], timeout=seconds)
        while self._writing and (self._writing[0].done() or len(self._writing) > BEHIND):
            outcomes.append(self._writing.popleft().result())
        return outcomes

    def drop(self) -> None:
        """Forgets the photos that were decoded ahead."""
        while self._decoding:
            self._decoding.pop().cancel()

    def close(self) -> None:
        """Waits for the threads."""
        self._readers.shutdown(cancel_futures=True)
        self._writer.shutdown()
