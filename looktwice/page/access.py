"""Which host names the page answers to, and who owns which file and session."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Hosts:
    """The accepted values of the headers Host and Origin.

    A page that any name reaches is open to DNS rebinding: a foreign page lets its own name lead to this machine, and
    the browser then takes both for one site.
    """

    listening: str = "127.0.0.1"
    """The address that the page listens on."""
    allowed: frozenset[str] = field(default_factory=frozenset)
    """Further names, in lower case."""

    def accepts(self, header: str) -> bool:
        """Whether the page answers to the value of a Host header.

        >>> Hosts().accepts("localhost:7860"), Hosts().accepts("evil.example:7860"), Hosts().accepts("192.168.1.5")
        (True, False, False)
        >>> Hosts("0.0.0.0").accepts("192.168.1.5:7860"), Hosts("0.0.0.0").accepts("evil.example")
        (True, False)
        """
        parts = _split(f"//{header}")
        name = parts.hostname if parts is not None else None
        if parts is None or not name or parts.username is not None or parts.path or parts.query or parts.fragment:
            return False
        if name in self.allowed or name in ("localhost", self.listening.lower()):
            return True
        address = _address(name)
        return address is not None and (address.is_loopback or self._everywhere)

    def accepts_origin(self, origin: str, host: str) -> bool:
        """Whether a request that came from a page of some origin may reach this one under a host.

        >>> [Hosts().accepts_origin(f"http://localhost:{port}", "localhost:7860") for port in (7860, 3000)]
        [True, False]
        >>> Hosts().accepts_origin("null", "localhost:7860")
        False
        """
        there, here = _split(origin), _split(f"//{host}")
        if there is None or here is None or there.scheme not in _PORTS or not there.hostname:
            return False
        if there.hostname in self.allowed:
            return True
        usual = _PORTS[there.scheme]
        return (there.hostname, there.port or usual) == (here.hostname, here.port or usual)

    @property
    def _everywhere(self) -> bool:
        address = _address(self.listening)
        return address is not None and address.is_unspecified


def _split(url: str) -> SplitResult | None:
    """The parts of an address, or None where it is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


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
