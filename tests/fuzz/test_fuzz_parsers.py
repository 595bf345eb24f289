"""Whatever text or bytes come in from files and models, parsers give a value or one sentence."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from agent.products.description import read_words
from agent.products.proposals import read_parts
from agent.products.rule_proposals import read_rules
from agent.products.spec import ProductSpec
from agent.rules import contradiction
from looktwice.batch.manifest import MANIFEST, RunManifest, claim
from looktwice.batch.records import InspectionJob, Journal, Names, PhotoOutcome, ResultLine
from looktwice.cli.inspect import spread_refs
from tools.display_text import display_text
from tools.errors import InputError, ModelError
from tools.images import load_sample
from tools.mask_encoding import decode_rle, encode_rle
from tools.profiles import load_profile
from tools.types import Box

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
SPEC_FIELDS = st.sampled_from(
    ["version", "name", "product", "normal", "parts", "rules", "references", "good_scores", "x"]
)
RULE = st.fixed_dictionaries(
    {"kind": st.sampled_from(["count", "presence", "position", "colour", "relation", "match", "ask", "nonsense"])},
    optional={"part": st.text(max_size=8), "low": PLAIN, "high": PLAIN, "zone": PLAIN, "origin": PLAIN},
)
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=60)


def one_sentence(error):
    message = str(error)
    assert message.strip()
    assert "Traceback" not in message
    return True


@given(arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_a_mask_survives_its_run_lengths(mask):
    assert np.array_equal(decode_rle(encode_rle(mask)), mask)


@given(st.lists(st.integers(-3, 300), max_size=3), st.text(max_size=30))
def test_run_lengths_that_nobody_wrote_are_a_mask_or_a_sentence(size, counts):
    try:
        mask = decode_rle({"size": size, "counts": counts})
    except InputError as error:
        assert one_sentence(error)
    else:
        assert mask.shape == tuple(size)


@given(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4), st.integers(1, 500), st.integers(1, 500))
def test_a_box_clipped_to_a_photo_lies_in_it(sides, width, height):
    x0, y0, x1, y1 = sides
    box = Box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)).clipped(width, height)
    assert 0 <= box.x0 <= box.x1 <= width
    assert 0 <= box.y0 <= box.y1 <= height


@given(st.one_of(st.dictionaries(SPEC_FIELDS, PLAIN, max_size=6), PLAIN), st.lists(RULE, max_size=2))
def test_a_product_file_of_any_plain_data_is_a_product_or_a_sentence(tmp_path_factory, data, rules):
    path = tmp_path_factory.getbasetemp() / "plain.yaml"
    if isinstance(data, dict) and rules:
        data = {"name": "tray", "product": "tray", **data, "rules": rules}
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    read_or_refused(path)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace")))
def test_a_product_file_of_any_bytes_is_a_product_or_a_sentence(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "bytes.yaml"
    path.write_bytes(content)
    read_or_refused(path)


def read_or_refused(path):
    try:
        spec = ProductSpec.load(path)
    except InputError as error:
        assert one_sentence(error)
        assert path.name in str(error)
    else:
        again = path.with_name("again.yaml")
        spec.save(again)
        assert ProductSpec.load(again) == spec


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch pwned']",
        "name: !!python/name:os.system",
        "a: &a [1]\nb: *a",
        "[" * 5000,
        "{a: " * 500,
        "name: 'x",
        "\0",
        "%TAG ! tag:x,2000:\n--- !x y",
        "- &x [*x]",
    ],
)
def test_yaml_that_wants_to_run_or_to_unfold_is_refused(tmp_path, text, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.yaml"
    path.write_text(text)
    with pytest.raises(InputError):
        ProductSpec.load(path)
    with pytest.raises(ModelError):
        load_profile(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["evil.yaml"]


@given(st.text(max_size=300))
def test_any_sentence_about_good_ones_can_be_read(text):
    told = read_words(text)
    assert all(rule.origin == "told" for rule in told.rules)


@given(st.text(max_size=200) | PLAIN.map(lambda v: f"Sure! {json.dumps(v, default=str)} done"))
def test_a_vlm_that_answers_nonsense_gives_names_or_what_is_wrong(answer):
    found, fault = read_parts(answer)
    assert (fault is None) or (found == ())
    assert all(0 < len(part.label) <= 40 for part in found)


WRITTEN = st.fixed_dictionaries(
    {"kind": st.sampled_from(["count", "presence", "position", "relation", "colour", "match", "ask"]) | PLAIN},
    optional={
        "part": st.sampled_from(["bolt", "nut"]) | PLAIN,
        "other": st.sampled_from(["bolt", "nut"]) | PLAIN,
        "low": st.integers(-1, 5) | PLAIN,
        "high": st.integers(-1, 5) | PLAIN,
        "place": st.just("left") | PLAIN,
        "relation": st.sampled_from(["above", "touching"]) | PLAIN,
        "colour": st.just("red") | PLAIN,
        "mapping": PLAIN,
        "by": st.just("count") | PLAIN,
        "question": PLAIN,
        "expected": st.just("yes") | PLAIN,
    },
)


@given(st.lists(WRITTEN | PLAIN, max_size=5) | PLAIN)
def test_a_vlm_that_writes_any_rules_gives_rules_of_known_parts_or_what_is_wrong(items):
    rules, fault = read_rules(json.dumps({"rules": items}, default=str), {"bolt": "part A", "nut": "nut"})
    assert isinstance(items, list) or fault is not None
    assert contradiction(rules) is None
    assert all({*rule.named} <= {"part A", "nut", "any"} and rule.origin == "proposed" for rule in rules)


@pytest.mark.parametrize("answer", ["[" * 100_000, "[" + "9" * 10_000 + "]", '{"rules": ' * 50_000, "[NaN, 1e999]"])
def test_an_answer_that_no_parser_likes_is_only_wrong(answer):
    assert read_rules(answer, {})[0] == read_parts(answer)[0] == ()
    assert read_rules(answer, {})[1] is not None


@given(st.lists(st.text(max_size=12), max_size=8))
def test_spreading_references_keeps_every_argument(arguments):
    assert [a for a in spread_refs(arguments) if a != "--ref"] == [a for a in arguments if a != "--ref"]


@given(st.lists(NAMES, max_size=20))
def test_folders_of_any_names_differ_and_stay_inside(names):
    given_names = Names(set())
    folders = [given_names.fresh(Path(f"{name}.png")) for name in names]
    assert len(set(folders)) == len(folders)
    assert all(Path(folder).parts == (folder,) and folder not in ("..", ".") for folder in folders)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.text(max_size=40), st.text(max_size=80)), min_size=1, max_size=5), st.binary(max_size=60))
def test_lines_of_any_words_come_back_and_a_torn_one_is_cut(tmp_path_factory, words, torn):
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.unlink(missing_ok=True)
    journal = Journal(path)
    lines = [
        ResultLine.of(PhotoOutcome(InspectionJob(Path("x"), name, None), "refused", "0" * 64, error=said))
        for name, said in words
    ]
    for line in lines:
        journal.append(line)
    journal.close()
    with path.open("ab") as stream:
        stream.write(torn.replace(b"\n", b""))
    again = Journal(path)
    assert list(again.lines()) == lines
    again.close()


@given(st.binary(max_size=200) | PLAIN.map(lambda v: json.dumps(v).encode()))
def test_a_manifest_of_any_bytes_is_refused_in_a_sentence(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp() / "claimed"
    folder.mkdir(exist_ok=True)
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(InputError, match="manifest"):
        claim(folder, RunManifest(options={}, product={}, models={}, versions={}))


@pytest.mark.parametrize(
    "name",
    [
        "a\nb.png",
        "'; rm -rf $HOME; '.png",
        '"quoted".png',
        "<img src=x onerror=alert(1)>.png",
        "-rf.png",
        "\N{GRINNING FACE}.png",
        "\x1b[31mred.png",
        "x" * 251 + ".png",
        "[bold]markup[-].png",
        "%2e%2e%2fetc.png",
        "..\\..\\evil.png",
        os.fsdecode(b"\xff\xfe.png"),
    ],
)
def test_a_photo_of_any_name_is_read_and_its_refusal_is_one_readable_line(tmp_path, name):
    path = tmp_path / name
    path.write_text("no photo")
    with pytest.raises(InputError) as caught:
        load_sample(path)
    said = display_text(str(caught.value))
    assert said.isprintable()
    said.encode("utf-8")
