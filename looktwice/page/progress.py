"""Long work on the page: progress while it runs, a stop between two steps, and its result."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from looktwice.page.widgets import photo_uri
from looktwice.page.words import Words
from prompts import render
from tools.errors import LookTwiceError

if TYPE_CHECKING:
    from agent.events import StepEvent
    from tools.types import Sample

NEXT = {
    "intake": "propose",
    "propose": "glance",
    "glance": "match",
    "match": "suspect",
    "suspect": "look_again",
    "look_again": "suspect",
    "judge": "explain",
    "explain": "explain",
}


@dataclass(frozen=True)
class StepRecord:
    """One step that has ended."""

    title: str
    found: str
    seconds: float


@dataclass
class Live:
    """What is shown of one inspection until its report is there."""

    words: Words
    steps: list[StepRecord] = field(default_factory=list)
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

    def step(self, event: StepEvent) -> None:
        """A step has ended."""
        name = event.step
        self.steps.append(StepRecord(self.words(f"step_{name}"), _found(event, self.words), event.seconds))
        self.now = NEXT.get(name, name)
        if name == "suspect" and event.suspected is None:
            self.now = "judge"
        if event.suspected is not None:
            self._box = event.suspected.box

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


def _found(event: StepEvent, words: Words) -> str:
    """What a step found, in a few words; nothing where it changed nothing."""
    found = ""
    if event.size is not None:
        width, height = event.size
        found = words("found_intake", width=width, height=height, good=len(event.references or ()))
    elif event.product is not None:
        found = words("found_propose", parts=event.part_types or 0, rules=event.rules or 0)
    elif event.places is not None:
        found = words("found_glance", places=sum(event.places), parts=event.parts or 0)
    elif event.suspected is not None:
        found = words("found_suspect", name=event.suspected.hypothesis)
    elif event.step == "suspect":
        found = words["found_nothing_open"]
    elif event.looks:
        look = event.looks[-1]
        found = words("found_look", what=look.hypothesis, p=f"{look.p_yes_debiased:.2f}", llr=f"{look.llr:+.2f}")
    elif event.verdict is not None:
        found = words("found_judge", score=f"{event.verdict.score:.2f}")
    elif event.explanation is not None:
        found = words("found_explain", sentences=len(event.explanation))
    elif event.evidence is not None:
        found = words("found_match", all=len(event.evidence), against=sum(e.llr > 0 for e in event.evidence))
    return found


T = TypeVar("T")
R = TypeVar("R")
CHECKED = 0.2
"""Seconds between two looks at whether the work was stopped while a step goes on."""
_LOG = logging.getLogger("looktwice.page")


class StoppedError(Exception):
    """The visitor has stopped the work, or has gone."""


@dataclass(frozen=True)
class WorkResult(Generic[R]):
    """What the work came to."""

    result: R


@dataclass(frozen=True)
class WorkFailure:
    """Why the work came to nothing."""

    reason: str
    """A sentence, or the name of what went wrong inside."""
    inside: bool
    """Whether the fault is the program's or a model's, not the input's."""


@dataclass(frozen=True)
class Stopped:
    """The work was stopped."""


class StopFlag:
    """A flag that work looks at between two steps."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Stops the work."""
        self._event.set()

    @property
    def is_set(self) -> bool:
        """Whether the work was stopped."""
        return self._event.is_set()

    def check(self) -> None:
        """Goes on, or ends the work.

        Raises:
            StoppedError: it was stopped.
        """
        if self._event.is_set():
            raise StoppedError


def streamed(
    work: Callable[[Callable[[T], None]], R], stop: StopFlag
) -> Iterator[T | WorkResult[R] | WorkFailure | Stopped]:
    """What `work` says, then how it ended; when the reader goes away, the work is stopped.

    Args:
        work: is given a function to say things with, which also ends it once it is stopped.
        stop: of this work.
    """
    said: queue.SimpleQueue[T | WorkResult[R] | WorkFailure | Stopped] = queue.SimpleQueue()

    def say(item: T) -> None:
        stop.check()
        said.put(item)

    def run() -> None:
        try:
            said.put(WorkResult(work(say)))
        except StoppedError:
            said.put(Stopped())
        except LookTwiceError as error:
            said.put(WorkFailure(str(error), inside=False))
        except Exception as error:
            # Whatever a model throws ends this one inspection, never the page; the log keeps where it came from.
            _LOG.exception("an inspection failed")
            said.put(
                WorkFailure(f"{type(error).__name__}: {str(error)[:200]}" if str(error) else type(error).__name__, True)
            )

    threading.Thread(target=run, daemon=True, name="looktwice-work").start()
    try:
        while True:
            try:
                item = said.get(timeout=CHECKED)
            except queue.Empty:
                if not stop.is_set:
                    continue
                # The reader is free at once; the work itself ends with the step that it is in.
                item = Stopped()
            yield item
            if isinstance(item, WorkResult | WorkFailure | Stopped):
                return
    finally:
        stop.set()
