"""Which photos a run is about: those of the files and folders that were named, once, or as long as they come."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from looktwice.batch.records import shown_name
from tools.errors import InputError
from tools.image_files import ACCEPTED, walk_images


@dataclass(frozen=True)
class ListedPhoto:
    """A photo and what results call it."""

    path: Path
    name: str


def listed(inputs: Sequence[Path], out: Path | None) -> Iterator[ListedPhoto]:
    """Photos of the inputs in order, one at a time; nothing of the output folder.

    A folder that is named alone gives names below it, so that a run goes on where the folder was moved. One of several
    that cannot be read, or holds no photos, is given itself: it is refused as a photo would be, and the others go on.

    Raises:
        InputError: the only folder cannot be read, or holds no photos.
    """
    for path in inputs:
        if not os.path.isdir(path):  # noqa: PTH112  # a Path raises where a name is too long
            yield ListedPhoto(path, shown_name(str(path)))
            continue
        empty = True
        try:
            for photo in walk_images(path, leave_out=out):
                empty = False
                yield ListedPhoto(
                    photo, shown_name(photo.relative_to(path).as_posix() if len(inputs) == 1 else str(photo))
                )
        except InputError:
            if len(inputs) == 1:
                raise
        if empty and len(inputs) > 1:
            yield ListedPhoto(path, shown_name(str(path)))
        elif empty:
            raise InputError(
                f"{path}: holds no photos, nor do its subfolders; accepted are {ACCEPTED}; name the folder with them, "
                "or wait for them with --watch."
            )


class Watch:
    """Photos of folders as they come: each once, and again whenever its file has changed.

    A photo counts as there when its size and time were the same at two looks in turn, so that none is read while it is
    still being written. Looking is done by listing, which works on network drives as well.
    """

    def __init__(self, folders: Sequence[Path], out: Path, *, every: float, clock: Callable[[], float]) -> None:
        """Prepares to look.

        Args:
            folders: where photos come.
            out: the output folder, left out.
            every: seconds between two looks at least.
            clock: seconds that only grow.
        """
        self._folders, self._out, self._every, self._clock = folders, out, every, clock
        self._given: dict[str, tuple[int, int]] = {}
        self._seen: dict[str, tuple[int, int]] = {}
        self._next = 0.0
        self.quiet_since = clock()
        """When the last new photo came."""

    def look(self) -> Iterator[ListedPhoto]:
        """Photos that are there since the last look; none where it was less than `every` seconds ago.

        Raises:
            InputError: a folder cannot be read.
        """
        if self._clock() < self._next:
            return
        seen: dict[str, tuple[int, int]] = {}
        for folder in self._folders:
            for photo in walk_images(folder, leave_out=self._out):
                state = _state(photo)
                if state is None:
                    continue
                key = str(photo)
                seen[key] = state
                if self._given.get(key) == state:
                    continue
                if self._seen.get(key) == state:
                    self._given[key] = state
                    self.quiet_since = self._clock()
                    name = photo.relative_to(folder).as_posix() if len(self._folders) == 1 else key
                    yield ListedPhoto(photo, shown_name(name))
                else:
                    self.quiet_since = self._clock()
        self._seen = {key: state for key, state in seen.items() if self._given.get(key) != state}
        self._given = {key: state for key, state in self._given.items() if key in seen}
        self._next = self._clock() + self._every


def _state(path: Path) -> tuple[int, int] | None:
    """(bytes, nanoseconds of the last change), or None of a file that is gone again."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def monotonic() -> float:
    """The clock of a watch."""
    return time.monotonic()
