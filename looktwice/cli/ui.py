"""`looktwice ui`: the page in a browser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from agent import Inspector
from agent.evidence.claims import languages
from looktwice import page
from looktwice.cli.eval import RESULTS_FOLDER
from looktwice.cli.options import FalseAlarm, ModelOptions
from looktwice.page.proxies import without_proxies


@dataclass(frozen=True)
class ServingOptions:
    """Where the page is served, and who may use it."""

    host: Annotated[str, typer.Option(help="Address to listen on; the default serves this machine alone.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 7860
    auth: Annotated[
        Path | None,
        typer.Option(
            help="File of lines name:password, each password of at least 8 characters; only the people in it may use "
            "the page. Other users must not be able to read the file (chmod 600)."
        ),
    ] = None
    without_password: Annotated[
        bool,
        typer.Option(
            "--without-password", help="Let other machines read and change everything on the page without a password."
        ),
    ] = False
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="<name>",
            help="Further host name that the page answers to, such as that of a proxy; give it again for more names.",
        ),
    ] = None
    share: Annotated[Literal["never"], typer.Option(help="The page is never put on a public address.")] = "never"
    mcp: Annotated[
        bool,
        typer.Option(
            "--mcp",
            help="Offer inspect, ask and learn as MCP tools as well; with --auth, MCP clients log in by HTTP basic "
            "authentication.",
        ),
    ] = False


def ui(
    serving: ServingOptions,
    models: ModelOptions,
    language: Annotated[str, typer.Option(help="Language of the page: en or zh.")] = "en",
    products: Annotated[Path, typer.Option(help="Folder of product files.")] = Path("products"),
    results: Annotated[Path, typer.Option(help="Folder of eval runs, or of one.")] = RESULTS_FOLDER,
    false_alarm: FalseAlarm = None,
) -> None:
    """Open the page: inspect photos, chat about them, learn products, run batches, read evals."""
    with without_proxies():
        settings = page.PageSettings(
            serving.host,
            serving.port,
            serving.auth,
            serving.without_password,
            products,
            results,
            language,
            serving.mcp,
            tuple(serving.allow_host or ()),
        )
    page.refuse_exposure(settings)
    # Made at once, so that a missing checkpoint is told before the page opens; its weights are loaded when first used.
    told = language if language in languages() else "en"
    inspector = Inspector(
        models.profile, device=models.device, looks=models.looks, false_alarm=false_alarm, language=told
    )
    blocks = page.build_page(lambda: inspector, settings)
    address = page.serve(blocks, settings, block=False)
    typer.echo(f"LookTwice, profile {inspector.profile}: {address}  (stop with Ctrl+C)")
    if serving.mcp:
        typer.echo(f"MCP: {address.rstrip('/')}/gradio_api/mcp/")
    blocks.block_thread()
