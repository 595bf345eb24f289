"""A language model on a server: real servers of the protocol (llama.cpp's, transformers'), and one that misbehaves."""

import json
import logging
import math
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from checkpoints import plate
from scripted_server import said, served_by_script

from tools.errors import InputError, ModelError
from tools.models.loading import load_model
from tools.profiles import ModelSpec, load_profile, readiness
from tools.profiles.specification import ServedSpec, VLMSpec
from tools.toolbox import Toolbox
from tools.vlm import LocalVLM, Turn
from tools.vlm.answers import from_candidates, tell_apart
from tools.vlm.server import ServerVLM

NANO = Path(__file__).parents[2] / "nano" / "weights" / "vlm"
ASKED = [
    "Is it good? Answer with Yes or No.",
    "Does the metal nut in the image have any defects? Answer with Yes or No.",
    "Is the tray in the image good and free of defects? Answer with Yes or No.",
]
KEY = "sk-very-secret-123"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("LOOKTWICE_SERVER_URL", "LOOKTWICE_SERVER_MODEL", "LOOKTWICE_SERVER_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def local():
    return LocalVLM(load_model(ModelSpec(source=str(NANO)), "vlm", "cpu"))


@pytest.fixture(scope="module")
def llama_cpp(tmp_path_factory):
    """llama.cpp's server with nano's language model and a random image tower."""
    xllamacpp = pytest.importorskip("xllamacpp")
    from gguf_files import write_language, write_tower

    folder = tmp_path_factory.mktemp("gguf")
    write_language(NANO, folder / "nano.gguf")
    write_tower(folder / "tower.gguf", 192)
    asked = xllamacpp.CommonParams()
    asked.model.path, asked.mmproj.path = str(folder / "nano.gguf"), str(folder / "tower.gguf")
    asked.n_ctx, asked.n_parallel, asked.cpuparams.n_threads, asked.port, asked.warmup = 640, 1, 1, 0, False
    server = xllamacpp.Server(asked)
    yield f"{server.listening_address}/v1"
    del server


@pytest.fixture(scope="module")
def transformers_server(tmp_path_factory):
    """`transformers serve` with nano's language model; it gives no log-probabilities."""
    pytest.importorskip("openai")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    log = (tmp_path_factory.mktemp("serve") / "log").open("w")
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(NANO), "--device", "cpu"]
    command += ["--dtype", "float32", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, Path(log.name).read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(20)
        log.close()


@pytest.mark.parametrize("question", ASKED)
def test_log_probabilities_of_a_server_are_those_of_the_model_itself(llama_cpp, local, question):
    served, turns = ServerVLM(ServedSpec(url=llama_cpp)), [Turn("user", question)]
    assert served.yes_no([], turns) == pytest.approx(local.yes_no([], turns), abs=2e-3)
    assert served.answer([], turns, 8) == local.answer([], turns, 8)


def test_options_that_begin_apart_are_weighed_by_their_first_token(llama_cpp, local):
    turns = [Turn("user", ASKED[0])]
    found = ServerVLM(ServedSpec(url=llama_cpp)).choose([], turns, ["Yes", "No"])
    expected = local.choose([], turns, ["Yes", "No"])
    assert found == pytest.approx(expected, abs=2e-3)
    assert list(found) == ["Yes", "No"]


def test_a_photo_reaches_the_server_and_matters(llama_cpp):
    served, turns = ServerVLM(ServedSpec(url=llama_cpp)), [Turn("user", ASKED[1], 1)]
    dark, light = np.full((70, 90, 3), 10, np.uint8), np.full((70, 90, 3), 245, np.uint8)
    told = [served.yes_no([photo], turns) for photo in (dark, light, dark)]
    assert abs(told[0] - told[1]) > 1e-3
    assert told[0] == pytest.approx(told[2], abs=1e-4)
    pair = [Turn("system", "You inspect parts."), Turn("user", ASKED[1], 2)]
    assert 0 < served.yes_no([dark, light], pair) < 1


def test_the_only_model_of_a_server_is_found_and_stated(llama_cpp):
    served = ServerVLM(ServedSpec(url=llama_cpp))
    assert served.describe()["name"] == "unknown"
    served.answer([], [Turn("user", "Say something.")], 2)
    assert served.describe()["name"] == served.name != "unknown"
    assert served.describe()["device"] == llama_cpp


def test_without_log_probabilities_answers_are_drawn_and_counted_which_is_said_once(transformers_server, local, caplog):
    served = ServerVLM(ServedSpec(url=transformers_server, model=str(NANO), samples=48, at_once=1))
    photo = [plate(0, (64, 64))]
    with caplog.at_level(logging.WARNING, "looktwice"):
        for question in ASKED[:2]:
            turns = [Turn("user", question, 1)]
            # 48 draws: three standard errors of a share of a half are 0.22.
            assert served.yes_no(photo, turns) == pytest.approx(local.yes_no(photo, turns), abs=0.22)
    lines = [r.getMessage() for r in caplog.records if r.name == "looktwice"]
    assert len(lines) == 1
    assert "no log-probabilities" in lines[0]


def test_a_served_answer_about_a_photo_is_the_local_one(transformers_server, local):
    served = ServerVLM(ServedSpec(url=transformers_server, model=str(NANO)))
    turns = [Turn("user", "Describe the metal nut in the image and any defect that you see.", 1)]
    photo = [plate(3, (128, 128))]
    assert served.answer(photo, turns, 12) == local.answer(photo, turns, 12) != ""


def test_a_server_that_always_says_the_same_is_not_taken_to_be_certain_in_silence(faulty, caplog):
    faulty.script = [(200, said("Yes"), 0)]
    served = ServerVLM(ServedSpec(url=faulty.url, samples=4))
    with caplog.at_level(logging.WARNING, "looktwice"):
        found = [served.yes_no([], [Turn("user", "Well?")]) for _ in range(2)]
    assert found == [pytest.approx((4.5 + 0.5) / 6)] * 2
    assert [r.getMessage() for r in caplog.records if "one answer 4 times" in r.getMessage()] != []
    assert len(faulty.seen) == 1 + 4 + 4 + 4


SCHEMA = {
    "type": "object",
    "properties": {"part": {"type": "string", "enum": ["bolt", "red nut"]}, "count": {"type": "integer"}},
    "required": ["part", "count"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("question", ASKED)
def test_a_server_that_takes_a_schema_answers_by_it(llama_cpp, question):
    served = ServerVLM(ServedSpec(url=llama_cpp))
    held = json.loads(served.answer([], [Turn("user", question)], 60, schema=SCHEMA))
    assert held["part"] in ("bolt", "red nut")
    assert isinstance(held["count"], int)
    assert not served.answer([], [Turn("user", question)], 60).startswith("{")


def test_a_schema_is_sent_as_the_protocol_has_it(faulty):
    served = ServerVLM(ServedSpec(url=faulty.url))
    served.answer([], [Turn("user", "Well?")], schema=SCHEMA)
    served.answer([], [Turn("user", "Well?")])
    asked = [body.get("response_format") for _, body in faulty.seen]
    assert asked == [{"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}, None]


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_refuses_a_schema_is_asked_without_from_then_on_which_is_said_once(faulty, status, caplog):
    refusal = {"error": {"message": "response_format is not supported"}}
    faulty.script = [(status, refusal, 0), (200, said("freely"), 0)]
    served = ServerVLM(ServedSpec(url=faulty.url, retries=0))
    with caplog.at_level(logging.WARNING, "looktwice"):
        told = [served.answer([], [Turn("user", "Well?")], schema=SCHEMA) for _ in range(2)]
    assert told == ["freely"] * 2
    assert ["response_format" in body for _, body in faulty.seen] == [True, False, False]
    assert len([r for r in caplog.records if "no JSON Schema" in r.getMessage()]) == 1


def test_a_server_that_refuses_for_another_reason_is_not_taken_to_know_no_schema(faulty):
    refusal = {"error": {"message": "too many images"}}
    faulty.script = [(400, refusal, 0), (400, refusal, 0), (200, said("fine"), 0)]
    served = ServerVLM(ServedSpec(url=faulty.url, retries=0))
    with pytest.raises(ModelError, match="too many images"):
        served.answer([], [Turn("user", "Well?")], schema=SCHEMA)
    assert served.answer([], [Turn("user", "Well?")], schema=SCHEMA) == "fine"
    assert ["response_format" in body for _, body in faulty.seen] == [True, False, True]


def test_a_server_that_knows_no_schemas_answers_all_the_same(transformers_server, local):
    served, turns = ServerVLM(ServedSpec(url=transformers_server, model=str(NANO))), [Turn("user", ASKED[0])]
    assert served.answer([], turns, 6, schema=SCHEMA) == local.answer([], turns, 6)


@pytest.fixture
def faulty():
    with served_by_script() as server:
        yield server


def asked(server, **how):
    return ServerVLM(ServedSpec(url=server.url, **how)).answer([], [Turn("user", "Well?")])


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(faulty, status):
    faulty.script = [(status, {"error": {"message": "busy"}}, 0)] * 2 + [(200, said("fine"), 0)]
    assert asked(faulty, retries=2) == "fine"
    assert len(faulty.seen) == 3


def test_a_server_that_stays_broken_is_given_up_with_a_sentence(faulty):
    faulty.script = [(500, {"error": {"message": "out of order"}}, 0)]
    with pytest.raises(ModelError, match=r"busy or broken after 2 tries.*out of order"):
        asked(faulty, retries=1)
    assert len(faulty.seen) == 2


def test_a_server_that_is_slow_is_given_up_with_the_seconds(faulty):
    faulty.script = [(200, said("late"), 1.0)]
    with pytest.raises(ModelError, match=r"not answered within 0\.2 s, 1 times"):
        asked(faulty, retries=0, timeout=0.2)


def test_a_server_that_is_not_there_is_said(faulty):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(ModelError, match=r"cannot be reached.*LOOKTWICE_SERVER_URL"):
        ServerVLM(ServedSpec(url=url, retries=0)).answer([], [Turn("user", "Well?")])


def test_the_key_comes_from_the_environment_and_is_said_nowhere(faulty, monkeypatch, caplog):
    monkeypatch.setenv("MY_KEY", KEY)
    spec = ServedSpec(url=faulty.url, key_from="MY_KEY", retries=0)
    faulty.script = [
        (200, said("fine"), 0),
        (401, {"error": {"message": f"bad key {KEY}"}}, 0),
        (400, {"error": {"message": f"no images, {KEY}"}}, 0),
    ]
    served, messages = ServerVLM(spec), []
    with caplog.at_level(logging.DEBUG):
        assert served.answer([], [Turn("user", "Well?")]) == "fine"
        for expected in ("MY_KEY", "sees images"):
            with pytest.raises(ModelError, match=expected) as caught:
                served.answer([], [Turn("user", "Well?")])
            messages.append(str(caught.value))
    assert {k.lower(): v for k, v in faulty.seen[0][0].items()}["authorization"] == f"Bearer {KEY}"
    for text in (*messages, caplog.text, repr(spec), repr(served.describe()), spec.model_dump_json()):
        assert KEY not in text


def test_no_more_requests_are_under_way_than_allowed(faulty):
    faulty.script = [(200, said("fine"), 0.05)]
    served = ServerVLM(ServedSpec(url=faulty.url, model="m", at_once=2))
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: served.answer([], [Turn("user", "Well?")]), range(8)))
    assert told == ["fine"] * 8
    assert faulty.most == 2


def test_photos_at_a_time_ask_at_once_and_no_more_than_allowed(faulty):
    faulty.script = [(200, said("fine"), 0.2)]
    served, lanes = ServerVLM(ServedSpec(url=faulty.url, model="m", at_once=3)), ThreadPoolExecutor(5)
    told = [lanes.submit(served.answer, [], [Turn("user", "Well?")]) for _ in range(5)]
    assert [future.result(20) for future in told] == ["fine"] * 5
    assert faulty.most == 3
    lanes.shutdown()


@pytest.mark.parametrize("told", [b"<html>hello</html>", {"hello": 1}, {"choices": []}])
def test_something_that_is_no_completion_is_said(faulty, told):
    faulty.script = [(200, told, 0)]
    with pytest.raises(ModelError, match=faulty.url.replace(".", r"\.")):
        asked(faulty, retries=0)


def test_several_models_must_be_chosen_from(faulty, monkeypatch):
    faulty.models = ["one", "two"]
    with pytest.raises(ModelError, match="serves 2 models \\(one, two\\); name one"):
        asked(faulty)
    monkeypatch.setenv("LOOKTWICE_SERVER_MODEL", "two")
    assert asked(faulty) == "fine"
    assert faulty.seen[-1][1]["model"] == "two"


def test_an_unknown_model_is_said(faulty):
    faulty.script = [(404, {"error": {"message": "model `x` does not exist"}}, 0)]
    with pytest.raises(ModelError, match=r"knows no such model.*does not exist"):
        asked(faulty, model="x", retries=0)


def test_candidates_of_which_none_says_an_option_leave_it_undecided(faulty):
    top = [{"token": t, "logprob": math.log(p), "bytes": None} for t, p in (("The", 0.8), ("Nothing", 0.1))]
    told = said("The", {"content": [{"token": "The", "logprob": -0.2, "bytes": None, "top_logprobs": top}]})
    faulty.script = [(200, told, 0)]
    assert ServerVLM(ServedSpec(url=faulty.url)).yes_no([], [Turn("user", "Well?")]) == pytest.approx(0.5)


def test_options_that_begin_alike_are_asked_for_by_letter(faulty):
    top = [{"token": t, "logprob": math.log(p), "bytes": None} for t, p in ((" B", 0.6), ("A", 0.2), ("C", 0.1))]
    told = said("B", {"content": [{"token": " B", "logprob": -0.5, "bytes": None, "top_logprobs": top}]})
    faulty.script = [(200, told, 0)]
    options = ["metal nut", "metal bolt", "washer"]
    found = ServerVLM(ServedSpec(url=faulty.url)).choose([], [Turn("user", "What is it?")], options)
    assert [round(found[o], 3) for o in options] == [0.222, 0.667, 0.111]
    text = faulty.seen[-1][1]["messages"][-1]["content"]
    assert "What is it?\nA. metal nut\nB. metal bolt\nC. washer\n" in text


def test_options_that_begin_apart_are_left_as_they_are():
    turns = [Turn("user", "Well?")]
    assert tell_apart(turns, ["scratch", "hole"]) == (turns, ["scratch", "hole"])


def test_a_word_that_goes_on_is_not_the_option():
    told = [("No", math.log(0.1)), ("Nothing", math.log(0.5)), ("Yes", math.log(0.2)), ("Y", math.log(0.1))]
    found = [math.exp(v) for v in from_candidates(told, ["Yes", "No"])]
    assert found == pytest.approx([0.3, 0.1])


@pytest.mark.parametrize("options", [[], ["a", "a"], ["a", " "]])
def test_served_options_must_differ_and_say_something(faulty, options):
    with pytest.raises(InputError, match="options"):
        ServerVLM(ServedSpec(url=faulty.url)).choose([], [Turn("user", "Well?")], options)


def test_photos_and_turns_must_agree_for_a_server_too(faulty):
    with pytest.raises(InputError, match="show 1 photos, but 0"):
        ServerVLM(ServedSpec(url=faulty.url)).answer([], [Turn("user", "Well?", 1)])


def test_large_photos_are_scaled_down_before_they_are_sent(faulty):
    import base64
    import io

    from PIL import Image

    ServerVLM(ServedSpec(url=faulty.url), image_size=64).answer([plate(0, (300, 100))], [Turn("user", "Well?", 1)])
    picture, text = faulty.seen[-1][1]["messages"][0]["content"]
    data = base64.b64decode(picture["image_url"]["url"].split(",")[1])
    assert max(Image.open(io.BytesIO(data)).size) == 64
    assert text == {"type": "text", "text": "Well?"}


@pytest.mark.parametrize(
    ("written", "said_of_it"),
    [
        ({}, "either `source` or `served`"),
        ({"source": "a/b", "served": {"url": "http://x/v1"}}, "either `source` or `served`"),
        ({"served": {"url": "http://x/v1"}, "quantisation": "4bit"}, "loads its own model"),
        ({"served": {"url": "http://me:word@x/v1"}}, "url"),
        ({"served": {"url": "ftp://x"}}, "url"),
    ],
)
def test_a_served_vlm_is_written_one_way(written, said_of_it):
    with pytest.raises(ValueError, match=said_of_it):
        VLMSpec.model_validate(written)


def test_the_profile_server_asks_over_the_network_and_is_never_taken_by_auto():
    profile = load_profile("server")
    assert profile.roles.vlm.served is not None
    assert not profile.auto
    (state,) = [s for s in readiness(profile) if s.role == "vlm"]
    assert state.ready
    assert "http://localhost:8000/v1" in state.source


def test_a_toolbox_with_a_served_vlm_states_it(faulty):
    profile = load_profile("nano")
    vlm = VLMSpec(served=ServedSpec(url=faulty.url))
    tools = Toolbox(profile.model_copy(update={"roles": profile.roles.model_copy(update={"vlm": vlm})}), "cpu")
    assert tools.vlm.answer([], [Turn("user", "Well?")]) == "fine"
    assert tools.describe()["vlm"]["name"] == "m"
    assert tools.describe()["vlm"]["class"] == "ServerVLM"
