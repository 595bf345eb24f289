"""`looktwice inspect` over many photos: options in, results on disk, one line a photo for people."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agent import InspectionReport, Inspector, Product
from agent.products.spec import ProductSpec
from looktwice.batch.manifest import Value, describe_run, held_manifest, product_digest
from looktwice.batch.observers import Counters, EventLog, Observer, Several, Spans
from looktwice.batch.records import BatchOptions, count_in_words
from looktwice.batch.run import BatchPlan, SignalStop, Tally, finished, run_batch
from looktwice.batch.start import FEW, How, at_least, chosen_workers, starter
from looktwice.batch.workers import Work
from tools import models
from tools.errors import InputError, ModelError
from tools.profiles import resolve_profile

if TYPE_CHECKING:
    from looktwice.batch.records import PhotoOutcome
    from looktwice.cli.output import Speaker


@dataclass(frozen=True)
class BatchSubject:
    """What the photos of a batch are compared with, and what is asked about them."""

    learn: Callable[[Inspector], Product | None]
    """Learns or reads the product; None where the photos themselves say what it is."""
    file: Path | None = None
    """The product's file, where the call names one."""
    references: tuple[Path, ...] = ()
    """Photos of good ones that the call names."""
    normal: str = ""
    question: str = ""

    def digest(self) -> dict[str, str]:
        """Name and digest of the product, without learning it.

        Raises:
            InputError: the product's file or a reference cannot be read.
        """
        saved = None if self.file is None else ProductSpec.load(self.file)
        own = () if saved is None or self.file is None else tuple(self.file.parent / r for r in saved.references)
        name = saved.name if saved is not None else "product" if self.references else ""
        return product_digest(name, (*own, *self.references), self.normal, saved)


def inspect_many(
    images: Sequence[Path],
    out: Path,
    open_inspector: partial[Inspector],
    subject: BatchSubject,
    options: BatchOptions,
    speaker: Speaker,
) -> int:
    """Inspects a folder or list of photos into a folder of results; the exit status.

    Where earlier calls have inspected all photos, no model is loaded.

    Args:
        images: photos and folders.
        out: the output folder, which exists.
        open_inspector: makes an inspector, here and in other processes; its keywords are the run's options.
        subject: what they are compared with.
        options: of the batch.
        speaker: prints reports.

    Raises:
        InputError: an input, an option or the output folder cannot be used.
    """
    _check(images, options)
    product = subject.digest()
    earlier = None if options.watch else _finished(images, out, open_inspector, subject, product)
    if earlier is not None:
        _summarise(earlier, out, 1)
        return earlier.status
    photos = FEW if options.watch else at_least(images, out, FEW)
    inspector = open_inspector()
    device = models.resolve_device(str(open_inspector.keywords.get("device", "auto")))
    workers = chosen_workers(options.workers, device, inspector.profile, photos)
    chosen = resolve_profile(str(open_inspector.args[0]))
    manifest = describe_run(chosen, product, _options(open_inspector, subject, chosen.name, device))
    batch = BatchPlan(tuple(images), out, manifest, options.every if options.watch else None, options.idle)
    work = Work(open_inspector, None, subject.normal, subject.question, out, options.reports)
    how = How(workers, options.patience, options.ray)

    with SignalStop() as stop:
        tally = run_batch(
            batch,
            starter(inspector, work, how, _say, subject.learn),
            stop=stop,
            observer=_observers(out, options),
            on_outcome=partial(_tell, speaker),
        )
    _summarise(tally, out, workers)
    return tally.status


def _finished(
    images: Sequence[Path],
    out: Path,
    open_inspector: partial[Inspector],
    subject: BatchSubject,
    product: dict[str, str],
) -> Tally | None:
    """What earlier calls found, where they have inspected all photos in the same way.

    What "auto" stands for is then read from their manifest: on which device nothing is done does not matter, and asking
    for it would load a library that takes seconds.
    """
    held = held_manifest(out)
    if held is None:
        return None
    asked = (str(open_inspector.args[0]), str(open_inspector.keywords.get("device", "auto")))
    name, device = (
        str(held.options.get(key)) if given == "auto" else given
        for key, given in zip(("profile", "device"), asked, strict=True)
    )
    try:
        chosen = resolve_profile(name)
        manifest = describe_run(chosen, product, _options(open_inspector, subject, chosen.name, device))
    except ModelError:
        return None  # said in full where the inspector is made
    return finished(BatchPlan(tuple(images), out, manifest))


def _options(open_inspector: partial[Inspector], subject: BatchSubject, profile: str, device: str) -> dict[str, Value]:
    """The options of a run that an answer depends on."""
    left_out = ("device", "store", "value_range")
    named = {key: value for key, value in open_inspector.keywords.items() if key not in left_out}
    value_range = open_inspector.keywords.get("value_range")
    named["range"] = None if value_range is None else " ".join(f"{value:g}" for value in value_range)
    return {**named, "profile": profile, "device": device, "normal": subject.normal, "question": subject.question}


def _check(images: Sequence[Path], options: BatchOptions) -> None:
    if options.watch and not all(os.path.isdir(path) for path in images):  # noqa: PTH112
        raise InputError("--watch waits for photos in folders, but a file was named; name folders only.")
    if options.watch and options.ray is not None:
        raise InputError("--watch and --ray exclude each other; a cluster takes the photos that are there.")
    for name, value in (("every", options.every), ("patience", options.patience), ("idle", options.idle)):
        if value is not None and not 0 < value < float("inf"):
            raise InputError(f"--{name} is {value}; give seconds above 0.")


def _observers(out: Path, options: BatchOptions) -> Observer:
    told: list[Observer] = [EventLog(out)]
    if options.metrics_port is not None:
        told.append(Counters(options.metrics_port))
    if options.spans:
        told.append(Spans())
    return Several(told)


def _tell(speaker: Speaker, outcome: PhotoOutcome) -> None:
    if outcome.report is not None:
        speaker.report(InspectionReport.model_validate(outcome.report))
    elif outcome.error is not None:
        speaker.refuse(InputError(outcome.error))


def _summarise(tally: Tally, out: Path, workers: int) -> None:
    """What was done, and where the time went."""
    total = tally.kinds + tally.before
    before = sum(tally.before.values())
    _say(
        f"{count_in_words(total)}, {total['refused']} refused, {total['failed']} failed"
        + (f" ({before} of them before)" if before else "")
        + f"; results in {out}"
    )
    here = sum(tally.kinds.values())
    if not here or tally.wall <= 0:
        return
    whole = sum(tally.seconds.values()) or 1.0
    shares = [(name, value / whole) for name, value in sorted(tally.seconds.items(), key=lambda item: -item[1])]
    stages = ", ".join(f"{name} {share:.0%}" for name, share in shares if share >= 0.005)
    how = "processes" if workers > 1 else "process"
    _say(
        f"{here / tally.wall:.2f} photos a second: {tally.wall:.1f} s, in which {workers} {how} worked {whole:.1f} s "
        f"({stages})"
    )


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
