"""The networks that tell kinds of parts: whose features they read, what they say of parts that they never saw."""

import numpy as np
import pytest

from nano.world.medley import medley, photo
from tools.images import sample_from_array
from tools.parts.kin import MOST, kin_of, stored_kin
from tools.parts.likeness import KNOWN, NAMES, Comparer, likeness, scale_of

UNSEEN = 1_040_007
"""Of a medley that nothing was learned from or measured on."""


@pytest.fixture(scope="module")
def discoverer():
    from tools.profiles import load_profile
    from tools.toolbox import Toolbox

    return Toolbox.open(load_profile("nano"), "cpu").discoverer


@pytest.fixture(scope="module")
def photos(discoverer):
    """(descriptors, nouns) of the segments of two photos of one product; "" for what is no part."""
    found = []
    for n in range(2):
        shot = photo(medley(UNSEEN), n, size=256)
        proposals, described = discoverer.described(sample_from_array(shot.image))
        nouns = []
        for mask in proposals.masks:
            best, noun = max(((mask & p.mask).sum() / (mask | p.mask).sum(), p.noun) for p in shot.parts)
            nouns.append(noun if best > 0.6 else "")
        found.append((described, np.array(nouns)))
    return found


def test_they_are_for_the_features_that_they_were_learned_with_and_no_others(discoverer):
    assert kin_of("0" * 64) is None
    assert kin_of(stored_kin().features) is stored_kin()
    assert discoverer._kin is stored_kin()  # the shipped features


def test_parts_of_one_kind_are_told_from_others_on_another_photo_of_a_product_that_nobody_saw(photos):
    (one, nouns), (other, named) = photos
    comparer = Comparer(likeness(), scale_of([one, other]), stored_kin())
    both = (nouns != "")[:, None] & (named != "")[None]
    same = (nouns[:, None] == named[None]) & both
    unlike = ~same & both
    assert same.sum() >= 3
    assert unlike.sum() >= 3
    odds = comparer.across(one, other)
    right = (odds[same][:, None] > odds[unlike][None]).mean()
    assert right > 0.95


def test_what_they_say_is_the_same_either_way_round_and_never_beyond_their_limit(photos):
    (one, _), (other, _) = photos
    values = np.random.default_rng(0).uniform(0, 2, (len(one), len(other), len(KNOWN)))
    odds = stored_kin().across.odds(one, other, values)
    np.testing.assert_allclose(odds, stored_kin().across.odds(other, one, values.transpose(1, 0, 2)).T, atol=1e-4)
    assert np.abs(odds).max() <= MOST


def test_with_the_networks_the_mean_of_both_is_taken_and_without_them_the_sum_alone(photos):
    (one, _), (other, _) = photos
    scale = scale_of([one, other])
    plain, mixed = Comparer(likeness(), scale), Comparer(likeness(), scale, stored_kin())
    assert (np.abs(mixed.across(one, other) - plain.across(one, other) / 2) <= MOST / 2 + 1e-9).all()
    assert not np.allclose(mixed.within(one), plain.within(one))
    assert "kind" not in [NAMES[n] for n in KNOWN]
