"""The options and records of a batch: jobs, outcomes, the journal on disk, and names that are safe to print."""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer
from pydantic import BaseModel, ConfigDict, ValidationError

from agent.report.files import replaceable
from agent.report.model import VerdictOut
from tools.display_text import display_text
from tools.errors import InputError
from tools.files import cut_torn_line, is_device_name

_TAKEN = frozenset({"results.jsonl", "failures.jsonl", "manifest.json", "product.yaml", "log.jsonl"})
"""What a run writes beside the reports."""
_LONGEST = 120
"""Characters of a report folder's name that come from the photo."""
_DIGEST = re.compile(r"~[0-9a-f]{8}\Z")
"""How a name ends that has escapes in it, before its suffix."""


def shown_name(name: str) -> str:
    r"""Return a file name or path for results, on one line; two different ones are never shown alike.

    A name with bytes or characters that must be escaped ends in a short digest of the name itself, and so does a name
    that ends like that already.

    >>> print(shown_name("part.png"), shown_name("\udcff.png"), shown_name("\\xff.png"))
    part.png \xff~1fee893c.png \xff.png
    """
    try:
        known = name.encode("utf-8", "surrogateescape").decode("utf-8")  # as read in another locale
    except UnicodeError:
        known = name
    shown = display_text(known)
    stem, suffix = os.path.splitext(shown)  # noqa: PTH122  # a Path would drop a leading "./"
    if shown == known and not _DIGEST.search(stem):
        return shown
    digest = hashlib.sha256(known.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{stem}~{digest}{suffix}"


HEAD = 10_000
"""Characters at the start of a report in which it names its photo."""


class Names:
    """Folder names for reports; two photos of one name get two folders, and none leads out of the output folder.

    Names differ in more than case, and none means a device on Windows, so that the folder can be copied to any system.
    A name is passed over where something in the output folder bears it that is not a report of this program.
    """

    def __init__(self, taken: set[str], out: Path | None = None) -> None:
        """Starts from the names that earlier results have.

        Args:
            taken: names that are not given again.
            out: the output folder; None gives names for a new one.
        """
        self._taken, self._out = {_alike(name) for name in (*taken, *_TAKEN)}, out

    def fresh(self, photo: Path, image: str | None = None) -> str:
        """A name not given before, made of the photo's own.

        Args:
            photo: its file.
            image: what its report calls it; a folder with a report on another photo is then passed over.

        >>> names = Names(set())
        >>> [names.fresh(Path(photo)) for photo in ("a/part.png", "b/part.png", "Part.png", "a/...png", "CON.png")]
        ['part', 'part-2', 'Part-3', '_', '_CON']
        """
        stem = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in photo.stem)
        stem = stem.lstrip(".").encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore").rstrip(". ") or "_"
        if is_device_name(stem):
            stem = f"_{stem}"
        name, n = stem, 1
        while _alike(name) in self._taken or self._is_foreign(name) or self._is_of_another(name, image):
            n += 1
            name = f"{stem}-{n}"
        self._taken.add(_alike(name))
        return name

    def _is_of_another(self, name: str, image: str | None) -> bool:
        """Whether a report on another photo lies in the folder of that name."""
        if image is None or self._out is None:
            return False
        try:
            with (self._out / name / "report.json").open(encoding="utf-8", errors="replace") as stream:
                found = re.search(r'"image": ("(?:[^"\\\\]|\\\\.)*")', stream.read(HEAD))
            return found is not None and json.loads(found[1]) != image
        except (OSError, ValueError):
            return False

    def _is_foreign(self, name: str) -> bool:
        """Whether something bears the name that may not be replaced."""
        path = None if self._out is None else self._out / name
        return path is not None and os.path.lexists(path) and not replaceable(path)


def _alike(name: str) -> str:
    """What is the same for two names that some file system takes for one."""
    return unicodedata.normalize("NFC", name).casefold()


Reports = Literal["all", "anomalous", "none"]
"""Of which photos a report's folder is written, beside the line that each photo has."""


@dataclass(frozen=True)
class BatchOptions:
    """What the command line says of a batch."""

    workers: Annotated[
        int | None, typer.Option(help="Processes of a batch with --out; by default as many as the machine bears.")
    ] = None
    reports: Annotated[
        Reports,
        typer.Option(help="Of a batch: which photos get a report's folder beside their line of results.jsonl."),
    ] = "all"
    watch: Annotated[bool, typer.Option("--watch", help="Go on with photos that come into the folders.")] = False
    every: Annotated[float, typer.Option(help="Seconds between two looks of --watch.")] = 2.0
    idle: Annotated[float | None, typer.Option(help="End --watch after so many seconds without a new photo.")] = None
    patience: Annotated[float, typer.Option(help="Seconds that one photo may take in a process of a batch.")] = 600.0
    ray: Annotated[str | None, typer.Option(help="Inspect a batch on a Ray cluster: its address, or local.")] = None
    metrics_port: Annotated[int | None, typer.Option(help="Serve a batch's counters for Prometheus here.")] = None
    spans: Annotated[
        bool, typer.Option("--spans", help="Send a batch's OpenTelemetry spans, where the OTEL_* variables say.")
    ] = False

    @property
    def asked(self) -> bool:
        """Whether any of them asks for a batch, however many photos there are."""
        return self != BatchOptions()


Status = Literal["inspected", "refused", "failed"]
"""Inspected; refused for what the file holds; or failed for another reason, and tried again when the run resumes."""


@dataclass(frozen=True)
class InspectionJob:
    """One photo to inspect."""

    path: Path
    name: str
    """How results call it: its path below the folder that was named, or as it was named."""
    folder: str | None
    """Name of its report's folder inside the output folder; None where only the line is kept."""
    tries: int = 0
    """How often a process ended while it inspected this photo."""


@dataclass(frozen=True)
class PhotoOutcome:
    """What became of one photo; small, so that it can travel between processes."""

    job: InspectionJob
    status: Status
    digest: str | None
    """SHA-256 (hex) of the file's bytes; None where they could not be read."""
    report: dict[str, Any] | None = None
    """The report as JSON values, of an inspected photo."""
    error: str | None = None
    """One sentence, of a photo that was not inspected."""
    detail: str = ""
    """A traceback for the log."""
    disk_full: bool = False
    """Whether the report could not be written for want of room, which every other photo would meet as well."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By stage: decode, the steps of the inspection, write."""


class ResultLine(BaseModel):
    """One line of results.jsonl (inspected and refused) or failures.jsonl (failed)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    digest: str | None
    status: Status
    folder: str | None
    error: str | None
    seconds: dict[str, float]
    report: dict[str, Any] | None

    @classmethod
    def of(cls, outcome: PhotoOutcome) -> ResultLine:
        """The line of an outcome."""
        return cls(
            file=display_text(outcome.job.name),
            digest=outcome.digest,
            status=outcome.status,
            folder=outcome.job.folder if outcome.status == "inspected" else None,
            error=display_text(outcome.error) if outcome.error is not None else None,
            seconds={stage: round(value, 4) for stage, value in outcome.seconds.items()},
            report=outcome.report,
        )


RESULTS = "results.jsonl"
FAILURES = "failures.jsonl"


Kind = Literal["good", "unchecked", "unsure", "anomalous", "refused", "failed"]
"""What a photo was found to be, as far as counting goes; "unchecked" is good, but not fully checked."""
KINDS: tuple[Kind, ...] = get_args(Kind)


def kind_of(status: Status, report: dict[str, Any] | None) -> Kind:
    """What an outcome or line counts as."""
    if status != "inspected" or report is None:
        return "failed" if status == "failed" else "refused"
    return verdict_kind(VerdictOut.model_validate(report["verdict"]))


def verdict_kind(verdict: VerdictOut) -> Kind:
    """What the photo of a verdict counts as."""
    return "unchecked" if verdict.word == "good" and verdict.unchecked else verdict.word


def exit_status(photos: Mapping[Kind, int]) -> int:
    """Exit status of an inspection of several photos.

    2 where a photo was not inspected; else 1 where one is anomalous, 3 where one is undecided or good but not fully
    checked, and 0 where all are good.

    Args:
        photos: how many were found to be what.

    >>> exit_status({"good": 5}), exit_status({"good": 5, "unsure": 1}), exit_status({"anomalous": 1, "unsure": 1})
    (0, 3, 1)
    """
    if photos.get("refused") or photos.get("failed"):
        return 2
    if photos.get("anomalous"):
        return 1
    return 3 if photos.get("unsure") or photos.get("unchecked") else 0


def count_in_words(photos: Mapping[Kind, int]) -> str:
    """How many photos were inspected, and how many of them were not found good.

    >>> count_in_words({"good": 2, "anomalous": 1, "unsure": 1})
    '4 inspected, 1 anomalous, 1 undecided or not fully checked'
    """
    inspected = sum(photos.get(kind, 0) for kind in ("good", "unchecked", "unsure", "anomalous"))
    undecided = photos.get("unsure", 0) + photos.get("unchecked", 0)
    said = f"{inspected} inspected, {photos.get('anomalous', 0)} anomalous"
    return said + (f", {undecided} undecided or not fully checked" if undecided else "")


class Journal:
    """Appends lines to one file; after a kill at any moment it holds whole lines only.

    A line is one write followed by a flush to the disk; where the disk takes but a part of it, that part is cut off.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file for appending and cuts off a last line that a kill has torn.

        Raises:
            InputError: it cannot be written.
        """
        self.path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        except OSError as error:
            raise InputError(
                f"{path}: cannot be written ({error.strerror}); give --out a folder that you may write to."
            ) from error
        self._end = cut_torn_line(self._file)

    def append(self, line: ResultLine) -> None:
        """Writes one line, whole.

        Raises:
            InputError: the file was removed or replaced since it was opened.
            OSError: the disk is full or gone; the file then is as it was before.
        """
        self.check()
        whole = (line.model_dump_json() + "\n").encode("utf-8", errors="backslashreplace")
        os.lseek(self._file, self._end, os.SEEK_SET)
        try:
            rest = memoryview(whole)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self._end)
            raise
        self._end += len(whole)

    def check(self) -> None:
        """Prove that the open file still is the one at its path.

        Raises:
            InputError: it, or a folder above it, was removed or replaced, so what is written would be lost.
        """
        try:
            kept = os.path.samestat(os.fstat(self._file), self.path.stat())
        except OSError:
            kept = False
        if not kept:
            raise InputError(
                f"{self.path}: was removed or replaced while the run wrote its results to it, so they are lost; leave "
                "the --out folder in place, and call again."
            )

    def lines(self) -> Iterator[ResultLine]:
        """What has been written, one line at a time.

        Raises:
            InputError: a line is none of ours.
        """
        with self.path.open("rb") as stream:
            for number, text in enumerate(stream, 1):
                try:
                    yield ResultLine.model_validate_json(text)
                except ValidationError as error:
                    found = error.errors()[0]["msg"]
                    raise InputError(
                        f"{self.path}: line {number} is not a result of a batch ({found}); mend or delete the line, or "
                        "give another --out folder."
                    ) from error

    def clear(self) -> None:
        """Forgets all lines."""
        os.ftruncate(self._file, 0)
        self._end = 0

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)


class FinishedPhotos:
    """Which photos have their line; a fixed number of bytes for each, whatever the line's length."""

    def __init__(self) -> None:
        self._lines: dict[bytes, Kind] = {}
        self._names: set[bytes] = set()
        self.folders: set[str] = set()
        """Names of report folders that are taken."""

    def add(self, line: ResultLine) -> None:
        """Takes a line as done."""
        if line.digest is None:
            return
        self._lines[_key(line.file, line.digest)] = kind_of(line.status, line.report)
        self._names.add(_key(line.file))
        if line.folder is not None:
            self.folders.add(line.folder)

    def has_name(self, name: str) -> bool:
        """Whether any content was inspected under this name: only then a file's digest is worth computing."""
        return _key(name) in self._names

    def kind(self, name: str, digest: str) -> Kind | None:
        """What this photo with this content was found to be; None where it is not done."""
        return self._lines.get(_key(name, digest))

    def __len__(self) -> int:
        return len(self._lines)


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _key(*parts: str) -> bytes:
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).digest()
