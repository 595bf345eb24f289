"""Strewn parts keep their gap where there is room, and take the freest place where there is none."""

import itertools
from math import hypot

import pytest

from nano.world.chance import Chance
from nano.world.medley_photo import _rounds, strewn
from nano.world.stage import At


def test_a_long_part_is_covered_from_end_to_end_and_no_farther():
    discs = _rounds(At(10.0, 5.0, 90.0), 44.0, 7.5)
    assert min(y - r for _, y, r in discs) == pytest.approx(5 - 44)
    assert max(y + r for _, y, r in discs) == pytest.approx(5 + 44)
    assert all(x == pytest.approx(10) and r == 7.5 for x, _, r in discs)
    steps = [b[1] - a[1] for a, b in itertools.pairwise(discs)]
    assert max(steps) < 2.5 * 7.5
    assert _rounds(At(1.0, 2.0), 9.0, 9.0) == [(1.0, 2.0, 9.0)]


@pytest.mark.parametrize("gap", [0.0, 6.0])
def test_parts_keep_the_gap_where_there_is_room(gap):
    lying = []
    for n in range(6):
        at = strewn(Chance("test", n), lying, (0.0, 10.0, 10.0), (90.0, 90.0), gap)
        assert all(hypot(at.x - b.x, at.y - b.y) >= 20 + gap for b, _, _ in lying)
        lying.append((at, 10.0, 10.0))


def test_where_no_place_is_free_the_freest_of_those_that_were_tried_is_taken_within_the_room():
    lying = [(At(-30.0, 0.0), 20.0, 20.0)]
    places = [strewn(Chance("test", n), lying, (30.0, 10.0, 10.0), (20.0, 5.0), 99.0) for n in range(8)]
    assert all(abs(at.x) <= 20 and abs(at.y) <= 5 and at.angle == 30.0 for at in places)
    assert min(at.x for at in places) > 10
