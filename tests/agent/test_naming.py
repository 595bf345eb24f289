"""Discovered parts get the language model's names where the detector finds those names in the parts' places."""

import pytest

from agent import Inspector
from agent.evidence.claims import renamed, say_briefly
from agent.evidence.types import Claim
from agent.products.proposals import names_of
from agent.rules import MeasuredParts
from nano.world import render
from tools.types import Box, Part, Region


def at(label, *lefts, score=0.9, width=10):
    return MeasuredParts(tuple(Part(label, Region(Box(x, 0, x + width, 10), score)) for x in lefts))


def together(*several):
    return MeasuredParts(tuple(part for measured in several for part in measured.parts))


OTHERS = {"part B": "cap", "part C": "lid"}


def names_beside_two_others(parts, detected):
    """Names of "part A", where two other kinds bear names on each of as many references."""
    kinds = together(parts, at("part B", 200), at("part C", 300))
    beside = [together(boxes, at("cap", 200), at("lid", 300)) for boxes in detected]
    return names_of(["part A", "part B", "part C"], [kinds] * len(beside), ["bolt", "cap", "lid"], beside)


def test_a_kind_bears_the_name_that_is_found_wherever_its_parts_are():
    discovered = [together(at("part A", 0, 20), at("part B", 50)) for _ in range(4)]
    detected = [together(at("nut", 51), at("bolt", 1, 21)) for _ in range(4)]
    assert names_of(["part A", "part B"], discovered, ["bolt", "nut"], detected) == {"part A": "bolt", "part B": "nut"}


@pytest.mark.parametrize(
    ("detected", "why"),
    [
        (at("bolt", 1), "one of two is not found"),
        (at("bolt", 1, 21, 40), "one is found where there is none"),
        (at("bolt", 1, 35), "one is found elsewhere"),
        (at("bolt", 1, 2), "both are found in one place"),
        (at("bolt", 1, 21, score=0.2), "they are faint"),
        (at("bolt", 1, 21, width=40), "they are another size"),
        (at("bolt"), "nothing is found"),
    ],
)
def test_a_name_that_does_not_fit_is_not_given(detected, why):
    named = names_beside_two_others(at("part A", 0, 20), [detected] * 4)
    assert named == OTHERS, why


def test_one_reference_of_four_may_be_otherwise_and_a_single_one_names_nothing():
    parts, right, wrong = at("part A", 0, 20), at("bolt", 1, 21), at("bolt", 1)
    assert names_beside_two_others(parts, [right, right, right, wrong]) == {**OTHERS, "part A": "bolt"}
    assert names_beside_two_others(parts, [right, right, wrong, wrong]) == OTHERS
    assert names_beside_two_others(parts, [right]) == {}


def test_a_single_name_is_none():
    assert names_of(["part A"], [at("part A", 0)] * 4, ["gear"], [at("gear", 0)] * 4) == {}


def test_no_name_is_given_twice_and_no_kind_gets_two():
    discovered = [together(at("part A", 0), at("part B", 1))] * 2
    detected = [together(at("cap", 0), at("lid", 0))] * 2
    named = names_of(["part A", "part B"], discovered, ["cap", "lid"], detected)
    assert sorted(named.values()) == ["cap", "lid"]
    assert sorted(named) == ["part A", "part B"]


def test_a_report_calls_a_part_what_people_call_it():
    claim = renamed(Claim("count_differs", {"part": "part A", "found": 1, "expected": "2"}), {"part A": "egg"})
    assert "egg" in say_briefly(claim)
    assert "part A" not in say_briefly(claim)
    quoted = renamed(Claim("arranged_missing", {"part": "'part A'", "place": "part A side"}), {"part A": "egg"})
    assert quoted.facts == {"part": "'egg'", "place": "part A side"}


def test_a_report_on_a_product_that_the_vlm_knows_names_what_was_discovered():
    inspector = Inspector(profile="nano")
    good = [render("meal_box", seed=91, index=1_000_000 + n, defect=None).image for n in range(4)]
    product = inspector.learn("meal box", good)
    assert {"egg", "salad"} <= set(product.spec.called.values())
    assert all(part.phrase is None for part in product.spec.parts)
    report = inspector.inspect(render("meal_box", seed=91, index=3, defect="missing part").image, product=product)
    said = " ".join(finding.what for finding in report.evidence)
    assert "egg" in said
    assert not any(f"'{label}'" in said for label in product.spec.called)
