"""The inspection while it goes on: what it looks at, why, what it found, and how long it took."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from looktwice.page.pictures import photo_uri
from looktwice.page.words import Words
from prompts import render

if TYPE_CHECKING:
    from agent.state import Update
    from tools.types import Sample

NEXT = {
    "intake": "propose", "propose": "glance", "glance": "match", "match": "suspect", "suspect": "look_again",
    "look_again": "suspect", "judge": "explain", "explain": "explain",
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One step that has ended."""

    title: str
    found: str
    seconds: float


@dataclass
class Live:
    """What is shown of one inspection until its report is there."""

    words: Words
    steps: list[Step] = field(default_factory=list)
    now: str = "intake"
    ahead: int = 0
    _photo: str | None = None
    _size: tuple[int, int] = (1, 1)
    _box: tuple[float, float, float, float] | None = None
    _since: float = field(default_factory=time.monotonic)

    def shows(self, sample: Sample) -> None:
        """The photo is known before the first step ends."""
        self._photo, self._size = photo_uri(sample.image), sample.size

    def began(self) -> None:
        """The turn has come; seconds count from here."""
        self.ahead, self._since = 0, time.monotonic()

    def step(self, name: str, update: Update) -> None:
        """A step has ended."""
        found = self._found(name, update)
        seconds = update.get("seconds", {}).get(name, 0.0)
        self.steps.append(Step(self.words(f"step_{name}"), found, seconds))
        self.now = NEXT.get(name, name)
        hypothesis = update.get("hypothesis")
        if name == "suspect":
            self.now = "look_again" if hypothesis is not None else "judge"
            if hypothesis is not None:
                x0, y0, x1, y1 = hypothesis.region.box
                self._box = (x0, y0, x1, y1)

    def html(self) -> str:
        """The piece of the page."""
        box = None
        if self._box is not None and self.now in ("look_again", "suspect"):
            (w, h), (x0, y0, x1, y1) = self._size, self._box
            box = [round(v, 2) for v in (100 * x0 / w, 100 * y0 / h, 100 * (x1 - x0) / w, 100 * (y1 - y0) / h)]
        return render(
            "page/live.html.jinja",
            words=self.words,
            steps=self.steps,
            now=self.words(f"step_{self.now}"),
            ahead=self.ahead,
            elapsed=round(time.monotonic() - self._since, 1),
            photo=self._photo,
            box=box,
        )

    def _found(self, name: str, update: Update) -> str:
        """What a step found, in a few words."""
        words = self.words
        told = {
            "intake": lambda: words(
                "found_intake", width=update["sample"].size[0], height=update["sample"].size[1],
                good=len(update.get("good", ())),
            ),
            "propose": lambda: words(
                "found_propose", parts=len(update["product"].spec.parts), rules=len(update["product"].spec.rules)
            ),
            "glance": lambda: words(
                "found_glance", places=sum(map(len, update["glance"].peaks)), parts=len(update["glance"].measured.parts)
            ),
            "match": lambda: words(
                "found_match", all=len(update["evidence"]), against=sum(e.llr > 0 for e in update["evidence"])
            ),
            "suspect": lambda: _open_question(update, words),
            "look_again": lambda: _look(update, words),
            "judge": lambda: words("found_judge", score=f"{update['verdict'].score:.2f}"),
            "explain": lambda: words("found_explain", sentences=len(update["explanation"])),
        }  # fmt: skip
        try:
            return told[name]()
        except KeyError:
            # A step that changed nothing has found nothing.
            return ""


def _open_question(update: Update, words: Words) -> str:
    hypothesis = update["hypothesis"]
    return words["found_nothing_open"] if hypothesis is None else words("found_suspect", name=hypothesis.name)


def _look(update: Update, words: Words) -> str:
    look = update["looks"][-1]
    return words("found_look", what=look.hypothesis, p=f"{look.p_yes_debiased:.2f}", llr=f"{look.llr:+.2f}")
