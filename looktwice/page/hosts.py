"""Which names a page answers to, so that a page elsewhere cannot use a visitor's browser to reach it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
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
