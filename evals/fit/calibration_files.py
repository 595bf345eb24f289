"""Writes fitted entries into a profile's calibration file; all other entries and notes stay as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from tools.files import write_atomic

_FOLDER = Path(__file__).parents[2] / "agent" / "calibration"
WIDTH = 116
"""Of a line."""


def calibration_file(profile: str) -> Path:
    """The calibration file of a profile, whether it is there or not."""
    return _FOLDER / f"{profile}.yaml"


def as_yaml(entries: Mapping[str, object]) -> str:
    """Entries as calibration files write them."""
    return yaml.safe_dump(dict(entries), sort_keys=False, default_flow_style=None, width=WIDTH)


def with_entries(text: str, entries: Mapping[str, object]) -> str:
    """The text of a calibration file with these entries in place of those of the same name, or at the end.

    >>> with_entries("# A note.\\ntext: {slope: 1.0,\\n  limit: 2.0}\\nprose: true\\n", {"text": {"slope": 2.0}})
    '# A note.\\ntext: {slope: 2.0}\\nprose: true\\n'
    """
    for name, value in entries.items():
        written = as_yaml({name: value})
        # An entry ends where the next line starts that is not indented.
        found = re.search(rf"(?m)^{re.escape(name)}:.*\n(?:[ \t].*\n)*", text)
        start, end = found.span() if found else (len(text), len(text))
        text = text[:start] + written + text[end:]
    return text


def with_note(text: str, subject: str, note: str) -> str:
    """The text with the note "# SUBJECT: NOTE" in place of the one on the same subject, or after the other notes.

    >>> with_note("# Looks: old\\n# Weights: w\\nprose: true\\n", "Looks", "new")
    '# Weights: w\\n# Looks: new\\nprose: true\\n'
    """
    lines = [line for line in text.splitlines() if not line.startswith(f"# {subject}:")]
    last = max((n for n, line in enumerate(lines, start=1) if line.startswith("#")), default=0)
    return "\n".join([*lines[:last], f"# {subject}: {note}", *lines[last:]]) + "\n"


def write_entries(path: Path, entries: Mapping[str, object], subject: str, note: str) -> None:
    """Replace entries of a calibration file, with the command that fitted them as a note."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    write_atomic(path, with_note(with_entries(before, entries), subject, note))
