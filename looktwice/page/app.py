"""Puts the tabs together and serves them: on this machine alone unless told so, behind a password where asked."""

from __future__ import annotations

import atexit
import ipaddress
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import gradio as gr
from fastapi import HTTPException

from looktwice.page.access import Hosts, Owners
from looktwice.page.api import add_api
from looktwice.page.context import PageContext
from looktwice.page.engine import Engine
from looktwice.page.logins import CALLER, Logins, WaitError, password_check
from looktwice.page.mcp_tools import serve_tools
from looktwice.page.proxies import without_proxies
from looktwice.page.security import AccessRules, middleware, upload_folder
from looktwice.page.sessions import Visits
from looktwice.page.tabs.batch import build_batch_tab
from looktwice.page.tabs.evals import build_evals_tab
from looktwice.page.tabs.inspect import build_inspect_tab
from looktwice.page.tabs.products import build_products_tab
from looktwice.page.widgets import css, head, theme
from looktwice.page.words import words_in
from looktwice.products import ProductStore
from prompts import render
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
class PageSettings:
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
    allow_hosts: tuple[str, ...] = ()
    """Further names that the page answers to, such as that of a proxy in front of it."""


def build_page(inspector: Callable[[], Inspector], settings: PageSettings) -> gr.Blocks:
    """The page as Gradio blocks; `inspector` makes the inspector when it is first needed.

    Raises:
        tools.errors.InputError: no words in that language.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    _own_upload_folder()
    words = words_in(settings.language)
    page = PageContext(Engine(inspector, ProductStore(settings.products)), Visits(), words, settings.results)
    with gr.Blocks(title="LookTwice", analytics_enabled=False, delete_cache=(UNUSED // 4, UNUSED)) as blocks:
        gr.HTML(render("page/head.html.jinja", words=words), elem_classes="lt-head", apply_default_css=False)
        with gr.Tabs():
            with gr.Tab(words["tab_inspect"], id="inspect"):
                chosen = build_inspect_tab(page)
            with gr.Tab(words["tab_products"], id="products"):
                listed = build_products_tab(page, chosen)
            with gr.Tab(words["tab_batch"], id="batch"):
                for_batch = build_batch_tab(page)
            with gr.Tab(words["tab_evals"], id="evals"):
                list_runs, runs = build_evals_tab(page)
        # Behind a proxy's name, callers may be other machines, which read no files of this one.
        blocks.looktwice_api = add_api(page, paths=is_local(settings.host) and not settings.allow_hosts)

        def products() -> tuple[Any, ...]:
            """The lists of products as they are when the page is opened."""
            choices = gr.update(choices=page.product_choices())
            return choices, gr.update(choices=page.engine.store.names()), choices

        hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        blocks.load(products, None, [chosen, listed, for_batch], **hidden)
        blocks.load(list_runs, None, runs, **hidden)

        def leave(request: gr.Request) -> None:
            page.visits.leave(request.session_hash)

        blocks.unload(leave)
    blocks.queue(default_concurrency_limit=AT_ONCE, max_size=AT_ONCE)
    blocks.looktwice_visits = page.visits
    atexit.register(page.visits.close)
    return cast("gr.Blocks", blocks)


def serve(blocks: gr.Blocks, settings: PageSettings, *, block: bool = True) -> str:
    """Serves a page and gives its address.

    Args:
        blocks: from `build_page`.
        settings: the same as there.
        block: whether to go on until interrupted.

    Raises:
        tools.errors.InputError: the host would show the page to others unasked, the file of passwords has a fault, or
            the port is taken.
    """
    logins = Logins(password_check(settings.auth)) if settings.auth is not None else None
    refuse_exposure(settings)
    rules = AccessRules(
        Owners(upload_folder()),
        Hosts(settings.host, frozenset(n.lower() for n in settings.allow_hosts)),
        logins,
        visits=getattr(blocks, "looktwice_visits", None),
    )
    more: dict[str, Any] = {"middleware": middleware(rules)}
    try:
        with without_proxies():
            _, local, _ = blocks.launch(
                server_name=settings.host,
                server_port=settings.port,
                auth=_gradio_check(logins) if logins else None,
                share=False,
                quiet=True,
                prevent_thread_lock=True,
                show_error=False,
                max_file_size=LARGEST_UPLOAD,
                mcp_server=settings.mcp,
                ssr_mode=False,
                pwa=False,
                enable_monitoring=False,
                run_history=False,
                footer_links=["api"],
                theme=theme(),
                css=css(),
                head=head(),
                app_kwargs=more,
                max_threads=AT_ONCE + 16,
            )
    except OSError as error:
        raise InputError(
            f"port {settings.port} of {settings.host} cannot be used ({error}); give another with --port."
        ) from error
    if settings.mcp:
        serve_tools(cast("Any", blocks).mcp_server_obj.mcp_server, cast("Any", blocks).looktwice_api)
    if block:
        blocks.block_thread()
    return str(local)


def _own_upload_folder() -> None:
    """Give uploads a folder that no other user of this machine can read or make, unless one was chosen."""
    if "GRADIO_TEMP_DIR" not in os.environ:
        folder = tempfile.mkdtemp(prefix="looktwice-uploads-")
        os.environ["GRADIO_TEMP_DIR"] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _gradio_check(logins: Logins) -> Callable[[str, str], bool]:
    """A check of passwords as Gradio's login calls it."""

    def check(name: str, word: str) -> bool:
        try:
            return logins.check(name, word, CALLER.get())
        except WaitError as error:
            raise HTTPException(429, str(error), {"Retry-After": str(error.seconds)}) from error

    return check


def refuse_exposure(settings: PageSettings) -> None:
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
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
