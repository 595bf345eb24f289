"""Requests, photos and texts that are too large for the page, and visitors who stay too long."""

import asyncio
import gc
import struct
import threading
import time
import weakref
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from page_server import called, joined, named, served, uploaded, visitor
from PIL import Image

from agent.text_limits import QUESTION
from looktwice import Inspector
from looktwice.examples import examples
from looktwice.page import api as api_module
from looktwice.page import bodies
from looktwice.page import sessions as visits
from looktwice.page.access import Owners
from looktwice.page.bodies import HELD_AT_ONCE, LARGEST_BODY, LARGEST_FORM, MOST_VALUES, Bodies, RefusedError
from looktwice.page.engine import LONGEST_NORMAL, MOST_KEPT, Engine, photo_of, pixels_of
from looktwice.page.security import AccessRules, PrivatePage
from looktwice.page.sessions import IDLE, MOST, OPEN_IDLE, Visits
from looktwice.products import ProductStore
from tools.errors import InputError


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with served(tmp_path_factory.mktemp("limits"), lambda: Inspector("nano", looks=0)) as found:
        yield found


@pytest.fixture
def ann(address):
    with visitor(address) as found:
        yield found


class Clock:
    """Seconds that a test sets."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/gradio_api/queue/join", LARGEST_BODY),
        ("/gradio_api/call/inspect", LARGEST_BODY),
        ("/login", LARGEST_FORM),
        ("/", LARGEST_FORM),
        ("/gradio_api/login_check", LARGEST_FORM),
    ],
)
def test_a_request_that_is_too_large_is_answered_with_413(ann, path, limit):
    answer = ann.post(path, content=b" " * (limit + 1))
    assert answer.status_code == 413 and f"larger than {limit // 1024:,} KiB" in answer.text


def test_a_small_request_of_very_many_values_is_answered_with_413(ann):
    for value in ("[]", "{}", "0"):
        content = "[" + ",".join([value] * (MOST_VALUES + 1)) + "]"
        answer = ann.post("/gradio_api/queue/join", content=content)
        assert answer.status_code == 413 and "values" in answer.text


def pieces(*given, more=True):
    """A `receive` that gives pieces of a body and then, if more is announced, nothing."""
    waiting = [{"type": "http.request", "body": p, "more_body": True} for p in given]
    if not more:
        waiting[-1]["more_body"] = False

    async def receive():
        if not waiting:
            await asyncio.sleep(60)
        return waiting.pop(0)

    return receive


def test_bodies_held_at_once_have_a_limit_and_one_that_does_not_arrive_is_given_up(monkeypatch):
    held, half = Bodies(), bytes(HELD_AT_ONCE // 2)

    async def attack():
        kept = await held.read(pieces(half, more=False), HELD_AT_ONCE)
        with pytest.raises(RefusedError, match="too many large requests") as caught:
            await held.read(pieces(half, b"x", more=False), HELD_AT_ONCE)
        assert caught.value.status == 503
        held.release(kept)
        monkeypatch.setattr(bodies, "LONGEST_READ", 0.05)
        with pytest.raises(RefusedError, match="did not arrive") as caught:
            await held.read(pieces(half, b"x"), HELD_AT_ONCE)
        assert caught.value.status == 408
        return await held.read(pieces(half, more=False), HELD_AT_ONCE)

    assert len(asyncio.run(attack())) == len(half)


FIELDS = [
    'Content-Disposition: form-data; name="files"',
    'Content-Disposition: form-data; name="filename"',
    'Content-Disposition: form-data; name="x; filename=y"',
    'X-Name: filename=a.png\r\nContent-Disposition: form-data; name="files"',
    'Content-Disposition: form-data; name="files"; filename="a"\r\nContent-Disposition: form-data; name="files"',
]


def form(who, head, size):
    content = f"--cut\r\n{head}\r\n\r\n".encode() + b"x" * size + b"\r\n--cut--\r\n"
    return who.post(
        "/gradio_api/upload", content=content, headers={"Content-Type": "multipart/form-data; boundary=cut"}
    )


@pytest.mark.parametrize("head", FIELDS)
def test_fields_of_an_upload_that_are_no_files_do_not_fill_the_memory(ann, head):
    assert form(ann, head, LARGEST_FORM + 1).status_code == 413


def test_a_file_of_an_upload_may_be_larger_and_a_damaged_content_type_is_refused(ann):
    name = 'Content-Disposition: form-data; name="files"; filename="a.png"'
    assert form(ann, name, LARGEST_FORM + 1).status_code == 200
    headers = {"Content-Type": f"multipart/form-data; boundary={'x' * 400}"}
    assert ann.post("/gradio_api/upload", content=b"x", headers=headers).status_code == 400


def test_a_data_uri_that_is_too_large_is_refused_before_it_is_decoded(ann, monkeypatch):
    huge = "data:image/png;base64," + "A" * 42_000_000
    assert "30 MiB" in called(ann, "inspect", [huge, "", None, ""])
    monkeypatch.setattr(api_module, "base64", None)
    with pytest.raises(InputError, match="30 MiB"):
        api_module.Api(SimpleNamespace(engine=None, words={}), paths=False).inspect(huge)


def test_a_data_uri_of_nearly_the_limit_is_taken(ann):
    told = called(ann, "inspect", ["data:image/png;base64," + "A" * 41_000_000, "", None, ""])
    assert "event: error" in told and "unknown data" in told


def float_tiff(path, width, height):
    """A small TIFF file whose header announces floats; its one strip is compressed zeros."""
    strip = zlib.compress(bytes(1000))
    tags = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, 32),
        (259, 3, 8),
        (262, 3, 1),
        (273, 4, 200),
        (277, 3, 1),
        (278, 4, height),
        (279, 4, len(strip)),
        (339, 3, 3),
    ]
    listed = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + listed + bytes(4)
    path.write_bytes(head.ljust(200, b"\0") + strip)
    return path


def test_a_photo_that_decodes_to_too_many_bytes_is_refused_by_its_header(tmp_path, monkeypatch):
    monkeypatch.setattr("looktwice.page.engine.load_sample", lambda path: pytest.fail("decoded"))
    clear = tmp_path / "clear.png"
    Image.new("P", (5000, 4000)).save(clear, transparency=0)
    for path, size in ((float_tiff(tmp_path / "float.tif", 6300, 6300), 873), (clear, 540)):
        with pytest.raises(InputError, match=f"^{path.name}: takes {size} MB .* the 512 MB") as caught:
            photo_of(path)
        assert str(tmp_path) not in str(caught.value)
    many = tmp_path / "many.png"
    Image.new("1", (8000, 5001)).save(many)
    with pytest.raises(InputError, match=r"8000 x 5001 pixels are more than the 40 megapixels"):
        photo_of(many)
    Image.new("1", (8000, 5000)).save(many)
    assert pixels_of(many) == 40_000_000


def test_photos_are_decoded_one_at_a_time_in_their_turn(tmp_path, monkeypatch):
    photo = tmp_path / "a.png"
    Image.new("RGB", (32, 32)).save(photo)
    at_work, most, decoded = [], [], []

    def load(path):
        at_work.append(path)
        most.append(len(at_work))
        time.sleep(0.02)
        decoded.append(at_work.pop())
        return path

    monkeypatch.setattr("looktwice.page.engine.load_sample", load)
    report = SimpleNamespace(state=None)
    engine = Engine(lambda: SimpleNamespace(inspect=lambda *_, **__: report), ProductStore(tmp_path))
    given = {"product": None, "references": [photo] * 3, "normal": "", "on_step": print, "on_place": lambda n: None}
    visitors = [threading.Thread(target=engine.inspect, args=(photo,), kwargs=given) for _ in range(5)]
    [v.start() for v in visitors]
    [v.join(30) for v in visitors]
    assert len(decoded) == 20 and max(most) == 1


def test_products_that_were_used_longest_ago_leave_the_memory(tmp_path):
    loads, alive = [], weakref.WeakSet()

    def load(path):
        loads.append(path.stem)
        alive.add(found := Clock())
        return found

    engine = Engine(lambda: SimpleNamespace(load=load), ProductStore(tmp_path))
    for n in range(MOST_KEPT + 3):
        (tmp_path / f"p{n}.yaml").write_text(f"name: p{n}\nproduct: p{n}\n")
        engine.product(f"p{n}")
        engine.product("p0")
    gc.collect()
    assert len(alive) == MOST_KEPT and loads.count("p0") == 1


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def kept(clock):
    made = Visits(clock)
    yield made
    made.close()


def test_the_visitor_beyond_the_limit_takes_the_place_of_the_idlest(kept, clock):
    first = kept.of("0")
    for n in range(1, MOST):
        clock.now += 1
        kept.of(str(n))
    assert kept.of("0") is first
    second = kept.of("1")
    clock.now += 1
    third = kept.of("2").folder
    kept.of("one more")
    assert first.folder.exists() and second.folder.exists() and third.exists()
    assert kept.of("3").folder.exists() and not kept.of("4").log
    assert len(set(third.parent.iterdir())) == MOST


def test_the_idlest_visitor_is_gone_with_files_and_work(kept, clock):
    folders = []
    for n in range(MOST + 1):
        clock.now += 1
        visit = kept.of(str(n))
        folders.append((visit.folder, visit.stop))
    assert [folder.exists() for folder, _ in folders] == [False] + [True] * MOST
    assert [stop.is_set for _, stop in folders] == [True] + [False] * MOST


def test_an_idle_visitor_is_forgotten_unless_the_page_is_still_open(kept, clock):
    closed, opened = kept.of("closed"), kept.of("open")
    kept.hold("open")
    clock.now += IDLE - 1
    kept.of("other")
    assert closed.folder.exists()
    clock.now += 2
    kept.of("other")
    assert not closed.folder.exists() and closed.stop.is_set and opened.folder.exists()
    clock.now += OPEN_IDLE
    kept.of("other")
    assert not opened.folder.exists()
    last = kept.of("last")
    kept.hold("last")
    kept.release("last")
    clock.now += IDLE + 1
    kept.of("other")
    assert not last.folder.exists()


def test_a_heartbeat_over_http_holds_its_visitor(kept, clock, tmp_path):
    visit, seen = kept.of("one"), []

    async def gradio(scope, receive, send):
        clock.now += IDLE + 1
        kept.of("other")
        seen.append(visit.folder.exists())

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/gradio_api/heartbeat/one",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 1),
    }
    asyncio.run(PrivatePage(gradio, AccessRules(Owners(tmp_path), visits=kept))(scope, None, None))
    kept.of("other")
    assert seen == [True] and not visit.folder.exists()


def test_photos_that_visitors_hold_in_memory_have_a_limit_together(kept, clock, monkeypatch):
    monkeypatch.setattr(visits, "LARGEST_HELD", 1000)
    shared = SimpleNamespace(image=np.zeros(500, np.uint8))
    for n in range(4):
        kept.of(str(n)).product = SimpleNamespace(references=[shared])
        clock.now += 1
    assert len(kept._visits) == 4
    folders = [v.folder for v in kept._visits.values()]
    for n in (2, 3):
        kept.of(str(n)).report = SimpleNamespace(sample=SimpleNamespace(image=np.zeros(300, np.uint8)))
        clock.now += 1
    kept.of("3")
    assert [folder.exists() for folder in folders] == [False, False, False, True]


def test_texts_that_are_too_long_are_refused_on_the_page_and_for_programs(ann):
    photo = next(e for e in examples() if e.name == "wood").photos[0]
    told = "data:image/png;base64,AAAA"
    long = "x" * (LONGEST_NORMAL + 1)
    for name, data in (
        ("inspect", [told, "", None, long]),
        ("ask", [told, "why?", "", None, long]),
        ("learn", ["tray", None, long]),
    ):
        assert "normal: has 2,001 characters" in called(ann, name, data)
    assert "question: has 2,001 characters" in called(ann, "ask", [told, "x" * (QUESTION + 1), "", None, ""])
    assert "product name" in called(ann, "learn", ["x" * 61, None, "one board"])
    given = named(uploaded(ann, photo.name, photo.read_bytes()))
    assert "normal: has 2,001 characters" in joined(ann, "inspect", [given, None, long, ""], "talk")
    assert "normal: has 2,001 characters" in joined(ann, "learn", ["tray", None, long, ""], "talk")
    assert "noun: has 61 characters" in joined(ann, "learn", ["tray", None, "one board", "x" * 61], "talk")
    assert "lt-" in joined(ann, "inspect", [given, None, "", ""], "talk")
    assert "question: has 2,001 characters" in joined(ann, "send", ["x" * (QUESTION + 1)], "talk")
    assert "what is wrong: has 501 characters" in joined(ann, "you-missed", ["x" * 501], "talk")
