"""A page that is served to a test, visitors of it, and a browser to look at it with."""

import json
import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from looktwice.page import PageSettings, build_page, serve

CHROMIUM = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def served(folder: Path, inspector, **more):
    """The address of a page that keeps its products in a folder."""
    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(folder / "gradio")
    settings = PageSettings(port=free_port(), products=folder / "products", results=folder / "results", **more)
    blocks = build_page(inspector, settings)
    address = serve(blocks, settings, block=False)
    try:
        yield address
    finally:
        blocks.close(verbose=False)
        if before is not None:
            os.environ["GRADIO_TEMP_DIR"] = before


@contextmanager
def visitor(address):
    opened = httpx.Client(base_url=address, timeout=60)
    assert opened.get("/").status_code == 200
    yield opened
    opened.close()


def uploaded(who, name="part.png", content=b"pixels"):
    (path,) = who.post("/gradio_api/upload", files={"files": (name, content)}).json()
    return path


def raw(address, target, cookie="", host=None, method="GET", more=""):
    """A request whose target reaches the server as it is written; only the status line's number and the body."""
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as line:
        head = f"{method} {target} HTTP/1.1\r\nHost: {host or parts.netloc}\r\nCookie: {cookie}\r\n{more}"
        line.sendall(f"{head}Connection: close\r\n\r\n".encode())
        told = b""
        while piece := line.recv(65536):
            told += piece
    return int(told.split()[1]), told.partition(b"\r\n\r\n")[2]


def cookie_of(who):
    return "; ".join(f"{name}={value}" for name, value in who.cookies.items())


def named(path):
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def function(who, name):
    """The number of a private function of the page, and how many inputs it takes."""
    config = who.get("/config").json()
    texts = {c["id"]: c["props"].get("elem_id") for c in config["components"]}
    return next(
        (d["id"], len(d["inputs"]))
        for d in config["dependencies"]
        if any(texts.get(t[0]) == name for t in d["targets"])
    )


def called(who, name, data):
    answer = who.post(f"/gradio_api/call/{name}", json={"data": data})
    assert answer.status_code == 200, answer.text
    return who.get(f"/gradio_api/call/{name}/{answer.json()['event_id']}").text


def joined(who, name, data, session):
    """What a private function of the page says in the end, as text."""
    number, inputs = function(who, name)
    assert len(data) == inputs
    body = {"fn_index": number, "data": data, "session_hash": session}
    assert who.post("/gradio_api/queue/join", json=body).status_code == 200
    lines = who.get("/gradio_api/queue/data", params={"session_hash": session}).text.split("\n\n")
    messages = [json.loads(line[6:] or "{}") for line in lines]
    return json.dumps([m["output"] for m in messages if m.get("msg") in ("process_generating", "process_completed")])


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
