"""The product file: round trips without loss, and says which field is wrong."""

import pytest

from agent.rules import CountRule
from agent.spec import PartSpec, ProductSpec, counted_parts
from tools.errors import InputError

SPEC = ProductSpec(
    name="tray",
    product="compartment tray",
    normal="two bolts",
    parts=(PartSpec(label="bolt", phrase="a bolt"),),
    rules=(CountRule(part="bolt", low=2, high=3, origin="induced", support=4, baseline=-1.25),),
)


def test_yaml_round_trip_loses_nothing(tmp_path):
    SPEC.save(tmp_path / "tray.yaml")
    assert ProductSpec.load(tmp_path / "tray.yaml") == SPEC


def test_a_rule_on_an_unknown_part_is_named(tmp_path):
    path = tmp_path / "tray.yaml"
    SPEC.save(path)
    path.write_text(path.read_text().replace("part: bolt", "part: screw"))
    with pytest.raises(InputError, match=r"tray\.yaml.*'screw'.*bolt"):
        ProductSpec.load(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "not readable as YAML"),
        ("!!python/object/apply:os.system ['true']", "not readable as YAML"),
        ("name: tray", "field product"),
        ("name: tray\nproduct: tray\ncolour: red", "field colour"),
        ("just words", "field file"),
    ],
)
def test_a_broken_file_gets_one_sentence(tmp_path, text, message):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        ProductSpec.load(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml"):
        ProductSpec.load(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("sentence", "counts"),
    [
        ("two bolts, three nuts", {"bolt": 2, "nut": 3}),
        ("A tray with 2 red cables and one washer.", {"red cable": 2, "washer": 1}),
        (
            "The left one holds two long bolts, the upper right one three nuts, the lower one two washers.",
            {"long bolt": 2, "nut": 3, "washer": 2},
        ),
        ("filled to the shoulder", {}),
    ],
)
def test_counts_are_read_from_a_sentence(sentence, counts):
    assert counted_parts(sentence) == counts
