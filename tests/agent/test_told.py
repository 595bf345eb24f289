"""What a person says becomes rules; what cannot is listed and not lost."""

import pytest

from agent.products.description import counted_parts, read_words
from agent.rules import EachRule


def told(text):
    return {rule.name: rule for rule in read_words(text).rules}


def test_long_and_short_ones_are_one_part_with_lengths():
    rules = told("two short bolts, one long bolt, three nuts")
    assert rules["count of bolt"].low == 3
    assert rules["lengths of bolt"].groups == (1, 2)
    assert rules["count of nut"].low == 3


def test_what_no_rule_can_say_is_listed():
    words = read_words("two lids; the label shows the fruit of the juice")
    assert words.left == ("the label shows the fruit of the juice",)


@pytest.mark.parametrize(
    ("text", "name", "sides"),
    [
        ("The left compartment holds two gaskets.", "place of gasket", {"right": 0.0}),
        ("Three clips in the upper right corner", "place of clip", {"left": 0.0, "bottom": 0.0}),
        ("The spring should be on the left side", "place of spring", {"right": 0.0}),
    ],
)
def test_places_in_words_are_halves_of_the_product(text, name, sides):
    assert told(text)[name].zone.model_dump(exclude_none=True) == sides


def test_a_colour_by_number_is_a_mapping():
    rule = told("The wire is yellow for three sockets, blue for four and red for five.")[
        "colour of wire by count of socket"
    ]
    assert rule.mapping == {"3": "yellow", "4": "blue", "5": "red"}


def test_shared_colours_sides_and_contacts_are_understood():
    rules = told(
        "Two caps and two rings, all of the same colour. The lid is above the jar. The strap joins both handles."
    )
    assert rules["same colour of cap and ring"].others == ("ring",)
    assert rules["lid above jar"].relation == "above"
    assert (rules["strap touching handle"].low, rules["strap touching handle"].high) == (2, 2)


def test_how_many_each_holds_is_no_count_of_all():
    (rule,) = read_words("Each plate holds two screws.").rules
    assert rule == EachRule(part="plate", other="screw", low=2, high=2)
    assert read_words("Each cell holds exactly one yellow pin.").rules == ()


def test_nothing_said_is_nothing_told():
    assert read_words("") == read_words("  ")
    assert read_words("").parts == ()


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
        ("one whole hazelnut please", {"hazelnut": 1}),
        ("always exactly two intact red bolts, and one clean, undamaged washer please", {"red bolt": 2, "washer": 1}),
    ],
)
def test_counts_are_read_from_a_sentence(sentence, counts):
    assert counted_parts(sentence) == counts


@pytest.mark.parametrize(
    ("text", "counts", "left"),
    [
        ("An even wooden board without scratches, holes or stains", {}, ()),
        ("Two bolts, no dents; it looks even", {"bolt": 2}, ("it looks even",)),
        ("A bottle without a cap", {}, ("A bottle without a cap",)),
        ("No visible defects", {}, ()),
    ],
)
def test_that_there_is_no_damage_is_no_rule_and_is_not_left_unchecked(text, counts, left):
    told = read_words(text)
    assert {rule.part: rule.low for rule in told.rules} == counts
    assert told.left == left
