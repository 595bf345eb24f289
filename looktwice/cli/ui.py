"""`looktwice ui`: the page in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from agent import Inspector
from agent.evidence.claims import languages
from looktwice.cli.output import Device, FalseAlarm, Looks, Profile


def ui(
    host: Annotated[
        str, typer.Option(help="Address to listen on; the default serves this machine alone.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 7860,
    auth: Annotated[
        Path | None,
        typer.Option(
            help="File of lines name:password, each password of at least 8 characters; only the people in it may use "
            "the page. Other users must not be able to read the file (chmod 600)."
        ),
    ] = None,
    without_password: Annotated[
        bool,
        typer.Option(
            "--without-password", help="Let other machines read and change everything on the page without a password."
        ),
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="<name>",
            help="Further host name that the page answers to, such as that of a proxy; give it again for more names.",
        ),
    ] = None,
    share: Annotated[Literal["never"], typer.Option(help="The page is never put on a public address.")] = "never",
    mcp: Annotated[
        bool,
        typer.Option(
            "--mcp",
            help="Offer inspect, ask and learn as MCP tools as well; with --auth, MCP clients log in by HTTP basic "
            "authentication.",
        ),
    ] = False,
    language: Annotated[str, typer.Option(help="Language of the page: en or zh.")] = "en",
    products: Annotated[Path, typer.Option(help="Folder of product files.")] = Path("products"),
    results: Annotated[Path, typer.Option(help="Folder of eval runs.")] = Path("results"),
    profile: Profile = "auto",
    device: Device = "auto",
    looks: Looks = 3,
    false_alarm: FalseAlarm = None,
) -> None:
    """Open the page: inspect photos, chat about them, learn products, run batches, read evals."""
    from looktwice.page import PageSettings, build_page, serve
    from looktwice.page.app import refuse_exposure

    del share
    settings = PageSettings(
        host, port, auth, without_password, products, results, language, mcp, tuple(allow_host or ())
    )
    refuse_exposure(settings)
    # Made at once, so that a missing checkpoint is told before the page opens; its weights are loaded when first used.
    told = language if language in languages() else "en"
    inspector = Inspector(profile, device=device, looks=looks, false_alarm=false_alarm, language=told)
    blocks = build_page(lambda: inspector, settings)
    address = serve(blocks, settings, block=False)
    typer.echo(f"LookTwice, profile {inspector.profile}: {address}  (stop with Ctrl+C)")
    if mcp:
        typer.echo(f"MCP: {address.rstrip('/')}/gradio_api/mcp/")
    blocks.block_thread()
