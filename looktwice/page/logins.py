"""Names and passwords: read from a file, compared in constant time, and guessed at only slowly."""

from __future__ import annotations

import hmac
import secrets
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from tools.display_text import display_text
from tools.errors import InputError, LookTwiceError
from tools.files import read_text

SHORTEST = 8
"""Characters of a password."""
FREE_FAILURES = 5
"""Failed logins of a name or from an address before the next one has to wait."""
LONGEST_WAIT = 60.0
"""Seconds."""
FORGOTTEN = 900.0
"""Seconds without a failure after which earlier failures of a name or address are forgotten."""
MOST_KEPT = 10_000
"""Names and addresses whose failures are remembered."""
CALLER: ContextVar[str] = ContextVar("looktwice_caller", default="unknown")
"""Address of the client whose request is answered."""
Check = Callable[[str, str], bool]


class WaitError(LookTwiceError):
    """A name or address has failed so often that the next login has to wait."""

    def __init__(self, seconds: float) -> None:
        """Take the time to wait.

        Args:
            seconds: until the next login is looked at.
        """
        self.seconds = max(1, round(seconds + 0.5))
        super().__init__(f"too many failed logins; wait {self.seconds} s and try again.")


@dataclass
class _Failures:
    count: int
    last: float


def password_check(path: Path) -> Check:
    """A check of names and passwords, read once from a file of lines `name:password`.

    Raises:
        tools.errors.InputError: the file cannot be read, others may read it, or a line has a fault.
    """
    text = read_text(path, limit=1_000_000, what="password file (lines name:password)")
    if path.stat().st_mode & 0o077:
        raise InputError(f"{path}: other users of this machine may read these passwords; run: chmod 600 {path}")
    known: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, word = line.partition(":")
        if not colon or not name.strip() or len(word.strip()) < SHORTEST:
            raise InputError(
                f"{path}: line {number}: write name:password, the password of at least {SHORTEST} characters."
            )
        known[name.strip()] = word.strip()
    if not known:
        raise InputError(f"{path}: names nobody; write a line name:password for each person.")

    def check(name: str, word: str) -> bool:
        expected = known.get(name, secrets.token_hex(16))
        given = word.encode("utf-8", "backslashreplace")
        return hmac.compare_digest(expected.encode(), given) and name in known

    return check


class Logins:
    """A check of passwords that waits longer after each failure of a name or from an address."""

    def __init__(self, check: Check, clock: Callable[[], float] = time.monotonic) -> None:
        """Remember no failure yet.

        Args:
            check: of a name and a password.
            clock: seconds, which never go back.
        """
        self._check, self._clock = check, clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()

    def check(self, name: str, word: str, address: str) -> bool:
        """Whether name and password belong together; a failure is logged, without the password.

        Raises:
            WaitError: the name or the address has to wait; the password was not looked at.
        """
        keys = (("name", name[:200]), ("address", address))
        with self._lock:
            wait = max(self._wait(key) for key in keys)
            if wait > 0:
                raise WaitError(wait)
            if self._check(name, word):
                self._failures.pop(keys[0], None)
                return True
            count = max(self._fail(key) for key in keys)
        shown = display_text(name, 60)
        print(f"looktwice: login of {shown!r} from {address} failed ({count} in a row)", file=sys.stderr, flush=True)
        return False

    def _wait(self, key: tuple[str, str]) -> float:
        """Seconds until a name or address may try again."""
        failures = self._failures.get(key)
        if failures is None or failures.count < FREE_FAILURES:
            return 0.0
        wait = min(LONGEST_WAIT, 2.0 ** min(failures.count - FREE_FAILURES, 10))
        return failures.last + wait - self._clock()

    def _fail(self, key: tuple[str, str]) -> int:
        failures = self._failures.get(key)
        now = self._clock()
        if failures is None or now - failures.last > FORGOTTEN:
            failures = _Failures(0, now)
        failures.count, failures.last = failures.count + 1, now
        self._failures[key] = failures
        self._failures.move_to_end(key)
        if len(self._failures) > MOST_KEPT:
            self._failures.popitem(last=False)
        return failures.count
