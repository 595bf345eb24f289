"""`looktwice world`: writes the procedural world as a data set, or as a gallery to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import Progress

from nano.world import write_gallery, write_world
from tools.errors import InputError


def world(
    directory: Annotated[Path | None, typer.Argument(help="Folder to write; new or empty.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 0,
    families: Annotated[list[str] | None, typer.Option(help="A product family; repeat for several.")] = None,
    split: Annotated[Literal["train", "heldout", "all"], typer.Option(help="Which families.")] = "all",
    count: Annotated[int, typer.Option(min=1, help="Images of each kind, for each family.")] = 20,
    style: Annotated[Literal["plain", "shift"], typer.Option(help="shift: other palette, textures, light.")] = "plain",
    gallery: Annotated[Path | None, typer.Option(help="Write an HTML page to look at instead.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what stands in DIRECTORY.")] = False,
) -> None:
    """Write the procedural product world: MVTec LOCO layout, parts, questions with answers."""
    if gallery is not None:
        write_gallery(gallery, seed=seed, families=families)
        typer.echo(f"{gallery}: written", err=True)
    if directory is None:
        if gallery is None:
            raise InputError("no folder given; name one to write the world to, or --gallery FILE.html to look at it.")
        return
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("rendering", total=None)
        write_world(
            directory,
            seed=seed,
            families=families,
            split=split,
            count=count,
            style=style,
            force=force,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    typer.echo(f"{directory}: written", err=True)
