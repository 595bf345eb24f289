"""The lines of a run on disk: appended whole or not at all, and read again when the run resumes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from looktwice.batch.job import Line, Status
from tools.errors import InputError

RESULTS = "results.jsonl"
FAILURES = "failures.jsonl"
_BLOCK = 1 << 16


Kind = Literal["good", "anomalous", "refused", "failed"]
"""What a photo was found to be, as far as counting goes."""


def kind_of(status: Status, report: dict[str, Any] | None) -> Kind:
    """What an outcome or line counts as."""
    if status != "inspected" or report is None:
        return "failed" if status == "failed" else "refused"
    return "anomalous" if report["verdict"]["anomalous"] else "good"


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
        self._end = _after_last_newline(self._file)
        os.ftruncate(self._file, self._end)

    def append(self, line: Line) -> None:
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

    def lines(self) -> Iterator[Line]:
        """What has been written, one line at a time.

        Raises:
            InputError: a line is none of ours.
        """
        with self.path.open("rb") as stream:
            for number, text in enumerate(stream, 1):
                try:
                    yield Line.model_validate_json(text)
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


class Done:
    """Which photos have their line; a fixed number of bytes for each, whatever the line's length."""

    def __init__(self) -> None:
        self._lines: dict[bytes, Kind] = {}
        self._names: set[bytes] = set()
        self.folders: set[str] = set()
        """Names of report folders that are taken."""

    def add(self, line: Line) -> None:
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


def _after_last_newline(file: int) -> int:
    """Where the last whole line of a file ends, in bytes; read from its end."""
    end = os.lseek(file, 0, os.SEEK_END)
    while end > 0:
        start = max(0, end - _BLOCK)
        os.lseek(file, start, os.SEEK_SET)
        found = os.read(file, end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
