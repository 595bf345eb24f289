"""`looktwice inspect` over many photos: options in, results on disk, one line a photo for people."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agent import InspectionReport, Inspector, Product
from agent.products.spec import ProductSpec
from looktwice.batch.manifest import describe_run, product_digest
from looktwice.batch.observers import Counters, EventLog, Observer, Several, Spans
from looktwice.batch.records import BatchOptions, count_in_words
from looktwice.batch.run import BatchPlan, SignalStop, Tally, run_batch
from looktwice.batch.start import FEW, How, at_least, chosen_workers, starter
from looktwice.batch.workers import Work
from tools import models
from tools.errors import InputError
from tools.profiles import resolve_profile

if TYPE_CHECKING:
    from looktwice.batch.records import PhotoOutcome
    from looktwice.cli.output import Speaker


def inspect_many(
    images: Sequence[Path],
    out: Path,
    open_inspector: partial[Inspector],
    product_of: Callable[[Inspector], Product | None],
    options: BatchOptions,
    speaker: Speaker,
    *,
    product: Path | None,
    normal: str,
    question: str,
) -> int:
    """Inspects a folder or list of photos into a folder of results; the exit status.

    Args:
        images: photos and folders.
        out: the output folder, which exists.
        open_inspector: makes an inspector, here and in other processes; its keywords are the run's options.
        product_of: the product that the call names or shows.
        options: of the batch.
        speaker: prints reports.
        product: the file of the one that the call names; None where it is learned from photos or words of the call.
        normal: what good means.
        question: to answer about each photo.

    Raises:
        InputError: an input, an option or the output folder cannot be used.
    """
    _check(images, options)
    photos = FEW if options.watch else at_least(images, out, FEW)
    inspector = open_inspector()
    device = models.resolve_device(str(open_inspector.keywords.get("device", "auto")))
    workers = chosen_workers(options.workers, device, inspector.profile, photos)
    known = product_of(inspector)
    named = {key: value for key, value in open_inspector.keywords.items() if key not in ("device", "value_range")}
    value_range = open_inspector.keywords.get("value_range")
    named["range"] = None if value_range is None else " ".join(f"{value:g}" for value in value_range)
    manifest = describe_run(
        resolve_profile(str(open_inspector.args[0])),
        product_digest(known, normal, None if product is None else ProductSpec.load(product)),
        {**named, "profile": inspector.profile, "device": device, "normal": normal, "question": question},
    )
    batch = BatchPlan(tuple(images), out, manifest, options.every if options.watch else None, options.idle)
    work = Work(open_inspector, known, normal, question, out, options.reports)
    how = How(workers, options.patience, options.ray)

    with SignalStop() as stop:
        tally = run_batch(
            batch,
            starter(inspector, work, how, _say),
            stop=stop,
            observer=_observers(out, options),
            on_outcome=partial(_tell, speaker),
        )
    _summarise(tally, out, workers)
    return tally.status


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
