"""No photo leaves the machine because another program's tracing is switched on."""

import http.server
import threading

import pytest
from test_chat import World

from agent.tracing import VARIABLE, private_tracing


@pytest.fixture
def sink(monkeypatch):
    """A listening server on loopback that LangSmith's variables name; the paths of what was sent to it."""
    sent = []

    class Sink(http.server.BaseHTTPRequestHandler):
        def answer(self):
            sent.append(self.path)
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_GET = do_PATCH = answer  # noqa: N815

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in ("LANGSMITH", "LANGCHAIN"):
        monkeypatch.setenv(f"{name}_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv(f"{name}_API_KEY", "key")
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGCHAIN_TRACING_V2", "true")
    from langsmith import utils

    utils.get_env_var.cache_clear()
    yield sent
    server.shutdown()
    utils.get_env_var.cache_clear()


def waited():
    from langchain_core.tracers.langchain import wait_for_all_tracers

    wait_for_all_tracers()


def test_a_conversation_sends_nothing(sink):
    with private_tracing():  # the test's own photo is inspected by a bare graph
        world = World()
        world.chat().close()
    chat = world.chat()
    chat.ask("why is it bad?")
    waited()
    assert not sink


def test_an_inspection_sends_nothing(sink):
    import numpy as np

    from agent import Inspector

    Inspector("nano", looks=0).inspect(np.full((64, 64, 3), 90, np.uint8))
    waited()
    assert not sink


def test_tracing_runs_where_our_own_option_asks_for_it(sink, monkeypatch):
    from langsmith.utils import tracing_is_enabled

    with private_tracing():
        assert not tracing_is_enabled()
    monkeypatch.setenv(VARIABLE, "1")
    with private_tracing():
        assert tracing_is_enabled()
