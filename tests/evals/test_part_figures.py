"""Figures of parts and of what their prices are worth, on perception that is handed over."""

from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import numpy as np
from layouts import COSTS, SCALE, layout, product, references

from evals.fit.assignment_costs import MedleySegments, measure, searched, shown_family, worth
from evals.studies.part_quality import _connected, _matching
from nano.recipes.cache import EVALUATION_SEED, scenes
from nano.world import family
from tools.types import Box, Part, Region


def products(number=3):
    found = []
    for seed in range(number):
        places, sorts = product(seed)
        good = [layout(places, sorts, seed + n) for n in range(4)]
        bad = [layout(places[1:], sorts[1:], seed + n) for n in range(4)]
        shown = tuple(references(places, sorts))
        found.append(MedleySegments(shown, (*good, *bad), np.repeat([False, True], 4), SCALE))
    return found


def test_prices_that_rank_are_measured_and_free_ones_are_worth_nothing():
    assert measure(COSTS, products()).single == 1.0
    free = replace(COSTS, missing=0.0, extra=0.0)
    assert measure(free, products()).single < 0.8


def test_a_search_finds_better_prices_and_never_worse_ones(monkeypatch):
    # One tick for each try: how far it gets does not depend on the machine.
    ticks = count()
    monkeypatch.setattr("evals.fit.assignment_costs.time", SimpleNamespace(monotonic=lambda: float(next(ticks))))
    poor = replace(COSTS, missing=0.2, extra=0.2)
    sets = [products(2), products(1)]
    better = searched(poor, sets, seconds=25.0)
    assert worth(better, sets) > worth(poor, sets)
    assert worth(searched(COSTS, sets, seconds=5.0), sets) >= worth(COSTS, sets)


def test_a_family_is_shown_in_sets_with_references_of_their_own(monkeypatch):
    seen = []
    places, sorts = product(0)

    def seen_as(discoverer, image):
        seen.append(image.tobytes())
        return layout(places, sorts, len(seen))

    monkeypatch.setattr("evals.fit.assignment_costs._layout", seen_as)
    monkeypatch.setattr("evals.fit.assignment_costs.FAMILY_GOOD", 2)
    monkeypatch.setattr("evals.fit.assignment_costs.FAMILY_BAD", 1)
    sets = shown_family(None, "bottle")
    defects = len(family("bottle").logical)
    assert [len(s.references) for s in sets] == [4, 4]
    assert [s.bad.tolist() for s in sets] == [[False, False, *[True] * defects]] * 2
    assert len(set(seen)) == len(seen) == 2 * (4 + 2 + defects)


def test_touching_is_compared_with_the_true_masks_on_each_photo():
    scene = scenes(["connector"], seed=EVALUATION_SEED, per_family=2, evaluation=True)[0]
    true = [(scene, t, Part(t.name, Region(t.box, 1.0, t.mask))) for t in scene.parts if t.mask.any()]
    assert _connected(true) == 1.0
    corner = np.zeros_like(true[0][1].mask)
    corner[:2, :2] = True
    apart = [(s, t, Part(p.label, Region(Box(0, 0, 2, 2), 1.0, corner))) for s, t, p in true]
    assert _connected(apart) == 0.5


def test_matching_is_told_for_each_defect_and_nan_where_there_is_none():
    shown = scenes(["tray"], seed=EVALUATION_SEED, per_family=8, evaluation=True)
    costs = [float(any(d.kind == "logical" for d in s.defects)) for s in shown]
    if any(d.name == "missing part" for s in shown for d in s.defects):
        assert _matching(shown, costs, "missing part") == 1.0
    assert np.isnan(_matching(shown, costs, "no such defect"))
