"""Every file of a benchmark or an earlier run is read within a limit, and a broken one gives one sentence."""

import json
import os

import pytest
from pretend import Inspector, mask, parts_folder, picture, settings

from evals.datasets import folder as pairs
from evals.datasets import mmad, mvtec, open_benchmark, visa
from evals.datasets import visa as visa_dr
from evals.datasets.masks import read_grey
from evals.run.results import PREDICTIONS, Prediction, Refusal, claimed, read_lines, read_results
from evals.run.runner import run
from evals.studies.report_sentences import products
from tools.errors import InputError
from tools.image_files import FORMATS

HEAD = b"object,split,label,image,mask\n"
READERS = {
    "mmad.json": mmad.open_mmad,
    "test_data.json": visa_dr.open_visa_dr,
    "visa_dr.json": visa_dr.open_visa_dr,
    "split_csv/1cls.csv": visa.open_visa,
    "test.txt": pairs.open_pairs,
    "group1/a.txt": pairs.open_pairs,
    "nut/defects_config.json": lambda root: [c.regions() for c in mvtec.open_mvtec(root)[0].cases],
    "pair/label.json": lambda root: list(products(root, 2)),
    "settings.json": lambda root: claimed(root, settings()).__enter__(),
    "predictions.jsonl": lambda root: read_lines(root / PREDICTIONS, Prediction),
    "results.json": read_results,
}

SHAPES = ["[" * 100_000, '{"a":' * 50_000, "9" * 10_000, "[NaN, 1e999]", '"\\ud800"', "null", "[[]]", ""]


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "data"
    for name in (
        "group1/a_temp.png",
        "group1/a_test.png",
        "nut/train/good/0.png",
        "nut/test/bent/1.png",
        "pair/normal.png",
        "pair/abnormal.png",
    ):
        picture(folder / name)
    mask(folder / "nut/ground_truth/bent/1/000.png")
    (folder / "group1" / "a.txt").write_text("")
    (folder / "split_csv").mkdir()
    return folder


def refused(reader, root):
    with pytest.raises(InputError) as caught:
        reader(root)
    said = str(caught.value)
    assert said.isprintable()
    return said


@pytest.mark.parametrize("name", READERS)
def test_bytes_that_are_no_utf8_are_one_sentence(root, name):
    (root / name).write_bytes(HEAD + b"a,\xff\xfe,\n" if name.endswith("csv") else b"\xff\xfe\n")
    assert (root / name).name in refused(READERS[name], root)


@pytest.mark.parametrize("name", READERS)
def test_a_file_without_end_is_not_read_to_its_end(root, name, monkeypatch):
    with (root / name).open("wb") as stream:
        stream.truncate(2_000_000_000)
    said = refused(READERS[name], root)
    assert "is larger than" in said
    (root / name).unlink()
    os.mkfifo(root / name)
    if name in ("predictions.jsonl", "settings.json"):
        assert "not a regular file" in refused(READERS[name], root)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (name, text)
        for text in (*SHAPES, '{"": 1}')
        for name in READERS
        if "json" in name and (text in SHAPES or name != "pair/label.json")
    ],
)
def test_json_of_another_shape_is_one_sentence(root, name, text):
    (root / name).write_text(text + "\n")
    if text == "" and name == "predictions.jsonl":
        text = "an empty line"
    refused(READERS[name], root)


@pytest.mark.parametrize(
    "rows",
    [
        b"\0\n",
        b'"' + b"a" * 200_000,
        b"a,b,c,d,e,f,g\n",
        b"candle,test\n",
        b"candle,test,normal,\x1b[31m.png,\n",
        b"\n,,,,",
    ],
)
def test_rows_of_another_shape_are_one_sentence(root, rows):
    (root / "split_csv/1cls.csv").write_bytes(HEAD + rows)
    refused(READERS["split_csv/1cls.csv"], root)


def test_a_line_that_is_too_long_is_refused_and_a_line_separator_in_a_text_is_kept(tmp_path):
    path, refusal = tmp_path / "refused.jsonl", Refusal(category="a\u2028b\x85c", id="1", why="x")
    path.write_text(f"{refusal.model_dump_json()}\n", encoding="utf-8")
    assert read_lines(path, Refusal) == [refusal]
    path.write_text(Refusal(category="a", id="1", why="x" * 1_100_000).model_dump_json() + "\n")
    with pytest.raises(InputError, match=r"line 1: has 11\d+ bytes"):
        read_lines(path, Refusal)


@pytest.mark.parametrize("text", ["[]", '{"parts": []}', '{"parts": {"references": [{}]}}', "\xff", '{"parts": 1}'])
def test_references_that_no_run_wrote_are_one_sentence(tmp_path, text):
    root, out = parts_folder(tmp_path / "parts"), tmp_path / "out"
    out.mkdir()
    (out / "references.json").write_text(text, encoding="latin-1")
    categories = open_benchmark("folder", root=root, categories=None, split="all", seed=0, limit=None)
    with pytest.raises(InputError, match=r"references\.json: not the references of a run"):
        run(Inspector(), categories, settings(), out)


def test_a_mask_is_decoded_only_as_a_known_format_and_within_a_size(tmp_path):
    from PIL import Image

    for form in ("SGI", "PCX", "TGA"):
        assert form not in FORMATS
        Image.new("L", (32, 32)).save(tmp_path / "mask.png", form)
        with pytest.raises(InputError, match="is damaged or no image"):
            read_grey(tmp_path / "mask.png")
    for side, said in ((12_000, "100 megapixels|at most 100"), (20_000, "is damaged or no image")):
        Image.new("1", (side, side)).save(tmp_path / "large.png")
        with pytest.raises(InputError, match=said):
            read_grey(tmp_path / "large.png")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InputError, match="not a regular file"):
        read_grey(tmp_path / "pipe.png")


def test_a_conversation_with_turns_of_another_kind_is_one_sentence(root):
    turns = [{"from": "gpt", "value": "a"}, "no turn", 3]
    picture(root / "candle" / "a.png")
    record = [{"image": "candle/a.png", "questions": ["Why?", "How?"], "conversations": turns}]
    (root / "visa_dr.json").write_text(json.dumps(record))
    assert "2 questions and 1 answers" in refused(READERS["visa_dr.json"], root)
