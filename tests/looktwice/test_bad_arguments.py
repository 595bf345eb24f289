"""A bad argument costs its own row or one sentence, and never another photo."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from batch_driver import batch, lines, photo, run
from command_line import looktwice

import tools.images
from looktwice.batch.inputs import listed
from looktwice.examples import examples
from tools.errors import InputError
from tools.image_files import find_images, walk_images
from tools.images import load_sample

LONG = "x" * 500 + ".png"


@pytest.fixture
def locked(monkeypatch):
    """A function that takes the permission to list a folder away, also from an administrator."""
    shut = set()
    real = os.scandir

    def scandir(path):
        if Path(path) in shut:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(tools.images.os, "scandir", scandir)
    return shut.add


@pytest.mark.parametrize("workers", [1, 2])
def test_each_bad_argument_is_one_row_and_the_other_photos_are_inspected(tmp_path, locked, workers):
    inside = tmp_path / "in"
    photo(inside / "a.png")
    photo(inside / "shut" / "b.png")
    photo(tmp_path / "z.png", 10)
    photo(tmp_path / "also shut" / "c.png")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "queue.png")
    locked(inside / "shut")
    locked(tmp_path / "also shut")
    bad = [tmp_path / LONG, tmp_path / "also shut", tmp_path / "empty", tmp_path / "queue.png", tmp_path / "none.png"]
    tally = run(batch([*bad, inside, tmp_path / "z.png"], tmp_path / "out"), workers=workers)
    assert tally.kinds == {"good": 1, "anomalous": 1, "failed": 6}
    assert tally.status == 2
    said = {row["file"]: row["error"] for row in lines(tmp_path / "out", "failures.jsonl")}
    assert sorted(said) == sorted(map(str, [*bad, inside / "shut"]))
    assert "File name too long" in said[str(tmp_path / LONG)]
    if workers == 1:
        assert "Permission denied" in said[str(inside / "shut")]
        assert "Permission denied" in said[str(tmp_path / "also shut")]


def test_an_only_folder_that_is_shut_is_refused_and_a_shut_subfolder_of_references_too(tmp_path, locked):
    photo(tmp_path / "in" / "a.png")
    photo(tmp_path / "in" / "shut" / "b.png")
    locked(tmp_path / "in" / "shut")
    found = find_images(tmp_path / "in")
    assert found == [tmp_path / "in" / "a.png", tmp_path / "in" / "shut"]
    with pytest.raises(InputError, match="Permission denied"):
        load_sample(found[1])
    locked(tmp_path / "in")
    with pytest.raises(InputError, match="Permission denied"):
        list(listed([tmp_path / "in"], None))


def test_a_folder_whose_files_may_not_be_opened_is_one_row(tmp_path, monkeypatch):
    for n in range(3):
        photo(tmp_path / "in" / "no x" / f"{n}.png")
    photo(tmp_path / "in" / "a.png")
    monkeypatch.setattr(os, "access", lambda path, mode: not (str(path).endswith("no x") and mode == os.X_OK))
    assert list(walk_images(tmp_path / "in")) == [tmp_path / "in" / "a.png", tmp_path / "in" / "no x"]


@pytest.mark.skipif(os.getuid() == 0, reason="an administrator may read everything")
def test_modes_of_files_and_folders_cost_their_own_row(tmp_path):
    for name in ("a.png", "no x/b.png", "no r/c.png", "d.png"):
        photo(tmp_path / "in" / name)
    (tmp_path / "in" / "no x").chmod(0o600)
    (tmp_path / "in" / "no r").chmod(0o300)
    (tmp_path / "in" / "d.png").chmod(0)
    tally = run(batch(tmp_path / "in", tmp_path / "out"))
    for name in ("no x", "no r"):
        (tmp_path / "in" / name).chmod(0o700)
    assert tally.kinds == {"good": 1, "failed": 3}


@pytest.mark.parametrize("more", [("--trace",), ("--out", "out", "--json")])
def test_a_long_name_beside_a_photo_is_a_sentence_and_the_photo_is_inspected(tmp_path, more):
    wood = next(e for e in examples() if e.name == "wood").photos[0]
    arguments = [str(tmp_path / m) if m == "out" else m for m in more]
    result = looktwice("inspect", LONG, wood, *arguments, "--profile", "nano")
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.count("File name too long") == 1
    assert result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        (LONG,),
        (LONG, "--out", "{out}"),
        ("{wood}", "--out", "{out}/" + LONG),
        ("{wood}", "--ref", LONG),
        ("{wood}", "--product", LONG),
        ("{wood}", "--product", LONG + ".yaml"),
        ("{wood}", "--profile", LONG),
        ("{wood}", "--profile", LONG + ".yaml"),
        ("{wood}", "--trace-out", LONG),
        ("{wood}", "--watch", "--out", "{out}"),
    ],
)
def test_a_long_name_anywhere_is_refused_in_one_sentence(tmp_path, arguments):
    wood = next(e for e in examples() if e.name == "wood").photos[0]
    given = [a.format(wood=wood, out=tmp_path / "out") for a in arguments]
    result = looktwice("inspect", *given, *(() if "--profile" in given else ("--profile", "nano")))
    assert (result.returncode, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("looktwice: ")
