"""Attacks on a page that is served: by another visitor, by a page elsewhere, and by requests that are too large."""

import json
import os
from urllib.parse import urlsplit

import httpx
import pytest
from page_server import called, cookie_of, function, named, raw, served, uploaded, visitor

from looktwice import Inspector
from looktwice.examples import examples


@pytest.fixture(scope="module")
def inspector():
    return Inspector("nano", looks=0)


@pytest.fixture(scope="module")
def address(tmp_path_factory, inspector):
    with served(tmp_path_factory.mktemp("secure"), lambda: inspector) as found:
        yield found


@pytest.fixture
def ann(address):
    with visitor(address) as found:
        yield found


@pytest.fixture
def bob(address):
    with visitor(address) as found:
        yield found


WAYS = [
    f"/gradio_api/file{rest}"
    for rest in ("={path}", "/{path}", "=/{path}", "=/proc/self/root{path}", "={encoded}", "={dotted}", "={relative}")
]


@pytest.mark.parametrize("way", WAYS)
def test_an_upload_is_served_to_its_owner_alone_however_its_path_is_written(address, ann, bob, way):
    path = uploaded(ann, f"{abs(hash(way))}.png", way.encode())
    folder, _, name = path.rpartition("/")
    encoded = "".join(f"%{b:02x}" for b in path.encode())
    dotted = f"{folder}/./../{folder.rpartition('/')[2]}/{name}"
    target = way.format(path=path, encoded=encoded, dotted=dotted, relative=os.path.relpath(path))
    for cookie in (cookie_of(bob), "", "looktwice_visitor=guess"):
        status, body = raw(address, target, cookie)
        assert status == 403 and way.encode() not in body
    if way == WAYS[0]:
        assert raw(address, target, cookie_of(ann)) == (200, way.encode())


def test_a_file_of_the_upload_folder_that_nobody_owns_is_not_served(address, ann, tmp_path_factory):
    from looktwice.page.security import upload_folder

    left = upload_folder() / "left.png"
    left.write_bytes(b"of an earlier run")
    assert ann.get(f"/gradio_api/file={left}").status_code == 403
    assert ann.get("/gradio_api/file=http://192.0.2.1/x.png").status_code == 403


def test_another_visitors_upload_is_no_input(address, ann, bob):
    path = uploaded(ann, "secret.png", b"of ann")
    number, inputs = function(bob, "inspect")
    data = [named(path), *[None] * (inputs - 1)]
    body = {"fn_index": number, "data": data, "session_hash": "bobs-session"}
    assert bob.post("/gradio_api/queue/join", json=body).status_code == 403
    body["data"] = [{"path": f"/{path}"}, *data[1:]]
    assert bob.post("/gradio_api/queue/join", json=body).status_code == 403
    for way in ("run/on_inspect", "api/on_inspect", "call/on_inspect", "call/v2/on_inspect"):
        assert bob.post(f"/gradio_api/{way}", json=body).status_code == 403
    body["data"], body["session_hash"] = data, "anns-session"
    assert ann.post("/gradio_api/queue/join", json=body).status_code == 200


def test_the_functions_for_programs_take_no_path_of_an_upload(address, ann, bob):
    photo = next(e for e in examples() if e.name == "wood").photos[0]
    path = uploaded(ann, "photo.png", photo.read_bytes())
    told = called(bob, "inspect", [path, "", None, ""])
    assert "event: error" in told and "verdict" not in told


def test_a_session_is_its_visitors_alone(address, ann, bob):
    number, inputs = function(ann, "inspect")
    body = {"fn_index": number, "data": [None] * inputs, "session_hash": "of-ann"}
    event = ann.post("/gradio_api/queue/join", json=body).json()["event_id"]
    for who in (bob, httpx.Client(base_url=address)):
        assert who.post("/gradio_api/queue/join", json=body).status_code == 403
        assert who.get("/gradio_api/queue/data", params={"session_hash": "of-ann"}).status_code == 403
        assert who.get("/gradio_api/heartbeat/of-ann").status_code == 403
        assert who.get("/gradio_api/call/inspect/of-ann").status_code == 403
        assert who.get(f"/gradio_api/call/inspect/{event}").status_code == 403
        for told in ({"session_hash": "of-ann", "event_id": "x"}, {"session_hash": "of-bob", "event_id": event}):
            assert who.post("/gradio_api/cancel", json={**told, "fn_index": number}).status_code == 403
        assert who.post("/gradio_api/reset", json={"event_id": event}).status_code == 403
    assert "process_completed" in ann.get("/gradio_api/queue/data", params={"session_hash": "of-ann"}).text


def test_an_output_is_served_to_the_session_that_got_it(address, ann, bob):
    photo = next(e for e in examples() if e.name == "wood").photos[0]
    path = uploaded(ann, photo.name, photo.read_bytes())
    number, inputs = function(ann, "batch-run")
    data = [[named(path)], None, "", None, "", 0.5, "all"]
    assert len(data) == inputs
    for _ in range(2):
        body = {"fn_index": number, "data": data, "session_hash": "batch"}
        assert ann.post("/gradio_api/queue/join", json=body).status_code == 200
        lines = ann.get("/gradio_api/queue/data", params={"session_hash": "batch"}).text.split("\n\n")
        (done,) = [told for line in lines if (told := json.loads(line[6:] or "{}")).get("msg") == "process_completed"]
        (table,) = [o["value"]["path"] for o in done["output"]["data"][3:4]]
        assert ann.get(f"/gradio_api/file={table}").text.startswith("photo,verdict")
        assert bob.get(f"/gradio_api/file={table}").status_code == 403


@pytest.mark.parametrize(
    "path", ["proxy=http://127.0.0.1/", "component_server", "stream/x", "process_recording", "deep_link", "vibe-code"]
)
def test_routes_of_gradio_that_the_page_does_not_use_are_closed(ann, path):
    assert ann.get(f"/gradio_api/{path}").status_code == 404
    assert ann.post(f"/gradio_api/{path}", json={}).status_code == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "localhost.evil.example", "192.168.7.7", "a@[::1]", ""]
)
def test_a_name_that_is_not_the_pages_reaches_nothing(address, host):
    assert raw(address, "/config", host=host or " ")[0] in (400, 403)
    assert raw(address, "/config", host="localhost")[0] == 200
    assert raw(address, "/config", host=f"127.0.0.1:{urlsplit(address).port}")[0] == 200


def test_a_page_elsewhere_can_call_nothing(address, ann):
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1"):
        for path in ("/gradio_api/queue/join", "/gradio_api/upload", "/gradio_api/call/learn", "/login"):
            assert ann.post(path, headers={"Origin": origin}, json={}).status_code == 403
        assert ann.get("/config", headers={"Origin": origin}).status_code == 403
    own = {"Origin": address.rstrip("/")}
    assert ann.post("/gradio_api/upload", headers=own, files={"files": ("a.png", b"a")}).status_code == 200


def test_headers_of_a_proxy_do_not_change_the_pages_address(ann):
    for name in ("X-Forwarded-Host", "X-Gradio-Server"):
        assert "evil.example" not in ann.get("/config", headers={name: "http://evil.example"}).text
        assert "evil.example" not in ann.get("/config", headers={name: "evil.example"}).text


def test_a_page_answers_to_further_names_and_on_every_address_to_numbers(tmp_path, inspector):
    with served(tmp_path, lambda: inspector, host="0.0.0.0", exposed=True, allow_hosts=("Inspect.Example",)) as found:
        port = urlsplit(found).port
        here = f"http://127.0.0.1:{port}/"
        assert raw(here, "/config", host="inspect.example")[0] == 200
        assert raw(here, "/config", host="192.168.7.7")[0] == 200
        assert raw(here, "/config", host="[fe80::1]:7860")[0] == 200
        assert raw(here, "/config", host="evil.example")[0] == 403
        assert httpx.get(f"{here}config", headers={"Origin": "https://inspect.example"}).status_code == 200
