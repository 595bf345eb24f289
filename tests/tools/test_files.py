"""Files from outside are read within limits, and ours are written whole or not at all."""

import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.display_text import csv_text, display_text
from tools.documents import parse_json, read_yaml
from tools.errors import InputError
from tools.files import cut_torn_line, exclusive, read_bytes, write_atomic, write_once


def yaml_file(folder, text):
    path = folder / "file.yaml"
    path.write_text(text)
    return path


def test_a_pipe_and_a_device_are_refused_without_waiting_for_them(tmp_path):
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    for path in (pipe, "/dev/zero"):
        with pytest.raises(InputError, match="not a regular file"):
            read_bytes(type(tmp_path)(path), limit=100)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: &a [1, 1]\nb: [*a, *a]", "anchors"),
        ("a: 1\na: 2", "given twice"),
        (f"a: {'9' * 5000}", "5000 digits"),
        ("a: .nan", "finite"),
        ("a: -.inf", "finite"),
        ("[" * 100 + "]" * 100, "nested deeper"),
        ("a: [" + "1, " * 60_000 + "1]", "fields"),
        ("a: !!python/object/apply:os.system [id]", "not valid YAML"),
        ("x" * 1_000_001, "larger than 1 MB"),
    ],
)
def test_a_hostile_yaml_file_is_refused_in_one_sentence(tmp_path, text, fault):
    with pytest.raises(InputError, match=fault):
        read_yaml(yaml_file(tmp_path, text))


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": 1e999}', '{"a": ' + "9" * 5000 + "}", "[" * 5000, "{"])
def test_hostile_json_is_refused_in_one_sentence(text):
    with pytest.raises(InputError, match=r"JSON|nested"):
        parse_json(text, "field")


def test_a_write_that_fails_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "a.yaml"
    write_atomic(path, "before")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        write_atomic(path, "after")
    assert path.read_text() == "before" and [p.name for p in tmp_path.iterdir()] == ["a.yaml"]


def test_a_lock_lets_one_writer_in_at_a_time(tmp_path):
    path = tmp_path / "count"
    write_atomic(path, "0")

    def add():
        for _ in range(20):
            with exclusive(path):
                write_atomic(path, str(int(path.read_text()) + 1))

    threads = [threading.Thread(target=add) for _ in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert path.read_text() == "80"


@given(st.text(st.characters()))
def test_shown_text_is_one_printable_line_of_valid_unicode(text):
    shown = display_text(text)
    assert shown.encode("utf-8").decode() == shown and len(shown.splitlines()) <= 1
    assert all(c.isprintable() or c in "\u200d\ufe0f\u3000\xa0" or c.isspace() for c in shown)


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@a", "\uff1d1", "\n=1", "\t@a", " =1", "\r=1"])
def test_no_cell_of_a_csv_file_begins_a_formula(cell):
    assert csv_text(cell).startswith("'") and "\n" not in csv_text(cell) and "\r" not in csv_text(cell)


@pytest.mark.parametrize("whole", [b"", b"one\n", b"one\ntwo\n", b"x" * 200_000 + b"\n"])
@pytest.mark.parametrize("torn", [b"", b"thr", b"y" * 200_000])
def test_a_last_line_that_a_kill_has_torn_is_cut_off_and_nothing_else(tmp_path, whole, torn):
    path = tmp_path / "lines"
    path.write_bytes(whole + torn)
    with path.open("r+b") as stream:
        assert cut_torn_line(stream.fileno()) == len(whole)
    assert path.read_bytes() == whole


def test_a_file_that_is_there_is_not_written_again_but_read(tmp_path):
    path = tmp_path / "settings.json"
    assert write_once(path, "first", limit=10) is None
    assert write_once(path, "second", limit=10) == b"first"
    with pytest.raises(InputError, match="larger than"):
        write_once(path, "second", limit=2)
    with pytest.raises(InputError, match="cannot be written"):
        write_once(tmp_path / "no folder" / "settings.json", "first", limit=10)
