"""Discovery: kinds of parts that nobody named, counted on drawn products of which no model knows anything."""

import numpy as np
import pytest
from layouts import PARAMETERS, SIMILARITY
from scipy.ndimage import binary_dilation, gaussian_filter

from tools.anomaly import PatchMemory
from tools.anomaly.damage import Traces
from tools.errors import InputError
from tools.images import sample_from_array
from tools.parts import OTHER, Discoverer, PartTypes, Proposer
from tools.parts.clustering import LOW, MOST, divided, evident, likeliest
from tools.parts.descriptors import NAMES, Comparer, describe, differences, joined, scale_of
from tools.parts.discovery import Scale, name, seen_of, types_of
from tools.parts.pose import find_product
from tools.parts.proposals import Proposals, regions

SIDE = 160


def drawn(seed, discs=4, bars=2, shift=0):
    """A plate on a bench with discs and bars on it, and the mask of each, discs first."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    image = np.full((SIDE, SIDE, 3), (70, 90, 70), float)
    plate = (abs(x - 80 - shift) < 68) & (abs(y - 80) < 62)
    image[plate] = (190, 190, 200)
    cells = [(40 + 40 * i + shift, 40 + 40 * j) for j in range(3) for i in range(3)]
    random.shuffle(cells)
    masks = []
    for n in range(discs + bars):
        cx, cy = np.array(cells[n]) + random.uniform(-3, 3, 2)
        if n < discs:
            mask, colour = np.hypot(x - cx, y - cy) < 10, (200, 40, 40)
        else:
            mask, colour = (abs(x - cx) < 15) & (abs(y - cy) < 4), (30, 40, 60)
        image[mask] = colour
        masks.append(mask)
    image = gaussian_filter(image, (0.7, 0.7, 0)) + random.normal(0, 2, image.shape)
    return sample_from_array(np.clip(image, 0, 255).astype(np.uint8)), masks, plate


@pytest.fixture(scope="module")
def memory(loaded):
    return PatchMemory(loaded("backbone"), side=64, batch=64)


def seen(memory, seed, **parts):
    """A drawn photo's true masks, as discovery sees segments."""
    sample, masks, _ = drawn(seed, **parts)
    pose = find_product(sample.image)
    shown = Proposals(sample.image, (pose.mask, *masks), np.array([1.0, *[0.9] * len(masks)]), pose)
    return seen_of(shown, describe(shown.image, shown.masks, pose, memory))


@pytest.fixture(scope="module")
def types(memory):
    return types_of([seen(memory, n) for n in range(4)], SIMILARITY)


def test_kinds_that_recur_are_found_with_their_counts(types):
    assert sorted(t.count for t in types.types) == [1, 2, 4]
    assert all(t.sureness == 1 for t in types.types)
    assert types.labels == ("part A", "part B", "part C")


@pytest.mark.parametrize(("discs", "bars"), [(4, 2), (3, 2), (5, 2), (4, 1), (4, 0)])
def test_parts_of_a_new_photo_are_counted_by_kind(memory, types, discs, bars):
    from tools.parts.discovery import assigned

    found = [label for _, label, _ in assigned(seen(memory, 17, discs=discs, bars=bars), types, SIMILARITY)]
    label_of = {t.count: t.label for t in types.types}
    assert (found.count(label_of[4]), found.count(label_of[2]), found.count(label_of[1])) == (discs, bars, 1)


def test_a_thing_of_no_type_is_told_as_other(memory, types):
    from tools.parts.discovery import assigned

    sample, masks, _ = drawn(23)
    pose = find_product(sample.image)
    y, x = np.mgrid[:SIDE, :SIDE]
    strange = (abs(x - 80) < 60) & (abs(y - 135) < 3)
    image = sample.image.copy()
    image[strange] = (20, 200, 20)
    shown = Proposals(image, (pose.mask, *masks, strange), np.array([1.0, *[0.9] * 7]), pose)
    labels = {
        n: label
        for n, label, _ in assigned(seen_of(shown, describe(image, shown.masks, pose, memory)), types, SIMILARITY)
    }
    assert labels[7] == OTHER
    assert OTHER not in {labels[n] for n in range(7)}


def test_types_are_learned_and_found_by_the_tool_itself(memory, loaded):
    from tools.parts import Segmenter

    discoverer = Discoverer(Proposer(Segmenter(loaded("sam"))), memory, PARAMETERS)
    found = discoverer.learn([drawn(n)[0] for n in range(3)])
    assert found.types
    sample, _, plate = drawn(9)
    parts = discoverer.find(sample, found)
    assert {p.label for p in parts} <= {*found.labels, OTHER}
    assert all(0 <= p.region.score <= 1 and p.region.mask.shape == (SIDE, SIDE) for p in parts)
    assert all(p.measures.place is not None and p.measures.relative_area > 0 for p in parts)
    scores = [p.region.score for p in parts]
    assert scores == sorted(scores, reverse=True)
    assert np.mean(discoverer.pose(sample).mask == plate) > 0.95


class Tracer:
    """Traces that know the truth, by the digest of the photo, and that take all parts for one kind."""

    def __init__(self, shown):
        self.shown = {sample.digest: (masks, plate) for sample, masks, plate in shown}

    def trace(self, samples):
        return tuple(self._one(*self.shown[s.digest]) for s in samples)

    def _one(self, masks, plate):
        items = np.any(masks, axis=0) if masks else np.zeros_like(plate)
        edges = np.any([m ^ binary_dilation(m, iterations=2) for m in (*masks, plate)], axis=0)
        maps = (x.astype(np.float32) for x in (edges, plate, items))
        middles = np.mgrid[:SIDE, :SIDE][::-1].astype(np.float32)
        return Traces(
            *maps,
            damage=None,
            size=(SIDE, SIDE),
            kinds=np.ones((1, SIDE, SIDE), np.float32),
            middles=middles,
            tokens=None,
        )


@pytest.mark.parametrize(("discs", "bars"), [(4, 2), (3, 2), (4, 1), (5, 2)])
def test_what_a_tracer_sees_is_counted_and_placed(memory, discs, bars):
    good = [drawn(n) for n in range(4)]
    sample, masks, plate = tried = drawn(40, discs=discs, bars=bars, shift=6)
    discoverer = Discoverer(Proposer(None, Tracer([*good, tried])), memory, PARAMETERS)
    types = discoverer.learn([g[0] for g in good])
    parts = discoverer.find(sample, types)
    for count, shown in ((4, masks[:discs]), (2, masks[discs:])):
        labels = [t.label for t in types.types if t.count == count]
        mine = [p.region.mask for p in parts if p.label in labels]
        assert len(mine) == len(shown)
        assert all(max((m & s).sum() / (m | s).sum() for m in mine) > 0.7 for s in shown)
    pose = discoverer.pose(sample)
    assert (pose.mask == plate).mean() > 0.99
    ys, xs = np.nonzero(plate)
    assert pose.origin == pytest.approx((xs.mean() + 0.5, ys.mean() + 0.5), abs=0.5)


def test_discovery_needs_a_reference(memory, loaded):
    from tools.parts import Segmenter

    with pytest.raises(InputError, match="one or more photos of good ones"):
        Discoverer(Proposer(Segmenter(loaded("sam"))), memory, PARAMETERS).learn([])


def test_without_types_nothing_but_others_is_found(memory):
    from tools.parts.discovery import assigned

    assert {label for _, label, _ in assigned(seen(memory, 3), PartTypes(), SIMILARITY)} == {OTHER}


def test_a_plain_photo_has_no_type_but_itself(memory, loaded):
    from tools.parts import Segmenter

    grey = [sample_from_array(np.full((64, 64, 3), 120 + n, np.uint8)) for n in range(3)]
    discoverer = Discoverer(Proposer(Segmenter(loaded("sam"))), memory, PARAMETERS)
    found = discoverer.learn(grey)
    assert all(p.region.mask.any() for p in discoverer.find(grey[0], found))


def test_a_single_reference_shows_only_what_it_has_twice(memory):
    found = types_of([seen(memory, 1)], SIMILARITY)
    assert all(t.count >= 2 for t in found.types)


def test_segments_of_one_kind_are_likelier_alike_than_others(memory):
    one, other = seen(memory, 5), seen(memory, 6)
    odds = Comparer(SIMILARITY, scale_of([one.described, other.described])).across(one.described, other.described)
    assert odds[1:5, 1:5].min() > odds[1:5, 5:].max()


def test_no_difference_makes_two_segments_more_alike():
    known = SIMILARITY
    assert all(w <= 0 for linear in (known.across, known.within) for w in linear.weights.values())
    assert set(known.across.weights) == set(known.within.weights) == set(NAMES)


def test_a_segment_does_not_differ_from_itself(memory):
    described = seen(memory, 2).described
    values = differences(described, described, Scale(1.0, 1.0))
    assert values.shape == (7, 7, len(NAMES))
    assert np.abs(values[np.arange(7), np.arange(7)]).max() < 1e-6
    assert values.min() >= 0


def test_the_count_is_where_scores_fall_furthest_on_all_references():
    ranked = np.full((4, MOST + 1), LOW)
    ranked[:, :3] = [[5, 4, 4], [5, 5, 4], [4, 4, 4], [5, 4, 1]]
    ranked[:3, 3] = 0.5
    count, fall, threshold = evident(ranked)
    assert count == 3
    assert fall > 3
    assert 1 < threshold < 4


def test_of_overlapping_segments_the_likelier_counts():
    nested = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert likeliest(np.array([1.0, 2.0, 0.5]), nested, 0.0) == [1, 2]
    assert likeliest(np.array([1.0, 2.0, -0.5]), nested, 0.0) == [1]


def test_a_kind_falls_apart_where_its_members_do_alike_on_every_reference(memory):
    mixed = [seen(memory, n).described.of(range(1, 7)) for n in range(4)]
    divider = divided(mixed)
    assert divider is not None
    sides = divider.sides(seen(memory, 30, discs=3, bars=2).described.of(range(1, 6)))
    assert len(set(sides[:3])) == len(set(sides[3:])) == 1
    assert sides[0] != sides[3]
    only = divider.sides(seen(memory, 31, discs=3, bars=0).described.of(range(1, 4)))
    assert set(only) == {sides[0]}


def test_one_kind_is_not_divided(memory):
    assert divided([seen(memory, n).described.of(range(1, 5)) for n in range(4)]) is None
    assert divided([seen(memory, 0).described.of([1])]) is None


def test_descriptors_join_in_their_order(memory):
    one, other = seen(memory, 1).described, seen(memory, 2).described
    both = joined([one, other])
    assert len(both) == len(one) + len(other)
    assert np.array_equal(both.place[len(one) :], other.place)


def test_regions_between_edges_are_the_things_that_were_drawn():
    sample, masks, _ = drawn(4)
    found = [r.mask for r in regions(sample.image)]
    for mask in masks:
        assert max((mask & f).sum() / (mask | f).sum() for f in found) > 0.6


def test_a_large_photo_is_cut_at_a_working_size_and_found_at_its_own(memory, loaded):
    from PIL import Image

    from tools.parts import Segmenter

    sample = drawn(1)[0]
    large = sample_from_array(np.asarray(Image.fromarray(sample.image).resize((800, 800))))
    discoverer = Discoverer(Proposer(Segmenter(loaded("sam"))), memory, PARAMETERS)
    types = discoverer.learn([large, sample])
    assert all(p.region.mask.shape == (800, 800) for p in discoverer.find(large, types))


@pytest.mark.parametrize(("number", "label"), [(0, "part A"), (25, "part Z"), (26, "part AA"), (27, "part AB")])
def test_types_are_lettered(number, label):
    assert name(number) == label
