"""What is known of segments: the kind that a tracer takes each for, and what that is worth beside how they look."""

from dataclasses import replace

import numpy as np
import pytest
from checkpoints import plate
from layouts import PARAMETERS, SIMILARITY

from tools.anomaly import PatchMemory
from tools.anomaly.damage import Traces
from tools.images import sample_from_array
from tools.parts import Discoverer, Proposer
from tools.parts.descriptors import NAMES, Comparer, Scale, describe, differences, joined
from tools.parts.pose import pose_of

SIDE = 64
SCALE = Scale(0.5, 0.5)
POSE = pose_of(np.ones((SIDE, SIDE), bool), fills=True)


@pytest.fixture(scope="module")
def memory(loaded):
    return PatchMemory(loaded("backbone"), side=64, batch=64)


def square(x, y, size=16, side=SIDE):
    mask = np.zeros((side, side), bool)
    mask[y : y + size, x : x + size] = True
    return mask


MASKS = (square(8, 8), square(40, 8), square(8, 40))


def halves(height, width):
    """(3, height, width): the first component holds left, the second right, the third nowhere."""
    kinds = np.zeros((3, height, width), np.float32)
    kinds[0, :, : width // 2], kinds[1, :, width // 2 :] = 2, 5
    return kinds


def described(memory, kinds=None, masks=MASKS):
    return describe(plate(0, (SIDE, SIDE)), masks, POSE, memory, kinds)


@pytest.mark.parametrize("size", [(SIDE, SIDE), (32, 32), (24, 20)], ids=["its own", "half", "neither divides"])
def test_the_kind_of_a_segment_is_what_the_tracer_says_where_it_lies_at_any_size(memory, size):
    kind = described(memory, halves(*size)).kind
    np.testing.assert_allclose(kind, [[1, 0, 0], [0, 1, 0], [1, 0, 0]], atol=1e-6)


def test_a_segment_of_two_kinds_is_between_them(memory):
    kinds = halves(32, 32)
    kinds[1] *= 2 / 5
    (kind,) = described(memory, kinds, [square(24, 8)]).kind
    assert kind == pytest.approx([0.5**0.5, 0.5**0.5, 0])


def test_where_a_tracer_says_nothing_no_kind_is_known(memory):
    (kind,) = described(memory, np.zeros((3, 32, 32), np.float32), MASKS[:1]).kind
    assert not kind.any()


def test_without_a_tracer_there_are_no_kinds_and_none_differ(memory):
    found = described(memory)
    assert found.kind.shape == (3, 0)
    assert found.of([0, 2]).kind.shape == (2, 0)
    assert joined([found, found]).kind.shape == (6, 0)
    assert not differences(found, found.of([0, 1]), SCALE)[..., NAMES.index("kind")].any()


def test_kinds_differ_last_of_all_by_their_angle_and_change_nothing_else(memory):
    told, plain = described(memory, halves(32, 32)), described(memory)
    values, without = (differences(d, d, SCALE) for d in (told, plain))
    assert NAMES[-1] == "kind"
    assert values.shape == (3, 3, len(NAMES))
    np.testing.assert_allclose(values[..., -1], [[0, 1, 0], [1, 0, 1], [0, 1, 0]], atol=1e-6)
    np.testing.assert_array_equal(values[..., :-1], without[..., :-1])
    assert values.min() >= 0


def test_what_the_tracer_takes_for_two_kinds_is_less_alike_and_nothing_else_changes(memory):
    told, plain = described(memory, halves(32, 32)), described(memory)
    comparer = Comparer(SIMILARITY, SCALE)
    for compare in (lambda d: comparer.across(d, d), comparer.within):
        less = compare(plain) - compare(told)
        assert less[[0, 1], [1, 2]].min() > 1
        np.testing.assert_allclose(less[[0, 0, 1, 2], [0, 2, 1, 2]], 0, atol=1e-6)


class Tracer:
    """Sees one thing left and one right, alike but of two kinds."""

    def trace(self, samples):
        one, other = square(20, 40, 24, 128), square(84, 40, 24, 128)
        items = (one | other).astype(np.float32)
        edges = np.zeros_like(items)
        middles = np.mgrid[:128, :128][::-1].astype(np.float32)
        traces = Traces(
            edges, np.ones_like(items), items, None, (64, 64), kinds=halves(64, 64), middles=middles, tokens=None
        )
        return (traces,) * len(samples)


def test_discovery_describes_what_a_tracer_sees_with_its_kinds(memory):
    image = np.full((128, 128, 3), 90, np.uint8)
    for x in (20, 84):
        image[40:64, x : x + 24] = (200, 40, 40)
    discoverer = Discoverer(Proposer(None, Tracer()), memory, PARAMETERS)
    proposals, found = discoverer.described(sample_from_array(image))
    assert proposals.kinds.shape == (3, 64, 64)
    one, other = proposals.items
    assert found.kind[one] @ found.kind[other] < 0.1
    assert np.linalg.norm(found.kind[[one, other]], axis=1) == pytest.approx(1)


def test_which_way_a_segment_lies_is_told_along_the_products_axes(memory):
    image = np.full((SIDE, SIDE, 3), 40, np.uint8)
    image[28:36, 30:48] = 200
    bar = np.zeros((SIDE, SIDE), bool)
    bar[28:36, 16:48] = True
    turned = replace(POSE, turn=90.0)
    for pose, axis, side in ((POSE, (1, 0), (1, 0)), (turned, (-1, 0), (0, 1))):
        (heading,) = describe(image, [bar], pose, memory).heading
        assert heading[0] / np.linalg.norm(heading[0]) == pytest.approx(axis, abs=0.02)
        assert heading[1] / np.linalg.norm(heading[1]) == pytest.approx(side, abs=0.02)
        assert np.linalg.norm(heading[0]) > 0.8


def test_what_is_as_long_as_wide_and_of_one_shade_lies_no_way(memory):
    image = np.full((SIDE, SIDE, 3), 90, np.uint8)
    (heading,) = describe(image, [square(20, 20)], POSE, memory).heading
    assert np.abs(heading).max() < 0.05
