"""A language model on a server describes parts and proposes rules; nano's other models prove them on good photos."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agent import Inspector
from nano.world import render
from tools.profiles import load_profile


class Server(BaseHTTPRequestHandler):
    """Speaks of meal boxes in the protocol of chat completions, by the schema that it is sent."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        schema = body["response_format"]["json_schema"]["schema"]
        self.server.seen.append(schema)
        told = {
            "parts": [{"label": n, "phrase": n, "look": "whole"} for n in ("box", "tomato", "egg", "rice", "salad")]
        }
        if "rules" in schema["properties"]:
            known = schema["$defs"]["CountProposal"]["properties"]["part"]["enum"]
            told = {"rules": [{"kind": "count", "part": part, "low": 1, "high": 40} for part in known]}
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": json.dumps(told)}}
        reply = {"id": "a", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        data = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.mark.slow
def test_a_served_vlm_proposes_by_the_schema_and_the_references_prove_it(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.seen = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    roles = {
        r: {"source": load_profile("nano").role(r).source} for r in ("scorer", "features", "grounder", "segmenter")
    }
    served = {"url": f"http://127.0.0.1:{server.server_port}/v1", "model": "m"}
    roles |= {"tracer": {"source": load_profile("nano").role("tracer").source}, "vlm": {"served": served}}
    (tmp_path / "mine.yaml").write_text(json.dumps({"name": "mine", "roles": roles}))
    inspector = Inspector(str(tmp_path / "mine.yaml"))
    try:
        product = inspector.learn(
            "meal box", [render("meal_box", seed=91, index=1_000_000 + n, defect=None).image for n in range(2)]
        )
    finally:
        server.shutdown()
        server.server_close()
    kept = [rule for rule in product.spec.rules if rule.origin == "proposed"]
    assert kept
    assert all(rule.support == 2 for rule in kept)
    # It is told what people call the parts; the rules speak of their labels.
    known = server.seen[-1]["$defs"]["CountProposal"]["properties"]["part"]["enum"]
    assert {product.spec.called[rule.part] for rule in kept} == set(known)
