"""`looktwice inspect` as a person calls it: exit status, JSON alone on standard output, one sentence for bad input."""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from command_line import looktwice
from PIL import Image

from looktwice.cli.inspect import ProductOptions, spread_refs
from looktwice.examples import examples


@pytest.fixture(scope="module")
def example():
    return next(e for e in examples() if e.name == "wood")


@pytest.fixture(scope="module")
def batch(example, tmp_path_factory):
    """One call over a good photo, a text file named .png, and a missing file."""
    folder = tmp_path_factory.mktemp("batch")
    text = folder / "text.png"
    text.write_text("hello")
    arguments = [example.photos[0], text, folder / "none.png", "--ref", *example.references]
    return looktwice("inspect", *arguments, "--json", "--out", folder / "out", "--profile", "nano"), folder


def test_json_is_one_report_a_line_and_nothing_else(batch):
    result, _ = batch
    (report,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert report["schema"] == "looktwice/1"
    ids = {item["id"] for item in report["evidence"]}
    assert report["explanation"]
    assert all(sentence["cites"] and ids.issuperset(sentence["cites"]) for sentence in report["explanation"])


def test_the_bad_ones_of_a_batch_are_named_and_the_others_go_through(batch):
    result, folder = batch
    assert result.returncode == 2
    assert "text.png" in result.stderr
    assert "none.png" in result.stderr
    assert "Traceback" not in result.stderr
    assert len(list((folder / "out").rglob("report.json"))) == 1


def test_a_report_folder_has_json_page_and_picture(batch, example):
    _, folder = batch
    written = {path.name for path in (folder / "out" / example.photos[0].stem).iterdir()}
    assert written == {".looktwice-report", "report.json", "report.html", "overlay.png"}


def test_an_unwritable_out_is_refused_before_any_work(example, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    result = looktwice("inspect", example.photos[0], "--out", blocked, "--profile", "nano")
    assert result.returncode == 2
    assert str(blocked) in result.stderr
    assert "Traceback" not in result.stderr


def test_a_folder_without_images_is_refused(tmp_path):
    result = looktwice("inspect", tmp_path, "--profile", "nano")
    assert result.returncode == 2
    assert tmp_path.name in result.stderr


def test_a_bad_reference_is_named(example, tmp_path):
    broken = tmp_path / "broken-reference.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no more")
    result = looktwice("inspect", example.photos[0], "--ref", broken, "--profile", "nano")
    assert result.returncode == 2
    assert "broken-reference.jpg" in result.stderr


def test_a_product_that_nobody_learned_is_named_with_what_to_do(example, tmp_path):
    result = looktwice("inspect", example.photos[0], "--product", "kettle", "--profile", "nano", cwd=tmp_path)
    assert result.returncode == 2
    assert "looktwice learn kettle" in result.stderr


def test_an_unknown_profile_is_refused_with_those_there_are(example):
    result = looktwice("inspect", example.photos[0], "--profile", "giant")
    assert result.returncode == 2
    assert "nano" in result.stderr


def test_references_that_were_learned_before_are_not_learned_again(batch, example, monkeypatch):
    first, _ = batch
    for place in ("agent.steps.first_look.learn", "tools.parts.Discoverer.learn"):
        monkeypatch.setattr(place, lambda *_, **__: pytest.fail("it learned again"))
    again = looktwice("inspect", example.photos[0], "--ref", *example.references, "--json", "--profile", "nano")
    (before,), (after,) = ([json.loads(line) for line in r.stdout.splitlines()] for r in (first, again))
    for name in ("verdict", "evidence", "explanation", "references"):
        assert before[name] == after[name]


def test_a_learned_product_gives_the_verdict_of_its_references(example, tmp_path):
    learned = looktwice("learn", "board", *example.references, "--profile", "nano", cwd=tmp_path)
    assert learned.returncode == 0, learned.stderr
    assert (tmp_path / "products" / "board.yaml").exists()
    arguments = [example.photos[0], "--json", "--profile", "nano"]
    by_product = looktwice("inspect", *arguments, "--product", "board", cwd=tmp_path)
    (report,) = [json.loads(line) for line in by_product.stdout.splitlines()]
    assert report["product"] == "board"
    assert len(report["references"]) == len(example.references)


def test_references_of_the_call_join_a_ready_made_product():
    box = next(e for e in examples() if e.name == "meal_box")
    arguments = [box.photos[0], "--product", "meal_box", "--json", "--looks", "0", "--profile", "nano"]
    alone, joined = (looktwice("inspect", *arguments, *more) for more in ((), ("--ref", *box.references)))
    without, beside = (json.loads(result.stdout) for result in (alone, joined))
    assert without["product"] == beside["product"] == "meal_box"
    assert (len(without["references"]), len(beside["references"])) == (0, len(box.references))


def test_two_photos_of_one_name_get_two_reports(example, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part.png").write_bytes(Path(example.photos[0]).read_bytes())
    result = looktwice("inspect", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "out", "--profile", "nano")
    assert result.returncode in (0, 1, 3), result.stderr
    assert len(list((tmp_path / "out").rglob("report.json"))) == 2


def test_the_exit_status_says_that_a_stated_rule_was_not_checked(example):
    called = ["--ref", *example.references, "--normal", "two screws", "--profile", "nano", "--looks", "0"]
    result = looktwice("inspect", example.photos[0], *called, "--json")
    verdict = json.loads(result.stdout)["verdict"]
    assert verdict["unchecked"] == ["number of screws"]
    assert result.returncode == (1 if verdict["word"] == "anomalous" else 3)
    told = looktwice("inspect", example.photos[0], *called)
    assert told.returncode == result.returncode
    assert (
        "Not checked: the number of screws, because the models do not find them on the reference photos." in told.stdout
    )
    assert "not fully checked" in told.stdout


def test_a_reference_of_another_size_is_compared(example, tmp_path):
    large = tmp_path / "large.png"
    Image.open(example.references[0]).resize((400, 300)).save(large)
    result = looktwice("inspect", example.photos[0], "--ref", large, "--json", "--profile", "nano")
    assert result.returncode in (0, 1, 3), result.stderr
    assert len(json.loads(result.stdout)["references"]) == 1


def test_patterns_and_folders_that_no_shell_expanded_are_expanded(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_text("no photo")
    assert ProductOptions(ref=[str(tmp_path)]).references == [tmp_path / "a.png", tmp_path / "b.png"]
    assert ProductOptions(ref=[f"{tmp_path}/b*"]).references == [tmp_path / "b.png"]
    named = looktwice("inspect", tmp_path / "*.png", "--profile", "nano")
    assert named.returncode == 2 and "a.png: holds text" in named.stderr and "b.png: holds text" in named.stderr
    none = looktwice("inspect", tmp_path / "*.jpg", "--profile", "nano")
    assert none.returncode == 2 and "none matches the pattern" in none.stderr


def test_a_call_that_cannot_work_fails_before_it_learns(example, tmp_path, monkeypatch):
    monkeypatch.setattr("agent.steps.first_look.learn", lambda *_, **__: pytest.fail("it learned"))
    for photos in ([tmp_path / "none.png"], [tmp_path / "none.png", tmp_path / "no.png", "--out", tmp_path / "out"]):
        result = looktwice("inspect", *photos, "--ref", example.references[0], "--normal", "new", "--profile", "nano")
        assert result.returncode == 2 and "none.png: no such file" in result.stderr


def test_one_ref_takes_what_a_wildcard_gives():
    assert spread_refs(["a", "--ref", "1", "2", "-v", "3"]) == ["a", "--ref", "1", "--ref", "2", "-v", "3"]


def test_a_very_small_photo_is_refused_with_the_least_size(tmp_path):
    Image.fromarray(np.zeros((1, 1, 3), dtype=np.uint8)).save(tmp_path / "dot.png")
    result = looktwice("inspect", tmp_path / "dot.png", "--profile", "nano")
    assert result.returncode == 2
    assert "dot.png" in result.stderr


def test_the_version_is_said_without_a_command():
    result = looktwice("--version")
    assert (result.returncode, result.stdout) == (0, f"looktwice {version('looktwice')}\n")


def test_a_finished_inspection_is_read_from_its_store(example, tmp_path):
    asked = ["--ref", example.references[0], "--store", tmp_path / "inspections.sqlite", "--trace", "--json"]
    first, again = (looktwice("inspect", example.photos[-1], *asked, "--profile", "nano") for _ in range(2))
    assert "intake" in first.stderr and "intake" not in again.stderr and "explain" in again.stderr
    assert (again.returncode, again.stdout) == (first.returncode, first.stdout)
    other = looktwice("inspect", example.photos[-1], *asked, "--profile", "nano", "--looks", "0")
    assert "intake" in other.stderr
