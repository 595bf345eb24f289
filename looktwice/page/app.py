"""Puts the tabs together and serves them: on this machine alone unless told so, behind a password where asked."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import gradio as gr

from looktwice.page.words import words_in
from tools.errors import InputError

if TYPE_CHECKING:
    from agent import Inspector

LARGEST_UPLOAD = 30 * 1024 * 1024
"""Bytes of one upload."""
AT_ONCE = 64
"""Visitors who may wait in our own line, which tells their place; those beyond wait in Gradio's."""
UNUSED = 3600
"""Seconds after which an upload is removed."""


@dataclass(frozen=True)
class Settings:
    """What a page is served with."""

    host: str = "127.0.0.1"
    port: int = 7860
    auth: Path | None = None
    """A file of lines `name:password`."""
    exposed: bool = False
    """Whether listening on other addresses without a password was asked for in so many words."""
    products: Path = Path("products")
    results: Path = Path("results")
    language: str = "en"
    mcp: bool = False


def build_page(inspector: Callable[[], Inspector], settings: Settings) -> gr.Blocks:
    """The page as Gradio blocks; `inspector` makes the inspector when it is first needed.

    Raises:
        tools.errors.InputError: no words in that language.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    from looktwice.page.api import add_api
    from looktwice.page.batch_tab import build_batch_tab
    from looktwice.page.context import PageContext
    from looktwice.page.engine import Engine
    from looktwice.page.evals_tab import build_evals_tab
    from looktwice.page.inspect_tab import build_inspect_tab
    from looktwice.page.products_tab import build_products_tab
    from looktwice.page.shelf import Shelf
    from looktwice.page.visits import Visits
    from prompts import render

    words = words_in(settings.language)
    page = PageContext(Engine(inspector, Shelf(settings.products)), Visits(), words, settings.results)
    with gr.Blocks(title="LookTwice", analytics_enabled=False, delete_cache=(UNUSED // 4, UNUSED)) as blocks:
        gr.HTML(render("page/head.html.jinja", words=words), elem_classes="lt-head", apply_default_css=False)
        with gr.Tabs():
            with gr.Tab(words["tab_inspect"], id="inspect"):
                chosen = build_inspect_tab(page)
            with gr.Tab(words["tab_products"], id="products"):
                build_products_tab(page, chosen)
            with gr.Tab(words["tab_batch"], id="batch"):
                build_batch_tab(page)
            with gr.Tab(words["tab_evals"], id="evals"):
                build_evals_tab(page)
        add_api(page, paths=is_local(settings.host))

        def leave(request: gr.Request) -> None:
            page.visits.leave(request.session_hash)

        blocks.unload(leave)
    blocks.queue(default_concurrency_limit=AT_ONCE)
    atexit.register(page.visits.close)
    return cast("gr.Blocks", blocks)


def serve(blocks: gr.Blocks, settings: Settings, *, block: bool = True) -> str:
    """Serves a page and gives its address.

    Args:
        blocks: from `build_page`.
        settings: the same as there.
        block: whether to go on until interrupted.

    Raises:
        tools.errors.InputError: the host would show the page to others unasked, the file of passwords has a fault, or
            the port is taken.
    """
    from looktwice.page.private import middleware, password_check
    from looktwice.page.theme import css, head, theme

    check = password_check(settings.auth) if settings.auth is not None else None
    refuse_exposure(settings)
    more: dict[str, Any] = {"middleware": middleware()}
    try:
        _, local, _ = blocks.launch(
            server_name=settings.host, server_port=settings.port, auth=check, share=False, quiet=True,
            prevent_thread_lock=True, show_error=False, max_file_size=LARGEST_UPLOAD, mcp_server=settings.mcp,
            ssr_mode=False, pwa=False, enable_monitoring=False, run_history=False, footer_links=["api"],
            theme=theme(), css=css(), head=head(), app_kwargs=more, max_threads=AT_ONCE + 16,
        )  # fmt: skip
    except OSError as error:
        raise InputError(
            f"port {settings.port} of {settings.host} cannot be used ({error}); give another with --port."
        ) from error
    if block:
        blocks.block_thread()
    return str(local)


def refuse_exposure(settings: Settings) -> None:
    """Refuses to show the page to other machines without a password, unless told so.

    Raises:
        tools.errors.InputError: that would happen.
    """
    if not is_local(settings.host) and settings.auth is None and not settings.exposed:
        raise InputError(
            f"--host {settings.host} would let other machines see every photo and product without a password; give "
            "--auth FILE (lines name:password), or --without-password if that is meant."
        )


def is_local(host: str) -> bool:
    """Whether only this machine can reach an address.

    >>> is_local("127.0.0.1"), is_local("0.0.0.0"), is_local("localhost")
    (True, False, True)
    """
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
