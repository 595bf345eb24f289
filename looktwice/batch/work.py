"""Inspects one photo of a batch, whatever happens: what goes wrong stays with the photo that it happened to."""

from __future__ import annotations

import errno
import json
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from looktwice.batch.job import Job, Outcome
from looktwice.batch.journal import file_digest
from looktwice.batch.naming import shown_name
from looktwice.batch.options import Reports
from tools.errors import InputError, LookTwiceError

if TYPE_CHECKING:
    from agent import InspectionReport, Inspector, Product
    from tools.types import Sample

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

    job: Job
    digest: str | None
    sample: Sample | None
    refusal: Outcome | None
    seconds: float


def decode(job: Job) -> Decoded:
    """Reads a photo; what is wrong with it becomes its outcome."""
    from tools.images import load_sample

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


def inspect_decoded(inspector: Inspector, work: Work, decoded: Decoded) -> InspectionReport | Outcome:
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


def keep(report: InspectionReport, work: Work, decoded: Decoded) -> Outcome:
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
    return Outcome(job, "inspected", decoded.digest, report=values, seconds=seconds)


def save_whole(report: InspectionReport, folder: Path) -> None:
    """Writes a report's folder under another name and then gives it its own, so that no half of one is ever seen.

    Raises:
        InputError: it cannot be written, or what bears its name is not a report of this program.
    """
    from agent.telling.folder import remove_report, replaceable

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


def failure(job: Job, digest: str | None, error: BaseException) -> Outcome:
    """The outcome of a photo on which something broke."""
    if isinstance(error, LookTwiceError):
        said = str(error)
    else:
        found = " ".join(str(error).split())[:200]
        what = f"{type(error).__name__}: {found}" if found else type(error).__name__
        said = f"{job.path}: was not inspected ({what}); the others go on, and calling again tries it again."
    detail = "".join(traceback.format_exception(error))
    return Outcome(job, "failed", digest, error=said, detail=detail)


def _unread(job: Job, digest: str | None, error: Exception) -> Outcome:
    """Refused for its content where its bytes could be read; otherwise it may be there the next time."""
    from tools.images import load_sample

    if digest is None and not isinstance(error, InputError):
        try:
            load_sample(job.path)
        except InputError as said:
            return Outcome(job, "failed", None, error=str(said))
        except Exception as said:
            return failure(job, None, said)
        return failure(job, None, error)
    if not isinstance(error, InputError):
        return failure(job, digest, error)
    return Outcome(job, "failed" if digest is None else "refused", digest, error=str(error))


def _is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is a disk or a quota that is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__
    return False


def _make_room() -> None:
    """Gives back what a failed inspection held, so that running out of memory does not repeat with the next photo."""
    import gc
    import sys

    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
