"""`looktwice eval`: a benchmark, measured on the reports that users get."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from looktwice.cli.options import Device, Looks, Profile, writable_folder


def evaluate(
    bench: Annotated[str, typer.Argument(help="world, medleys, mvtec-ad, mvtec-loco or folder.")],
    root: Annotated[Path | None, typer.Option(help="Folder of the data set; the world needs none.")] = None,
    category: Annotated[list[str] | None, typer.Option(help="A category; repeat for several.")] = None,
    shots: Annotated[int, typer.Option(min=0, help="References for each category.")] = 4,
    limit: Annotated[int | None, typer.Option(min=2, help="Cases over all categories.")] = None,
    seed: Annotated[int, typer.Option(help="Of the references, and of rendered images; of the first medley.")] = 0,
    split: Annotated[Literal["trained", "heldout", "all"], typer.Option(help="Families of the world.")] = "heldout",
    style: Annotated[Literal["plain", "shift"], typer.Option(help="Style of the world.")] = "plain",
    words: Annotated[bool, typer.Option(help="Give the data set's sentence on what good means.")] = True,
    out: Annotated[Path, typer.Option(help="Folder for results; a run that was stopped goes on there.")] = Path(
        "looktwice-eval"
    ),
    profile: Profile = "auto",
    device: Device = "auto",
    looks: Looks = 3,
) -> None:
    """Measure the inspector on a benchmark; writes results.json and predictions.jsonl, and resumes."""
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from agent import Inspector
    from evals.datasets import open_benchmark
    from evals.runner import Settings, run

    writable_folder(out)
    categories = open_benchmark(bench, root=root, categories=category, split=split, seed=seed, limit=limit, style=style)
    inspector = Inspector(profile, device=device, looks=looks)
    settings = Settings(
        benchmark=bench, profile=inspector.profile, shots=shots, seed=seed, limit=limit, split=split,
        style=style, categories=tuple(c.name for c in categories), looks=looks, words=words,
    )  # fmt: skip
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("inspecting", total=None)
        results = run(
            inspector, categories, settings, out,
            lambda done, total, _: progress.update(task, completed=done, total=total),
        )  # fmt: skip
    table = Table("metric", "mean", *(c.name for c in categories))
    for name, value in results.metrics.items():
        cells = (results.categories[c.name].get(name) for c in categories)
        table.add_row(name, f"{value:.3f}", *("" if v is None else f"{v:.3f}" for v in cells))
    Console().print(table)
