"""Weights of matchers beside each other: what drowns a good matcher is turned down, and a file keeps all else."""

import numpy as np
import pytest
import yaml

from agent.calibration.maps import Calibration, MatcherMap
from agent.evidence.fusion import WHOLE, anomaly_llr
from agent.evidence.types import Claim, Evidence
from evals.fit import fusion_weights
from evals.fit.fusion_weights import FirstLookScores, plain, ranked, searched, weighed, written

PHOTOS = 60


def said(kind, source, hypothesis, llr):
    return Evidence(kind, Claim("noted", {}), float(llr), source, hypothesis)


def product(seed, noise):
    """Photos on which the differ is right and the reference matcher guesses, loudly."""
    rng = np.random.default_rng(seed)
    bad = rng.random(PHOTOS) < 0.5
    evidence = tuple(
        (
            said("structural", "differ", "region 1", rng.normal(3.0 * b - 1.5, 1.0)),
            said("structural", "reference", "region 1", rng.normal(0, noise)),
        )
        for b in bad
    )
    return FirstLookScores(evidence, tuple(bad.tolist()))


def test_a_matcher_that_guesses_is_turned_down_beside_one_that_knows():
    products = [product(n, noise=4.0) for n in range(3)]
    found = searched([products])
    assert found["reference"] == min(fusion_weights.TRIED)
    assert found["differ"] >= 1.0
    assert ranked(products, found) > ranked(products, {}) + 0.05


def test_a_matcher_counts_as_little_as_it_can_where_that_costs_nothing():
    found = searched([[product(n, noise=1e-6) for n in range(3)]])
    assert found["reference"] == found["parts"] == min(fusion_weights.TRIED)


def test_evidence_counts_by_the_weight_of_the_map_that_it_went_through():
    layout, place = said("logical", "differ", WHOLE, 2.0), said("structural", "differ", "region 1", 2.0)
    assert [e.llr for e in weighed([layout, place], {"layout": 0.5, "differ": 1.5})] == [1.0, 3.0]


def test_a_map_of_some_weight_says_what_evidence_of_that_weight_says():
    full, half = MatcherMap(slope=1.5, offset=-0.5), MatcherMap(slope=1.5, offset=-0.5, weight=0.5)
    one, other = (said("structural", "differ", "region 1", m.llr(2.0)) for m in (full, half))
    assert anomaly_llr(weighed([one], {"differ": 0.5})) == pytest.approx(anomaly_llr([other]))


def test_a_file_gets_weights_and_keeps_its_notes_and_every_other_number():
    text = "# A note.\ntext: {slope: 1.0, limit: 4.0}\ndiffer: {slope: 0.5,\n  limit: 6.0, weight: 0.7}\nprose: false\n"
    found = written(text, {"text": 0.5, "differ": 1.5})
    assert found.startswith("# A note.\n")
    maps = Calibration.model_validate(yaml.safe_load(found))
    assert (maps.text.weight, maps.text.slope, maps.differ.weight, maps.differ.slope) == (0.5, 1.0, 1.5, 0.5)
    assert maps.prose is False
    assert written(found, {"text": 0.5, "differ": 1.5}) == found


def test_weights_are_searched_for_from_maps_of_full_worth():
    assert plain(Calibration(differ=MatcherMap(weight=0.3, slope=2.0))).differ == MatcherMap(slope=2.0)
