"""A server of the protocol that answers by a script: busy, broken, slow, or with something that is no completion."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Scripted(BaseHTTPRequestHandler):
    """Answers from a script; remembers what it was sent."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer(200, {"object": "list", "data": [{"id": n, "object": "model"} for n in self.server.models]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.seen.append((dict(self.headers), body))
            self.server.now += 1
            self.server.most = max(self.server.most, self.server.now)
            script = self.server.script
            step = script.pop(0) if len(script) > 1 else script[0]
        status, told, pause = step
        time.sleep(pause)
        with self.server.lock:
            self.server.now -= 1
        self.answer(status, told)

    def answer(self, status, told):
        data = told if isinstance(told, bytes) else json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Retry-After-Ms", "5")
        self.end_headers()
        self.wfile.write(data)


def said(text, logprobs=None):
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    return {
        "id": "a",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [choice | {"logprobs": logprobs}],
    }


@contextmanager
def served_by_script():
    """Such a server; its script holds (status, body, seconds), the last one for ever."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    server.lock, server.seen, server.now, server.most, server.models = threading.Lock(), [], 0, 0, ["m"]
    server.script = [(200, said("fine"), 0)]
    server.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
