"""Spans of a batch: one an inspection and one a step, sent where the standard variables say, and only when asked."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from batch_driver import batch, photo, run
from typer.testing import CliRunner

from looktwice.batch.observers import EventLog, Several, Spans, provider_of_environment
from looktwice.cli.commands import app
from tools.errors import InputError

pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry is an extra: pip install 'looktwice[otel]'")
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

SHIPPED = Path(__file__).parents[2] / "looktwice" / "examples" / "wood"


@pytest.fixture
def folder(tmp_path):
    photo(tmp_path / "in" / "dark.png", 10)
    photo(tmp_path / "in" / "light.png", 240)
    photo(tmp_path / "in" / "raise.png", 240)
    (tmp_path / "in" / "text.png").write_text("hello")
    return tmp_path / "in"


@pytest.mark.parametrize("workers", [1, 2])
def test_each_photo_has_a_span_with_its_verdict_and_one_for_each_step(folder, tmp_path, workers):
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    made = batch(folder, tmp_path / "out")
    run(made, workers=workers, slow=0.02, observer=Several([EventLog(made.out), Spans(provider)]))
    spans = kept.get_finished_spans()
    whole = {s.attributes["looktwice.file"]: s for s in spans if s.name == "looktwice.inspect"}
    kinds = {name: s.attributes["looktwice.kind"] for name, s in whole.items()}
    assert kinds == {"dark.png": "anomalous", "light.png": "good", "raise.png": "failed", "text.png": "refused"}
    assert whole["dark.png"].attributes["looktwice.product"] == "quick"
    assert whole["dark.png"].attributes["looktwice.profile"] == "quick"
    assert whole["dark.png"].attributes["looktwice.score"] > 0.9
    codes = {name: s.status.status_code is StatusCode.ERROR for name, s in whole.items()}
    assert codes == {"dark.png": False, "light.png": False, "raise.png": True, "text.png": True}
    steps = [s for s in spans if s.parent and s.parent.span_id == whole["dark.png"].context.span_id]
    assert {s.name for s in steps} == {"looktwice.decode", "looktwice.glance", "looktwice.write"}
    (glance,) = [s for s in steps if s.name == "looktwice.glance"]
    assert glance.end_time - glance.start_time == pytest.approx(0.02e9)
    assert whole["dark.png"].start_time <= min(s.start_time for s in steps)
    assert whole["dark.png"].end_time >= max(s.end_time for s in steps)


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_the_command_sends_them_to_the_collector_that_the_environment_names(tmp_path):
    collector = HTTPServer(("127.0.0.1", 0), Collector)
    collector.got = []
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    where = f"http://127.0.0.1:{collector.server_port}"
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": where, "OTEL_SERVICE_NAME": "line-7", "NO_PROXY": "*"}
    code = "from looktwice.cli import main; main()"
    command = [sys.executable, "-c", code, "inspect", str(SHIPPED / "scratch.png"), "--profile", "nano"]
    asked = [*command, "--out", str(tmp_path / "out"), "--spans", "--looks", "0"]
    try:
        assert subprocess.run(asked, env=environment, timeout=120, check=False).returncode in (0, 1, 3)
    finally:
        collector.shutdown()
        collector.server_close()
    ((path, content),) = collector.got
    assert path == "/v1/traces"
    for word in (b"line-7", b"looktwice.inspect", b"looktwice.glance", b"scratch.png", b"nano"):
        assert word in content


def test_an_exporter_that_nobody_offers_is_refused_with_those_that_are_there(monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "carrier-pigeon")
    with pytest.raises(InputError, match=r"carrier-pigeon.*console"):
        provider_of_environment()


def test_without_the_packages_the_command_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(InputError, match=r"pip install 'looktwice\[otel\]'"):
        provider_of_environment()


def test_nothing_is_sent_unless_asked():
    help_text = CliRunner().invoke(app, ["inspect", "--help"], env={"COLUMNS": "200"}).output
    assert "--spans" in help_text
    code = "import sys, looktwice.batch.command; sys.exit(any(m.startswith('opentelemetry.sdk') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
