"""Runs the command line, and turns whatever ends it into one sentence and an exit status."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import traceback

from tools.display_text import display_text

SPINS = "2000"
"""How long a thread that waits for another keeps its core. OpenMP's own choice, many times longer, makes small models
thirty times slower as soon as another program wants a core as well."""
GOOD, WRONG, FAULT, INTERRUPTED, CLOSED = 0, 2, 70, 130, 141


def main() -> None:
    """Run the command line and end the process.

    The exit status is 0 for good, 1 for anomalous, 2 for a wrong call or an input that cannot be used, 3 for undecided
    or good but not fully checked, 70 for a fault of the program itself, 130 or 143 when a signal ended it, and 141 when
    nobody reads its output any more. A fault is told in one sentence; its traceback is kept in a file in the user's
    cache or temporary folder, and is printed only where neither can be written.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what the terminal cannot show must not end the work
    try:
        status = _run()
        if sys.stdout is not None:
            sys.stdout.flush()
    except BaseException as error:  # any other exception would end the process with 1, which means anomalous
        status = _status_of(error)
    sys.exit(status)


def _run() -> int:
    """Parse the arguments and run the command; its exit status."""
    from looktwice.cli.commands import PassedError, app
    from looktwice.cli.inspect import command_line

    try:
        app(command_line())
    except PassedError as passed:
        return _status_of(passed.cause)
    except SystemExit as ended:  # the parser's own end
        return ended.code if isinstance(ended.code, int) else GOOD
    return GOOD


def _status_of(error: BaseException) -> int:
    """Say what ended the command; the exit status for it."""
    if isinstance(error, KeyboardInterrupt):
        _say("looktwice: stopped; what was finished is kept.\n")
        return INTERRUPTED
    # Rich turns a pipe that is closed into SystemExit(1) itself.
    if isinstance(error, BrokenPipeError) or isinstance(error.__context__, BrokenPipeError):
        _leave_output()
        return CLOSED
    refused = _refusal(error)
    if refused is not None:
        _say(f"looktwice: {refused}\n")
        return WRONG
    _say(_fault(error))
    return FAULT


def _refusal(error: BaseException) -> str | None:
    """What to say of an error that was raised on purpose; None for any other."""
    errors = sys.modules.get("tools.errors")
    if errors is None or not isinstance(error, errors.LookTwiceError):
        return None
    return display_text(str(error))


def _fault(error: BaseException) -> str:
    """What to say of an error that nobody foresaw, once its traceback is kept."""
    found = " ".join(str(error).split())[:200]
    what = ascii(f"{type(error).__name__}: {found}" if found else type(error).__name__)[1:-1]
    trace = "".join(traceback.format_exception(error))
    file = _keep(trace)
    if file is None:
        return f"looktwice: a fault of the program ({what}); please report it with this traceback:\n{trace}"
    return f"looktwice: a fault of the program ({what}); its traceback is in {ascii(file)[1:-1]}; please report it.\n"


def _keep(trace: str) -> str | None:
    """Write a traceback into the user's cache or temporary folder; the file, or None where neither can be written."""
    cache = os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache")  # noqa: PTH111
    for folder in (os.path.join(cache, "looktwice"), None):  # noqa: PTH118
        with contextlib.suppress(OSError, ValueError):
            if folder is not None:
                os.makedirs(folder, exist_ok=True)  # noqa: PTH103
            descriptor, file = tempfile.mkstemp(prefix="traceback-", suffix=".txt", dir=folder)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(trace)
            return file
    return None


def _say(text: str) -> None:
    """Write to standard error, as far as there is one."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
            sys.stderr.flush()


def _leave_output() -> None:
    """Lead standard output nowhere, so that the end of the process does not complain about a reader that has gone."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
