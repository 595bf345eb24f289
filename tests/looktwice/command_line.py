"""The command line as a person calls it, in this process: a process of its own spends its time on imports."""

import io
import os
import sys
from contextlib import chdir
from typing import NamedTuple
from unittest.mock import patch

from looktwice.cli import main


class Ended(NamedTuple):
    """How a call ended, as `subprocess.run` tells it."""

    returncode: int
    stdout: str
    stderr: str


def stream(text="", encoding="utf-8"):
    return io.TextIOWrapper(io.BytesIO(text.encode(encoding)), encoding=encoding, newline="")


def looktwice(*arguments, cwd=".", lines="", encoding="utf-8", **environment):
    """Runs `looktwice` with arguments in a folder; lines come on standard input, variables join the environment."""
    said, told = stream(encoding=encoding), stream(encoding=encoding)
    with (
        chdir(cwd),
        patch.dict(os.environ, environment),
        patch.multiple(sys, argv=["looktwice", *map(str, arguments)], stdin=stream(lines), stdout=said, stderr=told),
    ):
        try:
            main()
            status = 0
        except SystemExit as ended:
            status = ended.code
        said.flush()
        told.flush()
    return Ended(status, said.buffer.getvalue().decode(encoding), told.buffer.getvalue().decode(encoding))
