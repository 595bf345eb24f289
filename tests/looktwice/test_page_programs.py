"""Attacks through the functions for programs: paths of this machine, other decoders, two calls of one name."""

import base64
import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import PIL.Image
import pytest
from page_server import called, joined, named, served, uploaded, visitor
from PIL import Image

from looktwice import Inspector
from looktwice.examples import examples
from tools.image_files import ACCEPTED, FORMATS

OPENED = []
"""Paths that this process opens while `WATCHED` holds something."""
WATCHED = []


def note(event, args):
    if event == "open" and WATCHED:
        OPENED.append(str(args[0]))


sys.addaudithook(note)


@pytest.fixture(scope="module")
def inspector():
    return Inspector("nano", looks=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="module")
def address(folder, inspector):
    with served(folder, lambda: inspector) as found:
        yield found


@pytest.fixture
def ann(address):
    with visitor(address) as found:
        yield found


@pytest.fixture(scope="module")
def wood():
    return next(e for e in examples() if e.name == "wood")


@pytest.fixture
def places(tmp_path):
    """Paths of one file name: nothing, a text, a folder, a FIFO, a device, a dead link, another format."""
    made = {}
    for kind in ("missing", "text", "folder", "fifo", "device", "broken", "eps", "under-text"):
        (tmp_path / kind).mkdir()
        made[kind] = tmp_path / kind / "part.png"
    made["text"].write_text("a secret")
    made["folder"].mkdir()
    os.mkfifo(made["fifo"])
    made["device"].symlink_to("/dev/zero")
    made["broken"].symlink_to(tmp_path / "nothing")
    made["eps"].write_bytes(EPS)
    made["under-text"] = made["text"] / "part.png"
    return {**made, "relative": f"{os.path.relpath(made['folder'])}/../part.png", "unknown home": "~nobody-x/part.png"}


def test_a_path_that_is_no_photo_is_refused_in_the_same_words_whatever_lies_there(ann, places, wood):
    WATCHED.append("fifo")
    try:
        answers = {kind: called(ann, "inspect", [str(path), "", None, ""]) for kind, path in places.items()}
        good = {called(ann, "ask", [str(wood.photos[0]), "why?", "", [str(p)], ""]) for p in places.values()}
        learned = {called(ann, "learn", ["spy", [str(path)], ""]) for path in places.values()}
    finally:
        WATCHED.clear()
    assert len(set(answers.values())) == 1, answers
    assert len(good) == 1 and len(learned) == 1
    for told in (answers["text"], *good, *learned):
        assert "event: error" in told and "is no photo that this page can read" in told
        assert "secret" not in told and str(places["text"].parent) not in told
    assert not {str(places["fifo"]), str(places["device"]), "/dev/zero"} & set(OPENED)


def test_a_page_that_other_machines_may_reach_takes_no_paths(tmp_path, inspector, places, wood):
    with (
        served(tmp_path, lambda: inspector, allow_hosts=("inspect.example",)) as found,
        visitor(found) as bob,
    ):
        every = [wood.photos[0], *places.values()]
        answers = {called(bob, "inspect", [str(path), "", None, ""]) for path in every}
        assert len(answers) == 1 and "takes no paths" in answers.pop()


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\nshowpage\n%%EOF\n"


def foreign(form):
    """A valid file of a format that the page does not decode."""
    if form == "EPS":
        return EPS
    stream = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(stream, form)
    return stream.getvalue()


@pytest.fixture
def decoders(monkeypatch):
    """The formats that each call of Pillow's `open` allows."""
    asked, opened = [], PIL.Image.open

    def watched(fp, mode="r", formats=None):
        asked.append(formats)
        return opened(fp, mode, formats)

    monkeypatch.setattr(PIL.Image, "open", watched)
    return asked


@pytest.mark.parametrize("form", ["EPS", "ICNS", "SGI", "ICO", "TGA", "PCX"])
def test_a_file_of_another_format_is_not_decoded_whatever_its_name(ann, decoders, wood, form, tmp_path):
    content = foreign(form)
    uri = "data:image/png;base64," + base64.b64encode(content).decode()
    (tmp_path / "part.png").write_bytes(content)
    good = str(wood.photos[0])
    photo = named(uploaded(ann, "photo.png", wood.photos[0].read_bytes()))
    path = named(uploaded(ann, f"{form}.png", content))
    refused = [
        called(ann, "inspect", [uri, "", None, ""]),
        called(ann, "inspect", [good, "", [uri], ""]),
        called(ann, "inspect", [str(tmp_path / "part.png"), "", None, ""]),
        called(ann, "learn", [f"of {form}", [uri], ""]),
        joined(ann, "inspect", [path, None, "", ""], f"a {form}"),
        joined(ann, "inspect", [photo, [{"image": path, "caption": None}], "", ""], f"b {form}"),
        joined(ann, "batch-run", [[path], None, "", None, "", 0.5, "all"], f"c {form}"),
        joined(ann, "learn", [f"of {form}", [path], "", ""], f"d {form}"),
        joined(ann, "test", [path, None], f"e {form}"),
    ]
    for told in refused[:-1]:
        assert ACCEPTED in told
    assert "no product is chosen" in refused[-1]
    assert decoders and set(decoders) == {FORMATS}


def test_of_calls_that_learn_one_name_at_the_same_time_exactly_one_succeeds(address, folder, wood):
    photos = [str(p) for p in wood.references[:3]]

    def program(n):
        with visitor(address) as who:
            return "event: complete" in called(who, "learn", ["twin", [photos[n]], ""])

    def person(n):
        with visitor(address) as who:
            photo = named(uploaded(who, f"{n}.png", wood.references[n].read_bytes()))
            return "is kept already" not in joined(who, "learn", ["twin", [photo], "", ""], f"twin {n}")

    with ThreadPoolExecutor(4) as callers:
        told = [callers.submit(call, n) for call, n in ((program, 0), (person, 0), (program, 1), (person, 2))]
    assert sum(t.result() for t in told) == 1
    text = (folder / "products" / "twin.yaml").read_text()
    (photo,) = (folder / "products" / "twin.photos").iterdir()
    assert photo.name in text
