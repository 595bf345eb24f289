"""`looktwice inspect`: photos in, reports out."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Annotated

import typer

from agent import Inspector, Product
from agent.photo_input import expanded_paths
from agent.products.files import product_file
from agent.text_limits import DESCRIPTION, QUESTION
from looktwice.batch.inputs import listed
from looktwice.batch.records import BatchOptions, Kind, Names, exit_status, shown_name, verdict_kind
from looktwice.cli.learn import load_product
from looktwice.cli.options import FalseAlarm, Language, ModelOptions, Range
from looktwice.cli.output import (
    Speaker,
    StepPrinter,
    given_text,
    policed,
    refuse_nested,
    stage_printer,
    writable_folder,
)
from tools.display_text import display_text
from tools.errors import InputError
from tools.images import load_sample


@dataclass(frozen=True)
class ProductOptions:
    """What the photos show, and what is asked about them."""

    ref: Annotated[
        list[str] | None, typer.Option(help="A photo of a good one, or a folder; several may follow one --ref.")
    ] = None
    product: Annotated[str | None, typer.Option(help="A learned or ready-made product: name or YAML file.")] = None
    normal: Annotated[str, typer.Option(help="What good means: 'two bolts, three nuts'.")] = ""
    question: Annotated[str, typer.Option(help="Something to answer about each photo.")] = ""

    @property
    def references(self) -> list[Path]:
        """The files that --ref names, by themselves, in folders and by patterns.

        Raises:
            InputError: a folder holds no photos, or nothing matches a pattern.
        """
        return list(expanded_paths(map(Path, self.ref or ())))

    def checked(self) -> ProductOptions:
        """Return them with texts as the inspector takes them.

        Raises:
            InputError: a text is too long.
        """
        normal = given_text("--normal", self.normal, DESCRIPTION)
        return replace(self, normal=normal, question=given_text("--question", self.question, QUESTION))


@dataclass(frozen=True)
class OutputOptions:
    """Where reports and steps go."""

    out: Annotated[Path | None, typer.Option(help="Folder for report.json, report.html and overlay.png.")] = None
    json: Annotated[bool, typer.Option("--json", help="One report a line on standard output.")] = False
    trace: Annotated[bool, typer.Option("--trace", help="Print each step as it ends, on standard error.")] = False
    trace_out: Annotated[Path | None, typer.Option(help="A file that gets each step as a line of JSON.")] = None

    @property
    def traced(self) -> bool:
        """Whether steps are shown."""
        return self.trace or self.trace_out is not None


@dataclass(frozen=True)
class DecisionOptions:
    """How a photo is judged, and in which language."""

    false_alarm: FalseAlarm = None
    policy: Annotated[
        str, typer.Option(help="How second looks are chosen: fixed, chosen (by the language model), none.")
    ] = "fixed"
    language: Language = "en"
    mm_per_px: Annotated[
        float | None, typer.Option(help="Millimetres that a pixel shows, such as 0.05: sizes are told in millimetres.")
    ] = None
    value_range: Range = None
    store: Annotated[
        Path | None,
        typer.Option(help="SQLite file of inspections: one that was stopped resumes, a finished one is read."),
    ] = None


def inspect(
    images: Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.")],
    asked: ProductOptions,
    output: OutputOptions,
    models: ModelOptions,
    decision: DecisionOptions,
    batch: BatchOptions,
) -> None:
    """Inspect photos: good or not, where, why, how sure.

    Exit status 0 good, 1 anomalous, 2 wrong input, 3 undecided, or good but not fully checked. Of several photos the
    most serious counts: 2 before 1 before 3 before 0.
    """
    asked, out = asked.checked(), output.out
    images = list(expanded_paths(images, folders=False))
    if batch.asked and output.traced:
        raise InputError("--trace and --trace-out follow photos one by one; leave them out, or what asks for a batch.")
    named_folder = os.path.isdir(images[0])  # noqa: PTH112  # a Path raises where a name is too long
    many = (len(images) > 1 or named_folder or batch.asked) and not output.traced
    if batch.asked and out is None:
        raise InputError("a batch writes its results into a folder, and none was named; give --out DIR.")
    if out is not None:
        refuse_nested(out, images)
        writable_folder(out)
    open_inspector = partial(
        Inspector,
        models.profile,
        device=models.device,
        looks=models.looks,
        false_alarm=decision.false_alarm,
        policy=policed(decision.policy),
        language=decision.language,
        store=decision.store,
        mm_per_px=decision.mm_per_px,
        value_range=decision.value_range,
    )
    if many and out is not None:
        from looktwice.batch.command import BatchSubject, inspect_many

        subject = BatchSubject(
            partial(_known, asked=asked),
            product_file(asked.product) if asked.product else None,
            tuple(asked.references),
            asked.normal,
            asked.question,
        )
        status = inspect_many(images, out, open_inspector, subject, batch, Speaker(json=output.json))
    else:
        status = _inspect_each(list(_photos(images, out)), open_inspector(), asked, output)
    raise typer.Exit(status)


def _inspect_each(photos: Sequence[Path], inspector: Inspector, asked: ProductOptions, output: OutputOptions) -> int:
    """Inspect photos one by one; the exit status."""
    speaker = Speaker(json=output.json)
    tracer = StepPrinter(printed=output.trace, file=output.trace_out)
    names = Names(set(), output.out)
    found: Counter[Kind] = Counter()
    # Nothing is learned before there is a photo to inspect.
    product = cache(partial(_known, inspector, asked))
    for photo in photos:
        try:
            sample = replace(load_sample(photo), path=Path(shown_name(str(photo))))
        except InputError as error:
            found["refused"] += 1
            speaker.refuse(error)
            continue
        report = inspector.inspect(
            sample, product=product(), normal=asked.normal, question=asked.question, on_step=tracer.of(photo)
        )
        found[verdict_kind(report.verdict)] += 1
        speaker.report(report)
        if output.out is not None:
            report.save(output.out / names.fresh(photo, report.image))
    speaker.summary(found, output.out)
    return exit_status(found)


def _known(inspector: Inspector, asked: ProductOptions) -> Product | None:
    """A product by name, with the references given in the call besides its own; one of them alone; None without any."""
    references = asked.references
    if asked.product:
        known = load_product(inspector, asked.product)
        return inspector.add(known, references)[0] if references else known
    if not references:
        return None
    learned = inspector.learn("product", references, describe=asked.normal, on_stage=stage_printer(len(references)))
    for note in learned.notes:
        typer.echo(display_text(f"note: {note}"), err=True)
    return learned


def _photos(images: list[Path], out: Path | None) -> Iterator[Path]:
    """The photos named, and those in the folders named, but for those of the output folder."""
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
