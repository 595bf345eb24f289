"""Shows an inspection as it happens: a line a step on standard error, and lines of JSON in a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.context import Policy
    from agent.inspector import OnStep
    from agent.state import Update


class Tracer:
    """Is told of every step; says nothing where neither was asked for."""

    def __init__(self, *, printed: bool, file: Path | None) -> None:
        """Empties the file.

        Raises:
            tools.errors.InputError: the file cannot be written.
        """
        from tools.errors import InputError

        self._printed, self._file = printed, file
        if file is None:
            return
        try:
            file.write_text("", encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"{file}: cannot be written ({error.strerror}); give --trace-out a file that you may write."
            ) from error

    def of(self, photo: Path) -> OnStep | None:
        """What an inspection of a photo is to call after each step; None where nothing is traced."""
        if not self._printed and self._file is None:
            return None

        def on_step(step: str, update: Update) -> None:
            from agent.trace import in_a_line, traced

            record = {"photo": str(photo), **traced(step, update)}
            if self._printed:
                sys.stderr.write(in_a_line({k: v for k, v in record.items() if k != "photo"}) + "\n")
            if self._file is not None:
                with self._file.open("a", encoding="utf-8", errors="backslashreplace") as stream:
                    stream.write(json.dumps(record, ensure_ascii=False) + "\n")

        return on_step


def policed(policy: str) -> Policy:
    """The policy of that name.

    Raises:
        tools.errors.InputError: there is none; the message lists them.
    """
    from agent.context import POLICIES
    from tools.errors import InputError

    for known in POLICIES:
        if known == policy:
            return known
    raise InputError(f"--policy is '{policy}'; give one of: {', '.join(POLICIES)}.")
