"""What a good product explains badly becomes evidence with its place, in words, by the references' own costs."""

from types import SimpleNamespace

import numpy as np
import pytest

from agent.calibration.maps import Calibration, MatcherMap
from agent.evidence.claims import say, say_briefly
from agent.matchers.arrangement import ArrangementMatcher
from agent.matchers.base import MatchInput
from agent.products.spec import Product, ProductSpec
from agent.rules import MeasuredParts
from agent.state import Context, Glance
from tools.images import sample_from_array
from tools.parts import Explanation, Misfit
from tools.types import Box, Part, Region

SAMPLE = sample_from_array(np.full((128, 128, 3), 90, np.uint8))
GOOD = sample_from_array(np.full((128, 128, 3), 120, np.uint8))
CALIBRATION = Calibration(parts=MatcherMap(mean=0.5, spread=0.5, slope=1.3, offset=-0.7))
BOX = Box(32, 0, 48, 16)


def explained(*misfits, own=(0.2, 0.5, 0.3, 0.6), cost=None, calibration=CALIBRATION):
    total = sum(m.cost for m in misfits) if cost is None else cost
    explanation = Explanation(GOOD.digest, total, misfits, (64, 64))
    product = Product(
        ProductSpec(name="tray", product="tray"),
        references=(GOOD,),
        parts=(MeasuredParts((Part("part B", Region(Box(64, 0, 96, 32), 0.9)),)),),
        types=SimpleNamespace(types=(), arrangement=SimpleNamespace(own_costs=own)),
    )
    found = MeasuredParts((Part("part C", Region(Box(64, 0, 96, 32), 0.9)),), explanation)
    return evidence_of(product, found, calibration)


def evidence_of(product, measured, calibration):
    glance, context = Glance((), (), measured), Context(None, calibration)
    return list(ArrangementMatcher().evidence(MatchInput(SAMPLE, product, glance, (), context)))


def misfit(kind, cost, most=""):
    mask = None if kind == "missing" else np.pad(np.ones((16, 16), bool), ((0, 48), (32, 16)))
    return Misfit(kind, cost, BOX, mask, None if kind == "extra" else BOX, most)


def test_a_missing_part_is_named_and_placed_on_the_photo_at_its_own_size():
    (found,) = explained(misfit("missing", 8.0))
    assert found.llr > 1
    assert found.kind == "logical"
    assert found.region.box == Box(64, 0, 96, 32)
    assert say_briefly(found.claim) == "the part B missing, upper middle"


@pytest.mark.parametrize(
    ("kind", "most", "words"),
    [
        ("extra", "", "that does not belong"),
        ("differs", "place", "Out of place, compared with"),
        ("differs", "area", "Of another size"),
        ("differs", "solidity", "Of another shape"),
        ("differs", "chroma contrast", "Of another colour"),
        ("differs", "edge", "Different from"),
    ],
)
def test_each_way_to_misfit_has_its_sentence(kind, most, words):
    (found,) = explained(misfit(kind, 8.0, most))
    assert words in say(found.claim)
    assert found.region.mask.shape == (128, 128)
    assert found.region.mask[8, 80] and not found.region.mask[8, 8]


def test_the_same_misfit_is_worth_less_where_good_ones_differ_as_much():
    (steady,), (unsteady,) = explained(misfit("extra", 3.0)), explained(misfit("extra", 3.0), own=(3.0, 4.0, 1.0, 5.0))
    assert steady.llr > unsteady.llr


def test_of_two_misfits_the_lesser_is_worth_less_and_a_trifle_is_not_told():
    found = explained(misfit("missing", 8.0), misfit("extra", 5.0), misfit("differs", 0.2, "area"))
    assert [e.hypothesis for e in found] == ["arrangement 1", "arrangement 2"]
    assert found[0].llr > found[1].llr


def test_a_photo_that_is_explained_speaks_for_good():
    (found,) = explained()
    assert found.llr < 0
    assert found.claim.key == "arranged_as_expected"
    assert GOOD.name in say(found.claim)


def test_a_profile_that_nobody_calibrated_says_nothing_so_that_rules_speak_alone():
    assert explained(misfit("missing", 8.0))
    assert explained(misfit("missing", 8.0), calibration=Calibration()) == []


def test_a_single_reference_says_nothing():
    assert explained(misfit("missing", 8.0), own=()) == []


def test_two_references_are_not_held_to_what_four_usually_cost():
    (found,) = explained(misfit("extra", 4.0), own=(4.0, 4.0))
    assert found.claim.key == "arranged_as_expected"


def test_nothing_is_said_where_no_reference_explains():
    product = Product(ProductSpec(name="tray", product="tray"))
    assert evidence_of(product, MeasuredParts(()), CALIBRATION) == []
