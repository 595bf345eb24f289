"""Medleys: the same by number, each defect shown where its mask says, and good ones free of any."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, distance_transform_edt

from nano.world.medley import (
    CROWDED,
    CROWDED_ORDERS,
    LOGICAL,
    ODD,
    ORDERS,
    STRUCTURAL,
    VARIED,
    Medley,
    Order,
    Sort,
    medley,
)
from nano.world.medley_photo import photo
from nano.world.scene import Family
from nano.world.shapes import FASTENERS, FORMS, LONG, MADE, MARKS, SIDED
from nano.world.stage import At

NUMBERS = (3, 7, 11)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_gives_the_same_product_and_the_same_photos(number):
    assert medley(number) == medley(number)
    assert np.array_equal(photo(medley(number), 2).image, photo(medley(number), 2).image)
    assert not np.array_equal(photo(medley(number), 2).image, photo(medley(number), 3).image)


@pytest.mark.parametrize("number", NUMBERS)
def test_good_photos_have_an_empty_mask(number):
    shot = photo(medley(number), 0)
    assert shot.image.shape == (160, 160, 3)
    assert not shot.mask.any()


@pytest.mark.parametrize("number", NUMBERS)
def test_a_photo_knows_the_parts_that_its_product_has(number):
    product = medley(number)
    nouns = [part.noun for part in photo(product, 1).parts if part.noun != "panel"]
    assert set(nouns) <= {sort.form for sort in product.sorts}
    assert 0 < len(nouns) <= sum(product.counts)


@pytest.mark.parametrize("number", NUMBERS)
def test_every_defect_changes_the_photo_most_where_its_mask_lies(number):
    product = medley(number)
    for defect in product.family.defects:
        good, bad = photo(product, 1), photo(product, 1, defect=defect)
        assert bad.mask.any(), defect
        changed = np.abs(good.image.astype(int) - bad.image).sum(axis=2)
        assert changed[bad.mask].mean() > 3 * changed[~bad.mask].mean(), defect


def test_every_form_mark_and_order_is_drawn():
    products = [medley(number) for number in range(300)]
    sorts = [sort for product in products for sort in product.sorts]
    assert {sort.form for sort in sorts} == set(FORMS)
    assert {sort.mark for sort in sorts} == {None, *MARKS}
    assert not any(sort.mark for sort in sorts if sort.form in FASTENERS)
    assert {product.order for product in products} == set(ORDERS)
    assert {*ORDERS, *CROWDED_ORDERS} == set(get_args(Order))


def test_later_medleys_have_forms_of_their_own_too_and_earlier_ones_are_as_they_were():
    forms = {sort.form for number in range(VARIED, VARIED + 300) for sort in medley(number).sorts}
    assert forms == {*FORMS, *MADE}


def bare(part):
    return int(part.mask.sum())


def test_crowded_medleys_lie_closer_and_some_are_strewn():
    products = [medley(number) for number in range(CROWDED, CROWDED + 60)]
    assert {product.order for product in products} == set(CROWDED_ORDERS)
    assert {sort.form for product in products for sort in product.sorts} > set(MADE)
    nearest = {"ordinary": [], "crowded": []}
    for kind, first in (("ordinary", VARIED), ("crowded", CROWDED)):
        for number in range(first, first + 40):
            product = medley(number)
            if sum(product.counts) > 2 and product.order != "array":
                masks = [p.mask for p in photo(product, 0).parts if p.noun != "panel"]
                away = [distance_transform_edt(~mask) for mask in masks]
                nearest[kind] += [min(d[m].min() for d in away if d[m].max() != 0) for m in masks]
    assert np.median(nearest["crowded"]) < 0.7 * np.median(nearest["ordinary"])


def test_strewn_parts_lie_elsewhere_on_each_photo_and_hardly_over_each_other():
    product = next(m for m in map(medley, range(CROWDED, CROWDED + 99)) if m.order == "strewn" and sum(m.counts) > 5)
    one, other = (photo(product, index) for index in (0, 1))
    assert len(one.parts) == len(other.parts) == sum(product.counts) + (product.panel is not None)
    assert sum(map(bare, one.parts)) == pytest.approx(sum(map(bare, other.parts)), rel=0.15)
    middles = [[part.box.centre for part in shot.parts] for shot in (one, other)]
    assert np.abs(np.subtract(*middles)).max() > 20
    extra = photo(product, 0, defect="extra part")
    assert len(extra.parts) == len(one.parts) + 1


@pytest.mark.parametrize("form", MADE)
def test_a_form_of_its_own_is_the_same_on_each_photo_of_a_product_and_another_on_another(form):
    shown = [photo(replace(of(replace(PLAIN, form=form)), number=n), 0).parts[-1].mask for n in (1, 1, 2, 5)]
    assert all(500 < mask.sum() < 9000 for mask in shown)
    assert (shown[0] == shown[1]).all()
    assert min((shown[0] ^ shown[2]).sum(), (shown[0] ^ shown[3]).sum()) > 100


PLAIN = Sort("disc", 40.0, "plastic", ("blue",), turns=4, angle=0, mark=None, ink="black")


def of(*sorts, counts=None, spares=(), **more):
    """A plain product of those sorts, in a row on a panel."""
    counts = counts or (1,) * len(sorts)
    places = [At(90.0 * n - 45.0 * (sum(counts) - 1), 0.0) for n in range(sum(counts))]
    homes = [tuple(places[sum(counts[:n]) : sum(counts[: n + 1])]) for n in range(len(sorts))]
    nouns = ("panel", *(sort.noun for sort in sorts))
    family = Family("made", "made", "", nouns, (), LOGICAL, STRUCTURAL, dict.fromkeys(STRUCTURAL, nouns))
    return Medley(
        0,
        ("grey",),
        ("white", 210.0, 210.0, "paper"),
        0.0,
        2.0,
        sorts,
        counts,
        "fixed",
        tuple(homes),
        spares,
        0.5,
        (92.0, 92.0),
        1.0,
        False,
        (),
        (),
        0.7,
        "plain",
        family,
        **more,
    )


def changed(one, other, least=25):
    return np.abs(one.image.astype(int) - other.image).max(axis=2) >= least


@pytest.mark.parametrize("form", [form for form in FORMS if form not in FASTENERS])
def test_every_form_looks_unlike_every_other(form):
    shown = photo(of(replace(PLAIN, form=form)), 0)
    (part,) = [part for part in shown.parts if part.noun == form]
    assert 800 < part.mask.sum() < 6000
    for other in (f for f in FORMS if f not in (form, *FASTENERS)):
        (beside,) = [part for part in photo(of(replace(PLAIN, form=other)), 0).parts if part.noun == other]
        assert (part.mask ^ beside.mask).sum() > 60, other


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_is_printed_on_its_part_alone_and_off_its_middle(mark):
    plain, marked = (photo(of(replace(PLAIN, mark=m)), 0) for m in (None, mark))
    ink = changed(plain, marked)
    (part,) = [part for part in marked.parts if part.noun == "disc"]
    assert 30 < ink.sum() < 0.7 * part.mask.sum()
    assert not ink[~binary_dilation(part.mask, iterations=2)].any()
    assert np.hypot(*(np.argwhere(ink).mean(axis=0) - np.argwhere(part.mask).mean(axis=0))) > 3


TURNED = [replace(PLAIN, form=form) for form in (*SIDED, *LONG)] + [replace(PLAIN, mark=mark) for mark in MARKS]


@pytest.mark.parametrize("sort", TURNED, ids=lambda sort: f"{sort.form}, {sort.mark}")
def test_a_part_that_lies_wrong_looks_it_at_any_angle_that_is_counted_as_wrong(sort):
    assert sort.turned
    good = photo(of(sort), 0)
    for turn in sort.turned:
        assert changed(good, photo(of(replace(sort, angle=turn)), 0)).sum() > 60, turn


@pytest.mark.parametrize(
    "sort",
    [
        PLAIN,
        replace(PLAIN, form="hexagon"),
        replace(PLAIN, form="tee", turns=180),
        replace(PLAIN, mark="half", ink="blue"),
        replace(PLAIN, mark="half", colours=("red", "black")),
    ],
    ids=["round", "even", "lying any way", "marked in its own colour", "marked in a colour of some"],
)
def test_a_part_of_which_nobody_sees_how_it_lies_never_lies_wrong(sort):
    assert sort.turned == ()


def test_orientation_is_wrong_on_products_alone_that_have_a_part_on_which_it_shows():
    products = [medley(number) for number in range(100)]
    wrong = [p for p in products if "wrong orientation" in p.family.logical]
    assert wrong == [p for p in products if any(sort.turned for sort in p.sorts)]
    assert 20 < len(wrong) < 90


def arrays():
    return [product for product in map(medley, range(120)) if product.order == "array"]


def test_an_array_has_many_small_parts_in_lines_and_at_most_three_larger_ones_beside_them():
    assert len(arrays()) > 8
    for product in arrays():
        assert len(product.sorts) == len(product.counts) == len(product.homes)
        assert [len(home) for home in product.homes] == list(product.counts)
        gaps = len(product.spares) - 2
        assert 0 <= gaps <= 2
        assert 3 <= product.counts[0] + gaps <= 36
        assert sum(product.counts[1:]) <= 3
        rows = {round(place.y, 3) for place in product.homes[0]}
        assert len(rows) <= 4
        places = [(place.x, place.y) for home in product.homes for place in home]
        assert len(set(places)) == len(places)


def test_all_parts_of_an_array_are_seen_and_lie_on_the_photo():
    for product in arrays()[:4]:
        nouns = [part.noun for part in photo(product, 0, size=256).parts if part.noun != "panel"]
        assert len(nouns) == sum(product.counts)


def test_a_part_that_is_missing_of_an_array_leaves_one_fewer():
    product = arrays()[0]
    good, bad = (photo(product, 0, defect=d, size=256).parts for d in (None, "missing part"))
    assert len(bad) == len(good) - 1


TWO = (replace(PLAIN, size=20.0), replace(PLAIN, form="hexagon", size=20.0, colours=("red",)))


@pytest.mark.parametrize(
    ("defect", "kinds"),
    [
        (None, {(0, 1, 1, 2)}),
        ("missing part", {(0, 1, 1), (0, 1, 2)}),
        ("wrong colour", {(0, ODD, 1, 2), (0, 1, ODD, 2), (0, 1, 1, ODD)}),
        ("wrong length", {(0, ODD, 1, 2), (0, 1, ODD, 2), (0, 1, 1, ODD)}),
        ("swapped parts", {(0, 1, 1, 2)}),
        ("wrong place", {(0, 1, 1, 2)}),
    ],
)
def test_a_photo_tells_the_kind_of_each_part_and_which_is_like_no_good_one(defect, kinds):
    product = of(*TWO, counts=(2, 1), spares=(At(0.0, 60.0),))
    found = {photo(product, index, defect=defect).kinds for index in range(6)}
    assert found <= kinds
    assert len(found) > 1 or len(kinds) == 1
