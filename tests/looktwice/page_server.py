"""A page that is served to a test, and a browser to look at it with."""

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from looktwice.page import Settings, build_page, serve

CHROMIUM = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(folder: Path, inspector, **more):
    """The address of a page that keeps its products in a folder."""
    os.environ["GRADIO_TEMP_DIR"] = str(folder / "gradio")
    settings = Settings(port=free_port(), products=folder / "products", results=folder / "results", **more)
    blocks = build_page(inspector, settings)
    address = serve(blocks, settings, block=False)
    try:
        yield address
    finally:
        blocks.close(verbose=False)


@contextmanager
def browser():
    """Debian's chromium, headless."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine; apt-get install chromium")
    with sync_api.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield opened
        opened.close()


def version():
    """Of the browser, for whoever reads a failure."""
    return (
        subprocess.run([CHROMIUM, "--version"], capture_output=True, text=True, check=False).stdout if CHROMIUM else ""
    )
