"""Parts of a photo explained by good ones: missing, extra and swapped ones cost, moving and turning does not."""

from dataclasses import replace

import numpy as np
import pytest
from layouts import COSTS, SCALE, SIDE, SORTS, layout, product, references

from tools.parts.alignment import overlaid
from tools.parts.arrangement import arrangement_of
from tools.parts.masks import box_of

SEEDS = range(12)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_missing_an_extra_and_two_swapped_parts_each_cost_more_than_none(seed):
    places, sorts = product(seed)
    known = arrangement_of(references(places, sorts), SCALE, COSTS)
    turn = 0.3 * seed
    good = known.explain(layout(places, sorts, seed, turn=turn))
    missing = known.explain(layout(places[1:], sorts[1:], seed, turn=turn))
    more = np.vstack([places, [[0.2, -0.2]]])
    extra = known.explain(layout(more, [*sorts, 0], seed, turn=turn))
    swapped = known.explain(layout(places, [sorts[1], sorts[0], *sorts[2:]], seed, turn=turn))
    assert missing.cost > good.cost + 1
    assert extra.cost > good.cost + 1
    assert swapped.cost > good.cost + 1
    assert (missing.misfits[0].kind, extra.misfits[0].kind) == ("missing", "extra")
    assert not any(m.kind == "extra" for m in missing.misfits)
    assert not any(m.kind == "missing" for m in extra.misfits)


def test_a_missing_part_is_told_where_it_ought_to_be_on_a_turned_photo():
    places, sorts = product(1)
    known = arrangement_of(references(places, sorts), SCALE, COSTS)
    whole = layout(places, sorts, 7, turn=2.0)
    found = known.explain(layout(places[1:], sorts[1:], 7, turn=2.0)).misfits[0]
    x, y = (SIDE / 2 + v * SIDE / 2 for v in whole.described.place[0])
    assert np.hypot(found.box.centre[0] - x, found.box.centre[1] - y) < 5
    assert box_of(found.mask).iou(found.box) > 0.7
    assert found.counterpart is not None


def test_a_part_of_another_colour_differs_in_colour():
    places, sorts = product(2)
    known = arrangement_of(references(places, sorts), SCALE, COSTS)
    colours = sorts.copy()
    colours[0] += 3
    found = known.explain(layout(places, sorts, 7, colours=colours)).misfits[0]
    assert (found.kind, found.most) in {("differs", "chroma"), ("differs", "chroma contrast")}


def test_of_several_references_the_cheapest_explains():
    places, sorts = product(3)
    red, blue = sorts, sorts + 4
    shown = [layout(places, sorts, 1000 + n, colours=red if n % 2 else blue) for n in range(4)]
    known = arrangement_of(shown, SCALE, COSTS)
    for colours, names in ((red, {"photo 1001", "photo 1003"}), (blue, {"photo 1000", "photo 1002"})):
        assert known.explain(layout(places, sorts, 5, colours=colours)).reference in names


def test_what_the_references_show_now_and_then_may_be_missing_at_a_lower_price():
    places, sorts = product(4)
    seldom = [layout(places if n == 0 else places[1:], sorts if n == 0 else sorts[1:], 1000 + n) for n in range(4)]
    always = arrangement_of(references(places, sorts), SCALE, COSTS)
    photo = layout(places[1:], sorts[1:], 6)
    assert arrangement_of(seldom, SCALE, COSTS).explain(photo).cost < always.explain(photo).cost / 2


def test_a_photo_without_any_part_misses_all_and_one_reference_is_enough():
    places, sorts = product(5)
    known = arrangement_of(references(places, sorts, 1), SCALE, COSTS)
    assert known.own_costs == ()
    nothing = layout(np.zeros((0, 2)), np.zeros(0, np.intp), 3)
    assert [m.kind for m in known.explain(nothing).misfits] == ["missing"] * len(sorts)
    empty = arrangement_of([nothing, nothing], SCALE, COSTS)
    assert empty.explain(nothing).cost == 0
    assert len(empty.explain(layout(places, sorts, 1)).misfits) == len(sorts)


def test_what_each_reference_costs_compares_with_a_good_photo():
    places, sorts = product(6)
    known = arrangement_of(references(places, sorts), SCALE, COSTS)
    good = [known.explain(layout(places, sorts, seed, turn=seed)).cost for seed in range(8)]
    assert len(known.own_costs) == 4
    assert max(good) < max(known.own_costs) + 1


@pytest.mark.parametrize("turn", [0.0, 1.0, 2.5, 4.0])
def test_photos_are_laid_over_each_other_by_their_parts(turn):
    places, sorts = product(8)
    one, other = layout(places, sorts, 1, turn=turn).described, layout(places, sorts, 2).described
    unlike = 3.0 * (np.asarray(sorts)[:, None] != np.asarray(sorts)[None])
    over = overlaid(one, other, unlike)
    assert np.abs(over.to(one.place) - other.place).max() < 0.03
    back = [over.back(tuple(p)) for p in other.place]
    assert np.abs(np.array(back) - one.place).max() < 0.03


@pytest.mark.parametrize("seed", range(4))
def test_a_part_that_a_tracer_takes_for_another_kind_costs_though_it_looks_like_its_counterpart(seed):
    places, sorts = product(seed)
    known = arrangement_of(references(places, sorts, kinds=sorts), SCALE, COSTS)
    other = [SORTS, *sorts[1:]]
    good, strange = (known.explain(layout(places, sorts, seed, kinds=kinds)) for kinds in (sorts, other))
    assert strange.cost > good.cost + 0.3
    assert (strange.misfits[0].kind, strange.misfits[0].most) == ("differs", "kind")
    without = arrangement_of(references(places, sorts), SCALE, COSTS).explain(layout(places, sorts, seed))
    assert good.cost == pytest.approx(without.cost, abs=0.05)


@pytest.mark.parametrize(
    ("by", "most"), [(np.pi, {"lighter side"}), (np.pi / 2, {"axis", "lighter side"})], ids=["half", "a quarter"]
)
def test_a_part_that_lies_another_way_costs_however_the_product_is_turned(by, most):
    places, sorts = product(3)
    headings = np.linspace(0.2, 2.8, len(sorts))
    known = arrangement_of(references(places, sorts, headings=headings), SCALE, COSTS)
    other = headings + by * (np.arange(len(sorts)) == 0)
    good, wrong = (known.explain(layout(places, sorts, 5, headings=h, turn=0.9)) for h in (headings, other))
    assert wrong.cost > good.cost + 0.5
    assert wrong.misfits[0].kind == "differs"
    assert wrong.misfits[0].most in most


def test_parts_that_lie_any_way_on_the_references_may_lie_any_way():
    places, sorts = product(3)
    anyhow = np.random.default_rng(0).uniform(0, 6, (6, len(sorts)))
    loose = [layout(places, sorts, 1000 + n, headings=anyhow[n]) for n in range(4)]
    fixed = references(places, sorts, headings=anyhow[0])
    photo = layout(places, sorts, 5, headings=anyhow[5])
    assert arrangement_of(loose, SCALE, COSTS).cost(photo) < arrangement_of(fixed, SCALE, COSTS).cost(photo) / 2


def test_what_is_no_single_thing_is_a_part_only_where_it_recurs_well():
    places, sorts = product(2)
    shown = references(places, sorts)
    changed = replace(shown[0].described, colour=shown[0].described.colour.copy())
    changed.colour[0] += 25
    for items, parts in ((shown[0].items, len(sorts)), (shown[0].items[1:], len(sorts) - 1)):
        known = arrangement_of([replace(shown[0], described=changed, items=items), *shown[1:]], SCALE, COSTS)
        assert len(known.explain(layout(np.zeros((0, 2)), np.zeros(0, np.intp), 3)).misfits) >= parts
        assert len(known._parts(0, range(4))[0]) == parts
