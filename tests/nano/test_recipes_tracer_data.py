"""What the tracer learns from: groups of one product whose truth agrees, turned and relit together, rendered aside."""

from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nano.recipes.cache import SIZE
from nano.recipes.tracer import data as tracer_data
from nano.recipes.tracer.data import (
    DEVIATION,
    FAMILIES,
    FIRST,
    GOOD,
    GROUP,
    HALF,
    HIDDEN,
    LOGICAL,
    LONE,
    MEAN,
    MEDLEYS,
    PARTS,
    STRUCTURAL,
    GroupPool,
    Groups,
    augmented,
    group,
    leaves,
    medley_group,
)
from nano.world import HELDOUT, TRAINED
from nano.world.medley import CROWDED, VARIED, medley
from tools.types import Box

MEDLEY = 10
"""The number of a medley with a panel and four sorts of parts, each of one colour, all of which good photos show."""


@pytest.fixture(scope="module")
def shown():
    return medley_group(MEDLEY)


def test_a_group_is_good_photos_then_structural_then_logical_ones(shown):
    assert shown.images.shape == (GROUP, SIZE, SIZE, 3)
    assert shown.owners.shape == shown.items.shape == shown.defects.shape == (GROUP, HALF, HALF)
    assert shown.kinds.shape == shown.shades.shape == (GROUP, PARTS + 1)
    assert all(getattr(shown, f.name).dtype == np.uint8 for f in fields(Groups))
    assert shown.labels.tolist() == [0] * GOOD + [1] * STRUCTURAL + [2] * LOGICAL


def test_what_is_defective_is_marked_on_bad_photos_alone(shown):
    marked = shown.defects.reshape(GROUP, -1).max(axis=1) > 0
    assert (marked == (shown.labels > 0)).all()


def test_a_number_gives_the_same_group_and_another_gives_another(shown):
    again, other = medley_group(MEDLEY), medley_group(MEDLEY + 1)
    assert all(np.array_equal(getattr(shown, f.name), getattr(again, f.name)) for f in fields(Groups))
    assert not np.array_equal(shown.images, other.images)


def test_good_photos_agree_on_how_many_parts_there_are_of_each_kind(shown):
    product = medley(MEDLEY)
    counts = {2 + n: count for n, count in enumerate(product.counts)} | ({1: 1} if product.panel else {})
    assert len(counts) > 2
    for kinds in shown.kinds[:GOOD]:
        numbers, found = np.unique(kinds[kinds > 0], return_counts=True)
        assert dict(zip(numbers.tolist(), found.tolist(), strict=True)) == counts


def test_a_part_that_is_like_no_good_one_is_of_a_kind_of_its_own(shown):
    known = set(np.unique(shown.kinds[:GOOD]).tolist())
    lone = 0
    for row, kinds in enumerate(shown.kinds):
        others = set(kinds.tolist()) - known
        assert others <= {LONE + row}
        lone += len(others)
        assert shown.labels[row] == 2 or not others
    assert lone


def test_every_place_is_owned_by_a_part_that_is_told_and_items_are_owned(shown):
    for owners, kinds, items in zip(shown.owners[:GOOD], shown.kinds, shown.items, strict=False):
        assert all(kinds[number] > 0 for number in np.unique(owners) if number)
        assert not items[owners == 0].any()
    assert 0 < shown.items.mean() < (shown.owners > 0).mean()


def test_parts_of_one_kind_and_one_colour_have_one_shade():
    product = medley(MEDLEY)
    kinds, shades = (getattr(medley_group(MEDLEY), name)[:GOOD] for name in ("kinds", "shades"))
    fixed = [2 + n for n, sort in enumerate(product.sorts) if len(sort.colours) == 1 and not product.shared]
    assert fixed
    assert all(len(set(shades[kinds == kind].tolist())) == 1 for kind in fixed)


def box(x0, y0, x1, y1):
    return SimpleNamespace(box=Box(x0, y0, x1, y1))


def test_a_part_on_which_a_smaller_one_lies_is_not_held():
    tray, nut, lid = box(20, 20, 220, 220), box(60, 60, 100, 100), box(30, 30, 200, 200)
    assert leaves([tray, nut]) == [nut]
    assert leaves([nut]) == [nut]
    assert leaves([tray, lid]) == [tray, lid]


@pytest.mark.parametrize(("logical", "structural"), [(7, 9), (3, 4), (1, 2), (0, 5)])
def test_groups_show_all_defects_in_turn(logical, structural):
    names = [f"logical {n}" for n in range(logical)], [f"structural {n}" for n in range(structural)]
    plans = [list(tracer_data._plan(*names, turn)) for turn in range(6)]
    assert all(len(plan) == GROUP and plan[:GOOD] == [(0, None)] * GOOD for plan in plans)
    assert {defect for plan in plans for label, defect in plan if label == 1} == set(names[1])
    assert {defect for plan in plans for label, defect in plan if label == 2} == set(names[0])


def test_a_defect_that_cannot_be_seen_is_not_held_against_anyone():
    image, nothing, spot = np.zeros((SIZE, SIZE, 3), np.uint8), np.zeros((SIZE, SIZE), bool), np.eye(SIZE, dtype=bool)
    labels = [
        int(tracer_data._row(image, [], mask, label, []).labels) for mask in (nothing, spot) for label in (0, 1, 2)
    ]
    assert labels == [0, HIDDEN, HIDDEN, 0, 1, 2]


def test_groups_are_of_training_families_in_turn_and_of_medleys_below_those_that_are_measured(monkeypatch):
    monkeypatch.setattr(tracer_data, "family_group", lambda name, first: (name, first))
    monkeypatch.setattr(tracer_data, "medley_group", lambda number: number)
    found = [group(n) for n in range(FAMILIES * len(TRAINED) * 2)]
    families = [f for f in found if isinstance(f, tuple)]
    assert [name for name, _ in families] == [*TRAINED, *TRAINED]
    assert not {name for name, _ in families} & set(HELDOUT)
    assert {first for _, first in families} == {FIRST, FIRST + GROUP}
    assert [group(MEDLEYS + n) for n in (5, 6, 7)] == [CROWDED + 5, VARIED + 6, CROWDED + 7]


def test_a_family_without_rules_shows_structural_defects_alone_and_tells_its_parts_by_their_nouns():
    surface = next(n for n, name in enumerate(TRAINED) if not tracer_data.family(name).logical)
    found = group(FAMILIES * surface)
    assert found.labels.tolist() == [0] * GOOD + [1] * (STRUCTURAL + LOGICAL)
    (kinds,) = {tuple(sorted(set(kinds[kinds > 0].tolist()))) for kinds in found.kinds}
    assert len(kinds) == len(tracer_data.family(TRAINED[surface]).nouns)


def painted(count=1):
    """Groups of black photos with the same white mark on each: three parts, all of it an item and a defect."""
    owners = np.zeros((SIZE, SIZE), np.uint8)
    owners[92:112, 96:160], owners[112:150, 96:116], owners[134:154, 132:160] = 1, 2, 3
    mark = (owners > 0).astype(np.uint8)
    small = mark[::2, ::2]
    numbers = {"labels": np.zeros(()), "kinds": np.zeros(PARTS + 1), "shades": np.zeros(PARTS + 1)}
    images = np.repeat(255 * mark[..., None], 3, axis=-1)
    maps = {"images": images, "owners": owners[::2, ::2], "items": small, "defects": 255 * small}
    arrays = {name: np.stack([values] * GROUP).astype(np.uint8) for name, values in (maps | numbers).items()}
    return Groups(**{name: torch.from_numpy(np.stack([values] * count)) for name, values in arrays.items()})


def brightness(pixels):
    """(N, SIZE, SIZE) in [0, 1] of normalised photos."""
    mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, DEVIATION))
    return (pixels * deviation + mean).mean(dim=1)


@pytest.mark.parametrize(("seed", "side"), [(0, SIZE), (1, SIZE), (2, 320), (3, 320)])
def test_photos_and_maps_are_turned_alike_so_that_a_mark_stays_where_its_truth_is(seed, side):
    torch.manual_seed(seed)
    batch = augmented(painted(), side)
    assert batch.pixels.shape[2:] == (side, side)
    assert batch.owners.shape[1:] == batch.inside.shape[1:] == (side // 2, side // 2)
    light = torch.nn.functional.avg_pool2d(brightness(batch.pixels), 2)
    seen = light > light.amin() + (light.amax() - light.amin()) / 2
    for truth in (batch.owners > 0, batch.items > 0.5, batch.defects > 0.5, batch.edges[:, 0] > 0.5):
        assert (seen & truth).sum() / (seen | truth).sum() > 0.9
    assert (batch.owners == batch.owners[0]).all()


def laid_out(owners):
    """(whether the second and third part lie clockwise about the first, how much farther one of them is)."""
    places = [torch.nonzero(owners == number).float().mean(dim=0) for number in (1, 2, 3)]
    one, other = places[1] - places[0], places[2] - places[0]
    return bool(one[1] * other[0] > other[1] * one[0]), float(one.norm() / other.norm())


def test_groups_are_turned_each_in_its_own_way_and_some_are_mirrored():
    torch.manual_seed(0)
    owners = augmented(painted(12)).owners.unflatten(0, (12, GROUP))[:, 0]
    assert len({tuple(o.flatten().tolist()) for o in owners}) == 12
    hands, shapes = zip(*(laid_out(o) for o in owners), strict=True)
    assert set(hands) == {True, False}
    assert shapes == pytest.approx([laid_out(painted().owners[0, 0])[1]] * 12, rel=0.1)


def test_photos_of_a_product_are_lit_nearly_alike_and_products_are_not():
    torch.manual_seed(0)
    grey = painted(12)
    grey.images[:] = 120
    levels = brightness(augmented(grey).pixels).mean(dim=(1, 2)).unflatten(0, (12, GROUP))
    assert levels.std(dim=1).mean() < 0.7 * levels.mean(dim=1).std()


def test_at_the_edge_of_a_part_are_the_places_on_either_side_of_it():
    torch.manual_seed(1)
    batch = augmented(painted())
    owned, edge = batch.owners[0] > 0, batch.edges[0, 1] > 0.5
    assert (edge & owned).any() and (edge & ~owned).any()
    assert edge.sum() < owned.sum()


def test_the_pool_renders_in_another_process_and_stops_when_it_is_closed():
    pool = GroupPool("cpu", 0, room=1, workers=1)
    try:
        found = pool.sample(2, np.random.default_rng(0))
        (process,) = pool._processes
        assert process.is_alive()
        first = group(0) if pool.seen == 1 else None
        assert found.images.shape == (2, GROUP, SIZE, SIZE, 3)
        assert torch.equal(found.images[0], found.images[1])
        assert first is None or np.array_equal(found.images[0].numpy(), first.images)
    finally:
        pool.close()
    assert not process.is_alive()
    pool._keeper.join(timeout=5)
    assert not pool._keeper.is_alive()
