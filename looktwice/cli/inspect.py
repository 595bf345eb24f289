"""`looktwice inspect`: photos in, reports out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from looktwice.cli.options import Device, FalseAlarm, Looks, Profile, writable_folder
from looktwice.cli.traces import Tracer, policed

if TYPE_CHECKING:
    from agent import InspectionReport, Inspector, Product
    from agent.inspector import OnStep


def inspect(
    images: Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.")],
    ref: Annotated[list[str] | None, typer.Option(help="A photo of a good one; several may follow one --ref.")] = None,
    product: Annotated[str | None, typer.Option(help="A learned product: its name, or its YAML file.")] = None,
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
    trace: Annotated[bool, typer.Option("--trace", help="Print each step as it ends, on standard error.")] = False,
    trace_out: Annotated[Path | None, typer.Option(help="A file that gets each step as a line of JSON.")] = None,
) -> None:
    """Inspect photos: good or not, where, why, how sure. Exit status 0 good, 1 anomalous, 2 wrong input."""
    from looktwice.cli.learn import load_product
    from looktwice.cli.say import Speaker
    from tools.errors import InputError

    photos = list(_photos(images))
    if out is not None:
        writable_folder(out)
    speaker = Speaker(json=json)
    from agent import Inspector

    inspector = Inspector(
        profile, device=device, looks=looks, false_alarm=false_alarm, policy=policed(policy), language=language
    )
    tracer = Tracer(printed=trace, file=trace_out)
    known = load_product(inspector, product) if product else _learned(inspector, ref or [], normal)
    names = _Names()
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

    sample = load_sample(photo)
    return inspector.inspect(sample, product=known, normal=normal, question=question, on_step=on_step)


def _learned(inspector: Inspector, references: list[str], normal: str) -> Product | None:
    """A product of the references given in the call; None without any."""
    if not references:
        return None
    return inspector.learn("product", references, describe=normal)


def _photos(images: list[Path]) -> Iterator[Path]:
    """The photos named, and those in the folders named."""
    from tools.images import find_images

    for path in images:
        if path.is_dir():
            yield from find_images(path)
        else:
            yield path


class _Names:
    """Folder names for photos; two photos of one name get two folders."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def fresh(self, photo: Path) -> str:
        """A name not given before, made of the photo's own."""
        name, n = photo.stem, 1
        while name in self._taken:
            n += 1
            name = f"{photo.stem}-{n}"
        self._taken.add(name)
        return name


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
