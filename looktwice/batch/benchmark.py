"""How many photos a second a batch inspects, beside one photo at a time; and where the time goes."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from evals.datasets.world import open_world
from looktwice.batch.manifest import RunManifest
from looktwice.batch.observers import EventLog
from looktwice.batch.ray_workers import BATCH
from looktwice.batch.records import PhotoOutcome
from looktwice.batch.run import BatchPlan, SignalStop, run_batch
from looktwice.batch.start import How, starter
from looktwice.batch.workers import Work
from tools.errors import InputError

if TYPE_CHECKING:
    from agent import Inspector, Product
    from looktwice.batch.workers import Opener

LEAST = 8
"""Turns of each process, of which four are not counted."""
FAMILY, REFERENCES, SEED = "wood", 4, 12
"""Of the photos: half of them are damaged, so that second looks are among it."""


@dataclass(frozen=True)
class BatchBench:
    """What `bench_batch` measured."""

    profile: str
    images: int
    workers: int
    single: float
    """Photos a second, one at a time: read, inspected with all cores, report written."""
    batch: float
    """Photos a second of the batch, once every process had its first photo."""
    alone: float
    """Photos a second of one such process, with one thread, as `batch`."""
    load: float
    """Processes that wanted a core, on average over the last minute, this bench included: idle machines compare."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By stage of the batch, summed over photos and processes."""

    @property
    def ratio(self) -> float:
        """How many times as fast the batch is."""
        return self.batch / self.single

    @property
    def efficiency(self) -> float:
        """What each process inspects beside others, as a share of what it inspects alone."""
        return self.batch / (self.workers * self.alone)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "ratio": self.ratio, "efficiency": self.efficiency}


def bench_batch(
    open_inspector: Opener,
    *,
    images: int = 40,
    workers: int = 2,
    ray: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> BatchBench:
    """Inspects the same photos one at a time, as a batch of processes of one thread each, and in one such process.

    Args:
        open_inspector: makes an inspector, here and in worker processes.
        images: so many photos; eight or more for each process, of a cluster 24.
        workers: processes of the batch.
        ray: address of a cluster whose workers they are; None for processes of this program.
        say: told how far it is.

    Raises:
        InputError: too few images.
    """
    least = LEAST * workers * (BATCH if ray is not None else 1)
    if images < least:
        raise InputError(f"{images} photos are too few for {workers} processes; give {least} or more.")
    inspector = open_inspector()
    inspector.warm()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos, product = prepared(folder, inspector, images)
        say(f"one at a time, {images} photos")
        single = _one_at_a_time(inspector, product, photos, folder)
        say(f"{single:.2f} a second; now {workers} processes")
        work = Work(open_inspector, product, "", "", folder)
        batch, seconds = _as_batch(inspector, work, How(workers, ray=ray, threads=1))
        say(f"{batch:.2f} a second; now one process of one thread")
        alone, _ = _as_batch(inspector, work, How(1, ray=ray, threads=1))
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return BatchBench(inspector.profile, images, workers, single, batch, alone, load, seconds)


def prepared(folder: Path, inspector: Inspector, images: int, family: str = FAMILY) -> tuple[list[Path], Product]:
    """Photos of a family, in the folder "in", and the product that they are of."""
    (category,) = open_world(split="all", seed=SEED, per_category=images, categories=[family])
    (folder / "in").mkdir()
    photos = []
    for case in category.cases:
        photos.append(folder / "in" / f"{case.id}.png")
        Image.fromarray(case.photo().image).save(photos[-1])
    return photos, inspector.learn(family, category.references(REFERENCES, SEED), describe=category.normal)


def _one_at_a_time(inspector: Inspector, product: Product, photos: Sequence[Path], folder: Path) -> float:
    inspector.inspect(photos[0], product=product)
    start = time.perf_counter()
    for photo in photos:
        inspector.inspect(photo, product=product).save(folder / "single" / photo.stem)
    return len(photos) / (time.perf_counter() - start)


def _as_batch(inspector: Inspector, work: Work, how: How) -> tuple[float, dict[str, float]]:
    """Photos a second while every process has some, and seconds by stage."""
    folder, out = work.out, work.out / f"out-{how.workers}"
    out.mkdir()
    batch = BatchPlan((folder / "in",), out, RunManifest(options={}, product={}, models={}, versions={}))
    times: list[float] = []

    def came(outcome: PhotoOutcome) -> None:
        if outcome.status != "inspected":
            raise InputError(f"the bench's own photo was not inspected: {outcome.error}")
        times.append(time.perf_counter())

    with SignalStop() as stop:
        start = starter(inspector, replace(work, out=out), how, lambda _: None)
        tally = run_batch(batch, start, stop=stop, observer=EventLog(out), on_outcome=came)
    # Each process has had two turns when it starts, and may have run out of photos for one turn when it ends.
    turn = BATCH if how.ray is not None else 1
    first, last = 2 * how.workers * turn - 1, len(times) - 1 - (how.workers - 1) * turn
    return (last - first) / (times[last] - times[first]), tally.seconds
