"""Who owns what on the page: files belong to the visitors who were given them, sessions to whoever used them first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MOST_FILES = 20_000
"""Files whose owners are remembered; the file that was named longest ago is forgotten, and then served to nobody."""
MOST_SESSIONS = 20_000
"""Sessions and events whose owners are remembered."""
LONGEST_SESSION = 200
"""Characters of the id of a session or event."""


class Owners:
    """Owners of the files in the upload folder, and of sessions; a visitor is a string that only the page makes."""

    def __init__(self, folder: Path) -> None:
        """Remember nothing yet.

        Args:
            folder: Gradio's upload folder, which also holds its copies of what a session was given.
        """
        self._folder = folder.resolve()
        self._files: OrderedDict[Path, set[str]] = OrderedDict()
        self._sessions: OrderedDict[str, str] = OrderedDict()

    def add_file(self, path: str, visitor: str) -> None:
        """Note that a visitor sent or was given a file; a file outside of the upload folder is never noted."""
        real = _resolved(path)
        if real is None or self._folder not in real.parents:
            return
        self._files.setdefault(real, set()).add(visitor)
        self._files.move_to_end(real)
        if len(self._files) > MOST_FILES:
            self._files.popitem(last=False)

    def has_file(self, path: str, visitor: str) -> bool:
        """Whether a path, however it is written, leads to a file of this visitor."""
        real = _resolved(path)
        return real is not None and visitor in self._files.get(real, ())

    def take_session(self, name: str, visitor: str) -> bool:
        """Whether a session or event is this visitor's; a new one becomes this visitor's."""
        if len(name) > LONGEST_SESSION:
            return False
        owner = self._sessions.setdefault(name, visitor)
        self._sessions.move_to_end(name)
        if len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return owner == visitor


def file_fields(data: Any) -> Iterator[str]:
    """Every field `path` of a request's body: Gradio takes each for a file."""
    waiting = [data]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if isinstance(item.get("path"), str):
                yield item["path"]
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def given_files(data: Any) -> Iterator[str]:
    """Paths of the files that a message of Gradio's hands to a visitor."""
    waiting = [data]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            meta = item.get("meta")
            if isinstance(meta, dict) and meta.get("_type") == "gradio.FileData" and isinstance(item.get("path"), str):
                yield item["path"]
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _resolved(path: str) -> Path | None:
    """The path without links, dots and doubled slashes, or None where no file can have it."""
    try:
        return Path(path).resolve()
    except (OSError, RuntimeError, ValueError):
        return None
