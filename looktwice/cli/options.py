"""Options that several commands share, and what they have in common while they run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

Profile = Annotated[
    str, typer.Option(help="nano, edge, standard, auto (the best on disk), or your own profile's YAML file.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, ...")]
Looks = Annotated[int, typer.Option(min=0, help="Second looks at most, for each photo.")]

FalseAlarm = Annotated[
    float | None,
    typer.Option(help="Share of good parts that may be called anomalous, such as 0.02; else what is likelier."),
]


def given_text(option: str, text: str, limit: int) -> str:
    """Return the text of an option, before any work.

    Raises:
        tools.errors.InputError: it is too long, or its bytes are not UTF-8.
    """
    from agent.text_limits import checked_text
    from tools.errors import InputError

    try:
        known = text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError as error:
        raise InputError(f"{option}: holds bytes that are not UTF-8; give text in UTF-8.") from error
    return checked_text(option, known, limit)


def writable_folder(folder: Path) -> Path:
    """Makes a folder and proves that it can be written, before any long work.

    Raises:
        tools.errors.InputError: it cannot.
    """
    from tools.errors import InputError

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror}); give --out a folder that you may write to."
        ) from error
    return folder


def refuse_nested(out: Path, inputs: Sequence[Path]) -> None:
    """Refuses an output folder that is an input folder or contains one; reports would stand among the photos.

    Raises:
        tools.errors.InputError: it is one of them, or contains one of them.
    """
    from tools.errors import InputError

    there = Path(os.path.realpath(out))
    for path in inputs:
        if os.path.isdir(path) and Path(os.path.realpath(path)).is_relative_to(there):  # noqa: PTH112
            raise InputError(
                f"{out}: --out is the input folder {path} or contains it; give --out a folder beside it or inside it."
            )
