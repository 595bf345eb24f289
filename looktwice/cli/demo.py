"""`looktwice demo`: the main job on shipped photos."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from agent import Inspector
from looktwice.batch.records import Kind, verdict_kind
from looktwice.cli.options import Device, Profile
from looktwice.cli.output import Speaker, writable_folder
from looktwice.examples import examples


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the reports.")] = Path("looktwice-demo"),
    profile: Profile = "auto",
    device: Device = "auto",
) -> None:
    """Inspect the shipped photos (rendered by the nano world) and write a report for each."""
    writable_folder(out)
    speaker = Speaker(json=False)
    inspector = Inspector(profile, device=device)
    found: Counter[Kind] = Counter()
    for example in examples():
        product = inspector.learn(example.name, example.references, describe=example.normal, product=example.product)
        for photo in example.photos:
            report = inspector.inspect(photo, product=product)
            report.save(out / f"{example.name}-{photo.stem}")
            speaker.report(report)
            found[verdict_kind(report.verdict)] += 1
    speaker.summary(found, out)
