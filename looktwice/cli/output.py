"""Options that commands share, and what the command line prints: reports, steps and profiles."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from agent.events import StepEvent
from agent.state import POLICIES, Policy, Update
from agent.text_limits import checked_text
from looktwice.batch.records import Kind, count_in_words
from tools.display_text import display_text
from tools.errors import InputError, LookTwiceError
from tools.profiles import available_profiles, load_profile
from tools.profiles.inventory import inventory

if TYPE_CHECKING:
    from agent import InspectionReport
    from agent.inspector import OnStep
    from agent.products.learn import OnStage, Stage
SHOWN = 6
"""At most so many ids stand behind a sentence."""


class Speaker:
    """Prints reports to standard output, and everything else to standard error."""

    def __init__(self, *, json: bool) -> None:
        self._json = json
        self._out = Console(highlight=False, soft_wrap=True)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)

    def report(self, report: InspectionReport) -> None:
        """One report: a line of JSON, or the explanation."""
        if self._json:
            sys.stdout.write(_printable(report.to_json()) + "\n")
            sys.stdout.flush()
            return
        verdict = report.verdict
        side = "anomalous" if verdict.anomalous else "good"
        colour = "yellow" if verdict.word == "unsure" else "red" if verdict.anomalous else "green"
        word = f"unsure, on the {side} side" if verdict.word == "unsure" else side
        if verdict.word == "good" and verdict.unchecked:
            colour, word = "yellow", "good, but not fully checked"
        kinds = f" ({' + '.join(verdict.kinds)})" if verdict.kinds else ""
        if verdict.told == "not_product":
            word, kinds = "not this product", ""
        name = display_text(Path(report.image).name)
        self._out.print(
            f"[bold]{escape(name)}[/]: [{colour}]{word}{kinds}[/], score {verdict.score:.3f}, "
            f"{len(report.looks)} second looks, {report.seconds['total']:.1f} s"
        )
        for sentence in report.explanation[1:]:
            self._out.print(f"   {escape(display_text(sentence.text))} {escape(cited(sentence.cites))}")
        for note in report.photo_notes:
            self._out.print(f"   Note: {escape(display_text(note))}")
        if report.answer is not None:
            self._out.print(f"   Answer: {escape(display_text(' '.join(report.answer.split())))}")

    def refuse(self, error: LookTwiceError) -> None:
        """One input that could not be inspected."""
        self._err.print(f"looktwice: {escape(display_text(str(error)))}")

    def summary(self, photos: Counter[Kind], out: Path | None) -> None:
        """The last line of several photos, on standard error."""
        refused = photos["refused"]
        if photos.total() < 2 and out is None:
            return
        where = f"; reports in {out}" if out is not None and photos.total() > refused else ""
        self._err.print(f"{count_in_words(photos)}, {refused} refused{escape(where)}")


def _printable(document: str) -> str:
    """A JSON document, with escapes of JSON where standard output cannot show a character."""
    try:
        document.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(json.loads(document))
    return document


def cited(ids: Sequence[str]) -> str:
    """Ids in brackets, as many as one takes in at a glance; the report itself holds all.

    >>> cited(["E1", "E2"]), cited([f"E{n}" for n in range(9)])
    ('[E1, E2]', '[E0, E1, E2, E3, E4 and 4 more]')
    """
    if len(ids) <= SHOWN:
        return f"[{', '.join(ids)}]"
    return f"[{', '.join(ids[: SHOWN - 1])} and {len(ids) - SHOWN + 1} more]"


def say_profiles() -> None:
    """Prints, for each profile, which checkpoints are on disk, and how to get the first one that is missing."""
    console = Console(highlight=False, soft_wrap=True)
    for name in available_profiles():
        profile = load_profile(name)
        items = inventory(profile)
        absent = [item for item in items if item.state == "missing"]
        word = "[yellow]not ready[/]" if absent else "[green]ready[/]"
        console.print(f"[bold]{escape(name)}[/]: {word}, {escape(profile.about)}")
        for item in items:
            console.print(f"  {item.role:<10} {item.state:<8} {escape(item.source)}")
        if absent:
            console.print(f"  next: {escape(absent[0].missing)}")


def given_text(option: str, text: str, limit: int) -> str:
    """Return the text of an option, before any work.

    Raises:
        tools.errors.InputError: it is too long, or its bytes are not UTF-8.
    """
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
    there = Path(os.path.realpath(out))
    for path in inputs:
        if os.path.isdir(path) and Path(os.path.realpath(path)).is_relative_to(there):  # noqa: PTH112
            raise InputError(
                f"{out}: --out is the input folder {path} or contains it; give --out a folder beside it or inside it."
            )


class StepPrinter:
    """Is told of every step; says nothing where neither was asked for."""

    def __init__(self, *, printed: bool, file: Path | None) -> None:
        """Empties the file.

        Raises:
            tools.errors.InputError: the file cannot be written.
        """
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
            event = StepEvent.of(step, update)
            if self._printed:
                sys.stderr.write(event.in_a_line() + "\n")
            if self._file is not None:
                record = {"photo": str(photo), **event.as_record()}
                with self._file.open("a", encoding="utf-8", errors="backslashreplace") as stream:
                    stream.write(json.dumps(record, ensure_ascii=False) + "\n")

        return on_step


STAGES: dict[Stage, str] = {
    "parts": "finding parts (1 of 3)",
    "rules": "finding rules (2 of 3)",
    "surfaces": "measuring surfaces (3 of 3)",
}


def stage_printer(photos: int) -> OnStage:
    """What learning from so many photos is to call, to say on standard error which stage begins."""
    return lambda stage: _say_stage(photos, stage)


def _say_stage(photos: int, stage: Stage) -> None:
    given = f"{photos} reference photo{'s' if photos > 1 else ''}" if photos else "words"
    sys.stderr.write(f"learning from {given}: {STAGES[stage]}\n")
    sys.stderr.flush()


def policed(policy: str) -> Policy:
    """The policy of that name.

    Raises:
        tools.errors.InputError: there is none; the message lists them.
    """
    for known in POLICIES:
        if known == policy:
            return known
    raise InputError(f"--policy is '{policy}'; give one of: {', '.join(POLICIES)}.")
