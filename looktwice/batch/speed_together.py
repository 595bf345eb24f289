"""How many photos a second a batch inspects with several at a time, beside one; and of how many photos forwards are."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from looktwice.batch.job import Outcome
from looktwice.batch.manifest import Manifest
from looktwice.batch.observe import EventLog
from looktwice.batch.run import Batch, run_batch
from looktwice.batch.serial import SerialRunner
from looktwice.batch.speed import prepared
from looktwice.batch.stop import Stop
from looktwice.batch.together import TogetherRunner
from looktwice.batch.work import Work
from tools.errors import InputError

if TYPE_CHECKING:
    from looktwice.batch.runner import Runner
    from looktwice.batch.work import Opener

FAMILY = "connector"
"""Of the photos: half of them are damaged, and parts are found by words as well as without."""


@dataclass(frozen=True)
class NetworkRow:
    """What one network ran."""

    name: str
    asked: float
    """Forwards that a photo asks for, on average: as many as are run for one photo at a time."""
    run: float
    """Forwards that were run for each photo."""
    photos: float
    """Of how many photos a forward was, on average."""


@dataclass(frozen=True)
class TogetherBench:
    """What `bench_together` measured."""

    profile: str
    images: int
    together: int
    """Photos at a time."""
    single: float
    """Photos a second, one at a time; others are decoded ahead and reports written behind, as in any batch."""
    joint: float
    """Photos a second, so many at a time, the same otherwise."""
    differs: float
    """By how much the score of a photo differs at most."""
    load: float
    """Processes that wanted a core, on average over the last minute, this bench included."""
    networks: tuple[NetworkRow, ...]

    @property
    def ratio(self) -> float:
        """How many times as fast several at a time are."""
        return self.joint / self.single

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "ratio": self.ratio}


def bench_together(
    open_inspector: Opener, *, images: int = 40, together: int = 4, say: Callable[[str], None] = lambda _: None
) -> TogetherBench:
    """Inspects the same photos one at a time and several at a time, in this process.

    Args:
        open_inspector: makes the inspector.
        images: so many photos; twice as many as at a time, or more.
        together: photos at a time.
        say: told how far it is.

    Raises:
        InputError: less than one at a time, or too few images.
    """
    if together < 1:
        raise InputError(f"--together is {together}; give 1 or more photos at a time.")
    if images < 2 * together:
        raise InputError(f"{images} photos are too few for {together} at a time; give {2 * together} or more.")
    inspector, another = open_inspector(), open_inspector()  # what one has traced would spare the other its work
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _, product = prepared(folder, inspector, images, FAMILY)
        for each in (inspector, another):
            each.inspect(product.references[0], product=product)
        say(f"one at a time, {images} photos")
        one, several = (Work(open_inspector, product, "", "", folder / out) for out in ("one", "several"))
        single, scores = _inspected(images, SerialRunner(inspector, one), one.out, folder)
        say(f"{single:.2f} a second; now {together} at a time")
        runner = TogetherRunner(another, several, photos=together)
        joint, others = _inspected(images, runner, several.out, folder)
    rows = (NetworkRow(n, j.asked / images, j.run / images, j.mean) for n, j in runner.joined.items())
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    differs = max(abs(score - others[name]) for name, score in scores.items())
    return TogetherBench(inspector.profile, images, together, single, joint, differs, load, tuple(rows))


def _inspected(images: int, runner: Runner, out: Path, folder: Path) -> tuple[float, dict[str, float]]:
    """Photos a second, and the score of each."""
    out.mkdir()
    scores: dict[str, float] = {}
    batch = Batch((folder / "in",), out, Manifest(options={}, product={}, models={}, versions={}))

    def came(outcome: Outcome) -> None:
        if outcome.report is None:
            raise InputError(f"the bench's own photo was not inspected: {outcome.error}")
        scores[outcome.job.name] = outcome.report["verdict"]["score"]

    with Stop() as stop:
        tally = run_batch(batch, lambda _: runner, stop=stop, observer=EventLog(out), on_outcome=came)
    return images / tally.wall, scores
