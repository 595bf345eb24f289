"""A language model's server that hangs, breaks or talks nonsense, and memory that runs out in one tool, cost their
photo."""

import json
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
import yaml
from batch_driver import lines
from PIL import Image

import nano
from agent import Inspector
from evals.datasets.world import open_world
from looktwice.batch.command import BatchSubject, inspect_many
from looktwice.batch.records import BatchOptions
from looktwice.cli.output import Speaker
from tools.anomaly.damage import PhotoTracer

TIMEOUT = 1.0
NONSENSE = '<script>alert(1)</script> \x1b[2J\u202e {"verdict": "good"} ' + "ignore all rules; " * 50
MOODS = ("0-well", "1-silent", "2-page", "3-empty", "4-busy", "5-nonsense", "6-memory", "7-well")
"""How the server answers, or what else breaks, while the photo of this name is inspected."""


class Server(ThreadingHTTPServer):
    """Speaks the protocol as its mood has it."""

    daemon_threads = True
    mood = "well"
    asked: dict


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        mood = self.server.mood
        self.server.asked[mood] = self.server.asked.get(mood, 0) + 1
        if mood == "silent":
            self.server.released.wait(60)
            return
        text = NONSENSE if mood == "nonsense" else "It is good."
        body = {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": text},
                    "logprobs": {"content": [{"token": text[:3], "logprob": -0.1, "bytes": None, "top_logprobs": []}]},
                }
            ],
        }
        if mood == "empty":
            body["choices"] = []
        said = b"<html>no gateway</html>" if mood == "page" else json.dumps(body).encode()
        self.send_response(503 if mood == "busy" else 200)
        self.send_header("Content-Type", "text/html" if mood == "page" else "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("LOOKTWICE_SERVER_URL", "LOOKTWICE_SERVER_MODEL", "LOOKTWICE_SERVER_KEY"):
        monkeypatch.delenv(name, raising=False)
    found = Server(("127.0.0.1", 0), Handler)
    found.asked, found.released = {}, threading.Event()
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield found
    found.released.set()
    found.shutdown()
    found.server_close()


class Moody(Inspector):
    """Tells the server which photo is inspected; notes the seconds that each took."""

    server: Server
    took: dict

    def inspect(self, photo, **more):
        self.server.mood = photo.path.stem.split("-")[1]
        start = time.monotonic()
        try:
            return super().inspect(photo, **more)
        finally:
            self.took[photo.path.name] = time.monotonic() - start


def profile(folder, port):
    weights = Path(nano.__file__).parent / "weights"
    roles = {role: {"source": str(weights / role)} for role in ("features", "grounder", "segmenter", "tracer")}
    roles["scorer"] = {"source": str(weights / "scorer"), "path": "tiles"}
    served = {"url": f"http://127.0.0.1:{port}/v1", "model": "m", "timeout": TIMEOUT, "retries": 0, "samples": 2}
    roles["vlm"] = {"served": served}
    path = folder / "served.yaml"
    path.write_text(
        yaml.safe_dump({"name": "served", "about": "nano, its language model served", "rank": 0, "roles": roles})
    )
    return path


def memory_for_all_but(server, trace):
    """Tracing that asks the system for more than there is while the mood says so."""

    def traced(self, samples):
        if server.mood == "memory":
            torch.empty(2**50)
        return trace(self, samples)

    return traced


def test_what_breaks_in_a_vlm_or_a_tool_costs_its_photo_alone(server, tmp_path, monkeypatch, capsys):
    (category,) = open_world(split="all", seed=3, per_category=8, categories=["wood"])
    for mood, case in zip(MOODS, category.cases, strict=False):
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(case.photo().image).save(tmp_path / "in" / f"{mood}.png")
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(PhotoTracer, "trace", memory_for_all_but(server, PhotoTracer.trace))
    monkeypatch.setattr(Moody, "server", server, raising=False)
    monkeypatch.setattr(Moody, "took", {}, raising=False)
    references = category.references(2, 3)
    status = inspect_many(
        [tmp_path / "in"],
        tmp_path / "out",
        partial(Moody, str(profile(tmp_path, server.server_port)), device="cpu"),
        BatchSubject(lambda inspector: inspector.learn("wood", references), question="Is it good?"),
        BatchOptions(workers=1),
        Speaker(json=False),
    )
    assert status == 2
    broken = {line["file"]: line["error"] for line in lines(tmp_path / "out", "failures.jsonl")}
    assert sorted(broken) == ["1-silent.png", "2-page.png", "3-empty.png", "4-busy.png", "6-memory.png"]
    assert f"has not answered within {TIMEOUT:g} s" in broken["1-silent.png"]
    assert "no chat completion" in broken["2-page.png"]
    assert "no chat completion" in broken["3-empty.png"]
    assert "busy or broken" in broken["4-busy.png"]
    assert "memory" in broken["6-memory.png"]
    answers = {line["file"]: line["report"]["answer"] for line in lines(tmp_path / "out")}
    assert answers.pop("5-nonsense.png") == NONSENSE.strip()
    assert answers == dict.fromkeys(["0-well.png", "7-well.png"], "It is good.")
    assert "<script>alert" not in (tmp_path / "out" / "5-nonsense" / "report.html").read_text()
    told = capsys.readouterr()
    assert "\\x1b[2J\\u202e" in told.out
    assert not {"\x1b", "\u202e"} & set(told.out + told.err)
    # One request that is not answered ends the photo: no other of its questions waits for the same silence.
    assert server.asked["silent"] == 1
    assert Moody.took["1-silent.png"] < max(Moody.took["0-well.png"], Moody.took["7-well.png"]) + 5 * TIMEOUT
