"""What the command line says about reports: a few readable lines, or JSON and nothing else."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from tools.display_text import display_text

if TYPE_CHECKING:
    from agent import InspectionReport
    from tools.errors import LookTwiceError


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
        kinds = f" ({' + '.join(verdict.kinds)})" if verdict.kinds else ""
        name = display_text(Path(report.image).name)
        self._out.print(
            f"[bold]{escape(name)}[/]: [{colour}]{word}{kinds}[/], score {verdict.score:.3f}, "
            f"{len(report.looks)} second looks, {report.seconds['total']:.1f} s"
        )
        for sentence in report.explanation[1:]:
            self._out.print(f"   {escape(display_text(sentence.text))} {escape(cited(sentence.cites))}")
        if report.answer is not None:
            self._out.print(f"   Answer: {escape(display_text(' '.join(report.answer.split())))}")

    def refuse(self, error: LookTwiceError) -> None:
        """One input that could not be inspected."""
        self._err.print(f"looktwice: {escape(display_text(str(error)))}")

    def summary(self, inspected: int, anomalous: int, refused: int, out: Path | None) -> None:
        """The last line of a batch, on standard error."""
        if inspected + refused < 2 and out is None:
            return
        where = f"; reports in {out}" if out is not None and inspected else ""
        self._err.print(f"{inspected} inspected, {anomalous} anomalous, {refused} refused{escape(where)}")


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
    """Prints, for each profile, whether it is ready, and how to get the first thing that it misses."""
    from tools.profiles import available_profiles, load_profile, readiness

    console = Console(highlight=False, soft_wrap=True)
    for name in available_profiles():
        states = readiness(load_profile(name))
        absent = [state for state in states if not state.ready]
        word = "[yellow]not ready[/]" if absent else "[green]ready[/]"
        console.print(f"[bold]{escape(name)}[/]: {word}, {escape(load_profile(name).about)}")
        for state in states:
            mark = "on disk" if state.ready else "missing"
            console.print(f"  {state.role:<10} {mark:<8} {escape(state.source)}")
        if absent:
            console.print(f"  next: {escape(absent[0].missing)}")
