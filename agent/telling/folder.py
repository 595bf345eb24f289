"""Which folders are reports that this program wrote: only those are replaced, and only its own files are removed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tools.errors import InputError

MARKER = ".looktwice-report"
"""A file that says that a report was written into its folder."""
REPORT_FILES = ("report.json", "report.html", "overlay.png")
_WRITTEN = frozenset({MARKER, *REPORT_FILES})
_MARKS = frozenset({MARKER, "report.json"})
"""One of these is in every report's folder."""


def replaceable(folder: Path) -> bool:
    """Whether a folder can be removed without loss: it is empty, or a report and nothing else.

    A report that an earlier version wrote has no marker; it counts where it holds report.json and no foreign name.
    """
    try:
        if folder.is_symlink() or not folder.is_dir():
            return False
        with os.scandir(folder) as entries:
            found = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
    except OSError:
        return False
    return not found or (found.keys() <= _WRITTEN and not any(found.values()) and not found.keys().isdisjoint(_MARKS))


def remove_report(folder: Path) -> bool:
    """Remove a report's folder if it is replaceable; whether nothing bears its name afterwards.

    Each file is removed by its name, so a foreign file that comes meanwhile keeps the folder.
    """
    if replaceable(folder):
        with contextlib.suppress(OSError):
            for name in _WRITTEN:
                (folder / name).unlink(missing_ok=True)
            folder.rmdir()
    return not os.path.lexists(folder)


def open_report(folder: Path) -> None:
    """Make a folder ready for a report: mark it, and remove the files of the report that it holds.

    Raises:
        InputError: it holds a file of a report's name that this program did not write.
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / MARKER
    there = [name for name in REPORT_FILES if os.path.lexists(folder / name)]
    if there and not marker.is_file() and not replaceable(folder):
        raise InputError(
            f"{folder / there[0]}: stands in a folder that is not a report of this program; give a folder without it."
        )
    for name in there:
        (folder / name).unlink()
    if not os.path.lexists(marker):
        marker.touch()
