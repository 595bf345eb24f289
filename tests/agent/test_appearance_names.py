"""Discovered parts are named by what they look like, and no two alike."""

from agent.products.appearance_names import appearance_names
from agent.rules import MeasuredParts
from tools.types import Box, Measures, Part, Region


def part(label, colour="grey", length=10.0, width=10.0, area=78.0, place=(0.0, 0.0)):
    measures = Measures(area, length, width, 0.0, (0.0, 0.0), (50.0, 0.0, 0.0), colour, place, None, area / 1e4)
    return Part(label, Region(Box(0, 0, 10, 10), 0.9), measures)


def names(*parts):
    labels = list(dict.fromkeys(p.label for p in parts))
    return appearance_names(labels, [MeasuredParts(parts)])


def test_colour_and_shape_name_a_part():
    assert names(part("part A", "red"), part("part B", "yellow", length=40.0, area=300.0)) == {
        "part A": "round red part",
        "part B": "long yellow part",
    }
    assert names(part("part A", area=100.0)) == {"part A": "grey part"}


def test_two_of_one_look_are_told_apart_by_size():
    found = names(part("part A"), part("part B", length=20.0, width=20.0, area=312.0))
    assert found == {"part A": "small round grey part", "part B": "large round grey part"}


def test_several_of_one_look_are_told_apart_by_place_and_else_by_number():
    left, right = part("part A", place=(-0.4, -0.4)), part("part B", place=(0.4, 0.0))
    assert names(left, right) == {"part A": "upper left round grey part", "part B": "right round grey part"}
    assert names(part("part A"), part("part B")) == {"part A": "round grey part 1", "part B": "round grey part 2"}


def test_the_usual_colour_of_several_counts_and_what_no_reference_shows_has_no_name():
    found = names(part("part A", "red"), part("part A", "red"), part("part A", "brown"))
    assert found == {"part A": "round red part"}
    assert appearance_names(["part Z"], [MeasuredParts(())]) == {}
