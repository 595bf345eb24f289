"""`looktwice bench`: speed on this machine, beside what it could reach and beside a peer."""

from __future__ import annotations

import json as json_format
from typing import Annotated, Literal

import typer

from looktwice.cli.options import Device


def bench(
    name: Annotated[Literal["patch"], typer.Argument(help="patch: scoring patches by words.")] = "patch",
    model: Annotated[
        str, typer.Option(help="An open_clip architecture; its weights are random, speed does not depend on them.")
    ] = "ViT-B-16-plus-240",
    batch: Annotated[int, typer.Option(min=1, help="Images at once, beside one at a time.")] = 4,
    repeat: Annotated[int, typer.Option(min=1, help="Repetitions, of which the fastest counts.")] = 3,
    json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    device: Device = "auto",
) -> None:
    """Time the parts of an inspection; a peer is timed beside them where it is installed."""
    from rich.console import Console
    from rich.table import Table

    from evals.benches.patch import bench_patch

    del name
    console = Console(stderr=True)
    found = bench_patch(
        model, batch=batch, repeat=repeat, device=device, say=lambda what: console.print(f"measuring {what} ...")
    )
    if json:
        typer.echo(json_format.dumps(found.as_dict()))
        return
    table = Table("path", "at once", "s an image", "images/s", "GFLOP an image", "of the peak")
    for row in found.rows:
        table.add_row(
            row.name, str(row.batch), f"{row.seconds:.3f}", f"{1 / row.seconds:.2f}", f"{row.gflop:.0f}",
            f"{row.of_peak:.0%}",
        )  # fmt: skip
    out = Console()
    out.print(table)
    out.print(f"{found.model} on {found.device}, {found.threads} threads; peak {found.peak_gflops:.0f} GFLOP/s")
    differs = f"; windows differ by at most {found.parity:.1e}" if found.parity is not None else ""
    out.print(f"peer: {found.peer}{differs}")
