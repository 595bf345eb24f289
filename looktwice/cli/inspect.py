"""`looktwice inspect`: photos in, reports out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from looktwice.batch.records import BatchOptions, Names, shown_name
from looktwice.cli.output import (
    Device,
    FalseAlarm,
    Looks,
    Profile,
    StepPrinter,
    given_text,
    policed,
    refuse_nested,
    writable_folder,
)

if TYPE_CHECKING:
    from agent import InspectionReport, Inspector, Product
    from agent.inspector import OnStep


def inspect(
    images: Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.")],
    ref: Annotated[list[str] | None, typer.Option(help="A photo of a good one; several may follow one --ref.")] = None,
    product: Annotated[str | None, typer.Option(help="A learned or ready-made product: name or YAML file.")] = None,
    normal: Annotated[str, typer.Option(help="What good means: 'two bolts, three nuts'.")] = "",
    question: Annotated[str, typer.Option(help="Something to answer about each photo.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder for report.json, report.html and overlay.png.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One report a line on standard output.")] = False,
    profile: Profile = "auto",
    device: Device = "auto",
    looks: Looks = 3,
    false_alarm: FalseAlarm = None,
    policy: Annotated[
        str, typer.Option(help="How second looks are chosen: fixed, chosen (by the narrator), none.")
    ] = "fixed",
    language: Annotated[str, typer.Option(help="Of the explanation, such as en.")] = "en",
    store: Annotated[
        Path | None,
        typer.Option(help="SQLite file of inspections; one that was stopped resumes from it."),
    ] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Print each step as it ends, on standard error.")] = False,
    trace_out: Annotated[Path | None, typer.Option(help="A file that gets each step as a line of JSON.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes of a batch with --out; by default as many as the machine bears.")
    ] = None,
    reports: Annotated[
        Literal["all", "anomalous", "none"],
        typer.Option(help="Of a batch: which photos get a report's folder beside their line of results.jsonl."),
    ] = "all",
    watch: Annotated[bool, typer.Option("--watch", help="Go on with photos that come into the folders.")] = False,
    every: Annotated[float, typer.Option(help="Seconds between two looks of --watch.")] = 2.0,
    idle: Annotated[float | None, typer.Option(help="End --watch after so many seconds without a new photo.")] = None,
    patience: Annotated[float, typer.Option(help="Seconds that one photo may take in a process of a batch.")] = 600.0,
    ray: Annotated[str | None, typer.Option(help="Inspect a batch on a Ray cluster: its address, or local.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Serve a batch's counters for Prometheus here.")] = None,
    spans: Annotated[
        bool, typer.Option("--spans", help="Send a batch's OpenTelemetry spans, where the OTEL_* variables say.")
    ] = False,
) -> None:
    """Inspect photos: good or not, where, why, how sure. Exit status 0 good, 1 anomalous, 2 wrong input."""
    from agent.text_limits import DESCRIPTION, QUESTION
    from looktwice.cli.output import Speaker
    from tools.errors import InputError

    normal = given_text("--normal", normal, DESCRIPTION)
    question = given_text("--question", question, QUESTION)
    batch = BatchOptions(workers, watch, every, idle, reports, patience, ray, metrics_port, spans)
    traced = trace or trace_out is not None
    if batch.asked and traced:
        raise InputError("--trace and --trace-out follow photos one by one; leave them out, or what asks for a batch.")
    named_folder = os.path.isdir(images[0])  # noqa: PTH112  # a Path raises where a name is too long
    many = (len(images) > 1 or named_folder or batch.asked) and not traced
    if batch.asked and out is None:
        raise InputError("a batch writes its results into a folder, and none was named; give --out DIR.")
    if out is not None:
        refuse_nested(out, images)
        writable_folder(out)
    photos = [] if many and out is not None else list(_photos(images, out))
    speaker = Speaker(json=json)
    from agent import Inspector

    open_inspector = partial(
        Inspector,
        profile,
        device=device,
        looks=looks,
        false_alarm=false_alarm,
        policy=policed(policy),
        language=language,
        store=store,
    )
    if many and out is not None:
        from looktwice.batch.command import inspect_many
        from looktwice.cli.learn import product_file

        def named(inspector: Inspector) -> Product | None:
            return _known(inspector, product, ref or [], normal)

        status = inspect_many(
            images,
            out,
            open_inspector,
            named,
            batch,
            speaker,
            product=product_file(product) if product else None,
            normal=normal,
            question=question,
        )
        raise typer.Exit(status)
    inspector = open_inspector()
    tracer = StepPrinter(printed=trace, file=trace_out)
    known = _known(inspector, product, ref or [], normal)
    names = Names(set(), out)
    refused = anomalous = 0
    for photo in photos:
        try:
            report = _inspect(inspector, photo, known, normal, question, tracer.of(photo))
        except InputError as error:
            refused += 1
            speaker.refuse(error)
            continue
        anomalous += report.verdict.anomalous
        speaker.report(report)
        if out is not None:
            report.save(out / names.fresh(photo))
    speaker.summary(len(photos) - refused, anomalous, refused, out)
    raise typer.Exit(2 if refused else 1 if anomalous else 0)


def _inspect(
    inspector: Inspector, photo: Path, known: Product | None, normal: str, question: str, on_step: OnStep | None
) -> InspectionReport:
    from tools.images import load_sample

    sample = replace(load_sample(photo), path=Path(shown_name(str(photo))))
    return inspector.inspect(sample, product=known, normal=normal, question=question, on_step=on_step)


def _known(inspector: Inspector, name: str | None, references: list[str], normal: str) -> Product | None:
    """A product by name, with the references given in the call besides its own; one of them alone; None without any."""
    from looktwice.cli.learn import load_product

    if name:
        known = load_product(inspector, name)
        return inspector.add(known, references)[0] if references else known
    return inspector.learn("product", references, describe=normal) if references else None


def _photos(images: list[Path], out: Path | None) -> Iterator[Path]:
    """The photos named, and those in the folders named, but for those of the output folder."""
    from looktwice.batch.inputs import listed

    return (found.path for found in listed(images, out))


def spread_refs(arguments: list[str]) -> list[str]:
    """Lets one `--ref` take several files, as a shell's wildcard gives them.

    >>> spread_refs(["inspect", "a.png", "--ref", "g1.png", "g2.png", "--json"])
    ['inspect', 'a.png', '--ref', 'g1.png', '--ref', 'g2.png', '--json']
    """
    spread: list[str] = []
    after_ref = False
    for n, argument in enumerate(arguments):
        if argument.startswith("-"):
            after_ref = argument == "--ref"
        elif after_ref and arguments[n - 1] != "--ref":
            spread.append("--ref")
        spread.append(argument)
    return spread


def command_line() -> list[str]:
    """The arguments of this process, as the parser wants them."""
    return spread_refs(sys.argv[1:])
