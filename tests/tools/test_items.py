"""What the tracer saw is cut into things: touching ones apart, rings and bars whole."""

import numpy as np
import pytest

from tools.anomaly.damage import Traces
from tools.parts.masks import items

SIDE = 128
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]


def disc(x, y, radius):
    return (COLUMNS - x) ** 2 + (ROWS - y) ** 2 <= radius**2


def block(x0, y0, x1, y1):
    return (x0 <= COLUMNS) & (x1 > COLUMNS) & (y0 <= ROWS) & (y1 > ROWS)


ITSELF = np.stack([COLUMNS, ROWS]).astype(np.float32)
"""Middles of places of which each is a part of its own."""


def traces(mask, edge=None, middles=ITSELF):
    nothing = np.zeros((SIDE, SIDE), np.float32)
    edges = nothing if edge is None else edge.astype(np.float32)
    return Traces(
        edges, nothing, mask.astype(np.float32), None, mask.shape[::-1], kinds=None, middles=middles, tokens=None
    )


@pytest.mark.parametrize(
    ("mask", "count"),
    [
        (disc(40, 40, 12) | disc(90, 40, 12), 2),
        (disc(40, 40, 12) | disc(61, 40, 12), 2),
        (disc(64, 64, 20) & ~disc(64, 64, 14), 1),
        (block(20, 60, 110, 68), 1),
        (block(20, 60, 50, 80) | block(50, 64, 110, 76), 1),
        (disc(40, 64, 14) | disc(70, 64, 14) | block(40, 54, 70, 74), 1),
        (np.zeros((SIDE, SIDE), bool), 0),
        (block(5, 5, 7, 7), 0),
    ],
    ids=["apart", "touching", "a ring", "a bar", "a bolt", "a waist", "nothing", "noise"],
)
def test_things_are_counted(mask, count):
    assert len(items(traces(mask))) == count


def test_a_ring_keeps_its_hole():
    (ring,) = items(traces(disc(64, 64, 20) & ~disc(64, 64, 14)))
    assert not ring[64, 64]


def test_a_strong_edge_right_through_parts_two_things():
    both = block(30, 30, 90, 70)
    assert len(items(traces(both, block(59, 30, 62, 70)))) == 2
    assert len(items(traces(both, block(59, 30, 62, 45)))) == 1


def pointing(*places):
    """Middles of places that point somewhere each: (mask, x, y)."""
    found = ITSELF.copy()
    for mask, x, y in places:
        found[:, mask] = np.array([[x], [y]])
    return found


def test_pieces_that_point_to_one_middle_are_one_thing_and_others_are_not():
    both, edge = block(30, 30, 90, 70), block(59, 30, 62, 70)
    (whole,) = items(traces(both, edge, pointing((both, 60, 50))))
    assert (whole == both).all()
    left, right = items(traces(both, edge, pointing((both & (COLUMNS < 60), 45, 50), (both & (COLUMNS >= 60), 75, 50))))
    assert (left ^ right == both).all()


def test_a_head_and_a_shaft_that_do_not_touch_are_one_bolt_beside_another_thing():
    head, shaft, nut = block(20, 50, 40, 80), block(44, 58, 90, 72), disc(100, 20, 10)
    found = items(traces(head | shaft | nut, middles=pointing((head | shaft, 55, 65), (nut, 100, 20))))
    assert [int(mask.sum()) for mask in found] == [int((head | shaft).sum()), int(nut.sum())]


def test_an_edge_that_is_weak_somewhere_cuts_nothing():
    both, edge = block(30, 30, 90, 70), block(59, 30, 62, 70).astype(np.float32)
    edge[45:50] *= 0.52
    assert len(items(traces(both, edge))) == 1


def test_an_outline_within_a_thing_leaves_it_whole():
    inner = disc(64, 64, 9) & ~disc(64, 64, 6)
    assert len(items(traces(disc(64, 64, 24), inner))) == 1


def test_the_largest_comes_first():
    sizes = [int(m.sum()) for m in items(traces(disc(30, 30, 8) | disc(90, 90, 20)))]
    assert sizes == sorted(sizes, reverse=True)
