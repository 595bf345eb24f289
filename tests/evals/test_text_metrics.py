"""Answers in words: ROUGE-L by definition, SBERT where it is on disk, and a judge on a server of the common kind."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.metrics.judge import KEY, Judge, grade_of
from evals.metrics.text import Sbert, rouge_l
from tools.errors import InputError, ModelError

words = st.lists(st.sampled_from(["pin", "cap", "red", "top", "left"]), min_size=1, max_size=8)


def longest_common(left, right):
    if not left or not right:
        return 0
    if left[-1] == right[-1]:
        return 1 + longest_common(left[:-1], right[:-1])
    return max(longest_common(left[:-1], right), longest_common(left, right[:-1]))


@given(words, words)
def test_rouge_l_is_the_f1_of_the_longest_common_subsequence(answer, reference):
    shared = longest_common(tuple(answer), tuple(reference))
    expected = 2 * shared / (len(answer) + len(reference))
    assert rouge_l(" ".join(answer), " ".join(reference)) == pytest.approx(expected)


def test_sbert_that_is_not_on_disk_is_absent_with_the_command_that_brings_it(tmp_path):
    with pytest.raises(ModelError, match="hf download nobody/no-such-encoder"):
        Sbert.open("nobody/no-such-encoder")


def test_sbert_is_the_cosine_of_a_model_on_disk(tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizer

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dent", "scratch", "crack"]
    (tmp_path / "vocab.txt").write_text("\n".join(names))
    BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path / "bert")
    config = BertConfig(
        vocab_size=len(names), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    BertModel(config).save_pretrained(tmp_path / "bert")
    inner = Transformer(str(tmp_path / "bert"))
    SentenceTransformer(modules=[inner, Pooling(16)], device="cpu").save(str(tmp_path / "sbert"))
    found = Sbert.open(str(tmp_path / "sbert"))
    same, other = found.cosines(["a dent", "a dent"], ["a dent", "a crack"])
    assert same == pytest.approx(1.0, abs=1e-5)
    assert other < same
    assert found.cosines([], []) == []


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ("Score: 7", 7.0),
        ("The place is right.\nScore: 6.5", 6.5),
        ("**Score: 8/10**", 8.0),
        ("9", 9.0),
        ("Score: 11", None),
        ("I give it 7 points", None),
        ("", None),
        ("Score: 3\nScore: 5", 5.0),
    ],
)
def test_a_grade_is_read_strictly(text, grade):
    assert grade_of(text) == grade


@pytest.fixture
def server():
    """An OpenAI-compatible server that grades by the answer's length and remembers what it was sent."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append((self.path, self.headers["Authorization"], body))
            said = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Near.\nScore: 6"}}]}
            said |= {"id": "1", "object": "chat.completion", "created": 0, "model": "m"}
            content = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    found = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{found.server_port}/v1", seen
    found.shutdown()
    thread.join()


def test_a_judge_sends_the_published_prompt_with_the_key_of_the_environment(server, monkeypatch):
    address, seen = server
    monkeypatch.setenv(KEY, "secret")
    judge = Judge.open(address, "grader")
    assert judge.grade("What is wrong?", "A dent.", "A scratch.") == 6.0
    ((path, key, body),) = seen
    assert (path, key, body["model"], body["temperature"]) == ("/v1/chat/completions", "Bearer secret", "grader", 0)
    asked = body["messages"][-1]["content"]
    assert all(text in asked for text in ("What is wrong?", "A dent.", "A scratch.", "from 0 to 10"))
    assert judge.about.startswith("grader, prompts/judge.yaml ")
    assert "secret" not in judge.about


def test_a_judge_that_cannot_be_reached_or_has_no_name_is_named():
    with pytest.raises(InputError, match="--judge-model"):
        Judge.open("http://127.0.0.1:9", "")
    with pytest.raises(InputError, match="no address"):
        Judge.open("localhost", "m")
    from openai import OpenAI

    dead = Judge(OpenAI(base_url="http://127.0.0.1:9/v1", api_key="x", max_retries=0), "m", "http://127.0.0.1:9/v1")
    with pytest.raises(ModelError, match=r"judge http://127\.0\.0\.1:9/v1"):
        dead.grade("q", "r", "a")
