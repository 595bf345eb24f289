"""The product file: round trips without loss, and says which line and field is wrong."""

import json
import time

import pytest

from agent.products.files import in_yaml
from agent.products.spec import PartSpec, ProductSpec
from agent.rules import (
    ColourRule,
    CountRule,
    EachRule,
    MatchRule,
    PositionRule,
    RelationRule,
    SameRule,
    SizeRule,
    Tolerance,
    Zone,
)
from nano.world import FAMILIES as FAMILY_NAMES
from nano.world import family
from prompts import ready_made
from tools.errors import InputError

SPEC = ProductSpec(
    name="tray",
    product="compartment tray",
    normal="two bolts: ümlaut, 'quotes' and # signs",
    unruled=("it looks nice",),
    parts=(PartSpec(label="bolt", phrase="a bolt"), PartSpec(label="part A")),
    rules=(
        CountRule(part="bolt", low=2, high=3, origin="induced", support=4, baseline=-1.25),
        PositionRule(part="bolt", zone=Zone(right=0.0), across=Tolerance(spread=0.02, freedom=6)),
        PositionRule(part="part A", places=((0.1, -0.2), (0.3, 0.25)), origin="induced", support=4, doubt=0.02),
        SizeRule(part="bolt", of="length", expected=(0.5, 0.3), tolerance=Tolerance(spread=0.05)),
        ColourRule(part="bolt", colour="grey", lab=(60.0, 1.0, -2.0)),
        SameRule(part="bolt", others=("part A",), offsets={"bolt": (1.0, -2.0)}),
        RelationRule(part="bolt", relation="left of", other="part A", margin=0.2),
        EachRule(part="bolt", other="part A"),
        MatchRule(part="bolt", other="part A", by="count", mapping={"2": "red", "3": "blue"}),
    ),
    good_scores=(-0.5, 0.25),
    named_scores=(-1.0, -0.75),
)


def test_yaml_round_trip_loses_nothing(tmp_path):
    SPEC.save(tmp_path / "tray.yaml")
    assert ProductSpec.load(tmp_path / "tray.yaml") == SPEC


def test_rules_on_named_parts_are_held_against_their_own_scores_and_older_files_against_all():
    named, discovered, both = SPEC.rules[0], SPEC.rules[2], SPEC.rules[5]
    assert [SPEC.usual(r) for r in (named, discovered, both)] == [(-1.0, -0.75), (-0.5, 0.25), (-0.5, 0.25)]
    assert SPEC.model_copy(update={"named_scores": ()}).usual(named) == (-0.5, 0.25)
    assert not SPEC.by_words(CountRule(part="any", low=1, high=4))


def test_each_rule_stands_under_a_line_that_says_it_in_words(tmp_path):
    SPEC.save(tmp_path / "tray.yaml")
    assert "# Count of 'bolt': 2 to 3. (induced, 4 references obey it)" in (tmp_path / "tray.yaml").read_text()


def test_a_rule_on_an_unknown_part_is_named(tmp_path):
    path = tmp_path / "tray.yaml"
    SPEC.save(path)
    path.write_text(path.read_text().replace("part: bolt", "part: screw", 1))
    with pytest.raises(InputError, match=r"tray\.yaml.*'screw'.*bolt"):
        ProductSpec.load(path)


def test_a_wrong_number_is_named_with_its_line_and_field(tmp_path):
    path = tmp_path / "tray.yaml"
    SPEC.save(path)
    lines = path.read_text().split("\n")
    at = next(n for n, line in enumerate(lines) if line.strip() == "low: 2")
    lines[at] = "    low: -2"
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=rf"line {at + 1}: field rules\.0\.low: .*found -2"):
        ProductSpec.load(path)


BASE = "name: tray\nproduct: tray\nparts:\n- {label: bolt, phrase: bolt}\n- {label: nut, phrase: nut}\nrules:\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "is not valid YAML"),
        ("!!python/object/apply:os.system ['true']", "is not valid YAML"),
        ("name: tray", "field product"),
        ("name: tray\nproduct: tray\ncolour: red", "line 3: field colour"),
        ("just words", "field file"),
        ("", "field file"),
        ("a: &a [x, x]\nb: [*a, *a]", r"line 1: anchors and aliases"),
        ("name: tray\nproduct: tray\nname: box", "line 3: field name is given twice"),
        ("x: " + "[" * 40 + "]" * 40, "nested deeper"),
        (BASE + "- {kind: weight, part: bolt}", "line 7: field rules.0: unknown kind weight; kinds are 'count'"),
        (BASE + "- {kind: count, part: bolt, low: 3, high: 1}", r"line 7: .*high \(1\) is below low \(3\)"),
        (BASE + "- {kind: position, part: bolt}", "give either places"),
        (BASE + "- {kind: match, part: bolt, other: nut, by: count, mapping: {two: red}}", "must be whole numbers"),
        (BASE + "- {kind: match, part: bolt, other: nut, by: colour, mapping: {red: mauve}}", "not known: mauve"),
    ],
)
def test_a_broken_file_gets_one_sentence(tmp_path, text, message):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        ProductSpec.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (
            "- {kind: count, part: bolt, low: 2, high: 2}\n- {kind: count, part: bolt, low: 3, high: 3}",
            "rules 1, 2",
        ),
        ("- {kind: presence, part: bolt}\n- {kind: count, part: bolt, low: 0, high: 0}", "allows none"),
        (
            "- {kind: count, part: bolt, low: 4, high: 4}\n- {kind: count, part: any, low: 3, high: 3}",
            "ask for 4 or more",
        ),
        (
            "- {kind: relation, part: bolt, relation: above, other: nut}\n"
            "- {kind: relation, part: nut, relation: above, other: bolt}",
            "cannot both be",
        ),
        (
            "- {kind: count, part: nut, low: 2, high: 3}\n"
            "- {kind: match, part: bolt, other: nut, by: count, mapping: {'6': red, '8': blue}}",
            "allows 2 to 3",
        ),
    ],
)
def test_rules_that_contradict_each_other_are_refused(tmp_path, rules, message):
    path = tmp_path / "product.yaml"
    path.write_text(BASE + rules)
    with pytest.raises(InputError, match=message):
        ProductSpec.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml"):
        ProductSpec.load(tmp_path / "none.yaml")


def test_a_file_that_is_far_too_large_is_not_read(tmp_path):
    path = tmp_path / "large.yaml"
    path.write_text("# " + "x" * 1_100_000)
    with pytest.raises(InputError, match="larger than 1 MB"):
        ProductSpec.load(path)


def test_the_schema_names_every_kind_of_rule():
    schema = json.loads(ProductSpec.schema_text())
    kinds = schema["properties"]["rules"]["items"]["discriminator"]["mapping"]
    assert {"count", "position", "match", "ask"} <= set(kinds)


FAMILIES = {name for name in FAMILY_NAMES if family(name).is_logical}
LOCO = {"breakfast_box", "juice_bottle", "pushpins", "screw_bag", "splicing_connectors"}


def test_products_ship_for_the_families_with_rules_and_for_those_of_mvtec_loco():
    assert set(ready_made()) == FAMILIES | LOCO


@pytest.mark.parametrize("name", sorted(FAMILIES | LOCO))
def test_ready_made_products_read_and_say_that_nobody_measured_them(name):
    path = ready_made()[name]
    spec = ProductSpec.load(path)
    assert spec.name == name
    assert len(spec.rules) >= 3
    assert {rule.origin for rule in spec.rules} == {"told"}
    text = path.read_text(encoding="utf-8")
    first = text.split("\n")[0]
    assert "by hand" in first
    assert "nobody has measured" in first
    # The line above each rule says what the rule says, also after someone has changed a number.
    assert text.endswith("\n" + in_yaml(spec))


@pytest.mark.parametrize(
    ("field", "fault"),
    [
        ("parts: [" + ", ".join(f"{{label: p{n}}}" for n in range(5000)) + "]", "at most 200"),
        ("good_scores: [.nan]", "finite"),
        ("version: " + "1" * 5000, "digits"),
        ("references: [" + "a.png, " * 20_000 + "b.png]", "at most 10000"),
        ("normal: " + "a " * 20_000, "at most 10000"),
    ],
)
def test_a_product_file_that_would_take_minutes_is_refused_at_once(tmp_path, field, fault):
    path = tmp_path / "hostile.yaml"
    path.write_text(f"name: a\nproduct: a\n{field}\n")
    start = time.monotonic()
    with pytest.raises(InputError, match=fault):
        ProductSpec.load(path)
    assert time.monotonic() - start < 10
