"""Two stages: a product's own good photos standardise a score, a monotone map says what that is worth."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from agent.calibration.maps import Calibration, Fused, LookMap, MatcherMap, log_of_excess
from agent.evidence.fusion import anomaly_llr
from agent.evidence.types import Claim, Evidence
from agent.state import Context


def test_without_references_the_stored_mean_and_spread_standardise():
    assert MatcherMap(mean=2.0, spread=4.0).standardise(8.0, []) == 1.5


def test_with_references_their_mean_counts_and_their_spread_is_pooled_with_the_stored_one():
    found = MatcherMap(mean=100.0, spread=1.0, worth=4.0).standardise(6.0, [1.0, 3.0])
    # Mean 2, scatter 2; (2 + 4 x 1) / (2 - 1 + 4) = 1.2, wider by 1 + 1/2 since the mean of two is known badly.
    assert found == pytest.approx(4.0 / math.sqrt(1.2 * 1.5))


def test_a_single_reference_gives_the_level_and_nothing_of_the_spread():
    assert MatcherMap(spread=3.0, worth=4.0).standardise(5.0, [2.0]) == pytest.approx(3.0 / math.sqrt(9.0 * 2))


def test_many_references_outweigh_the_stored_spread():
    good = [0.0, 2.0] * 200
    assert MatcherMap(spread=50.0, worth=4.0).standardise(11.0, good) == pytest.approx(10 / math.sqrt(26.05), rel=0.05)


def test_a_map_is_linear_near_nothing_and_flattens_towards_its_limit_without_ever_falling():
    plain = MatcherMap(slope=2.0, offset=0.5, limit=3.0)
    assert plain.llr(0.0) == pytest.approx(0.5 / (1 + 0.5 / 3))
    assert plain.llr(1.0) == pytest.approx(2.5 / (1 + 2.5 / 3))
    values = [plain.llr(x) for x in (-50.0, -3.0, -1.0, 0.0, 1.0, 3.0, 50.0)]
    assert values == sorted(values)
    assert len(set(values)) == len(values)
    assert values[0] > -3.0
    assert values[-1] < 3.0


def test_where_a_matcher_sees_a_share_of_the_anomalies_a_low_score_says_no_more_than_that_share():
    part = MatcherMap(slope=1.0, share=0.4, limit=6.0)
    assert part.llr(-1e9) == pytest.approx(math.log1p(0.4 * math.expm1(-6.0)), abs=1e-6)
    assert part.llr(-1e9) > math.log(1 - 0.4)
    assert part.llr(0.0) == 0.0
    assert 0 < part.llr(2.0) < MatcherMap(slope=1.0, limit=6.0).llr(2.0)


def test_a_slope_of_nothing_is_worth_nothing():
    assert MatcherMap(slope=0.0).llr(1e6) == 0.0
    assert Calibration().lone.llr(9.0) == Calibration().parts.llr(9.0) == Calibration().tracer.llr(9.0) == 0.0


def test_a_look_is_worth_its_answer_within_a_limit():
    look = LookMap(slope=0.5, offset=-1.0, limit=2.0)
    assert look.llr(2.0) == 0.0
    assert look.llr(6.0) == pytest.approx(2.0 / (1 + 2.0 / 2.0))
    assert look.llr(-2.0) == pytest.approx(-2.0 / (1 + 2.0 / 2.0))


def test_a_look_that_tells_nothing_gains_nothing_and_a_better_one_more():
    gains = [LookMap(sure=s).gain for s in (0.5, 0.6, 0.8, 0.95)]
    assert gains[0] == 0.0
    assert gains == sorted(gains)
    assert gains[-1] < 0.5


def test_what_is_fused_keeps_its_order_and_a_threshold_lets_so_many_good_ones_pass():
    fused = Fused(slope=0.5, offset=1.0, mean=-2.0, spread=1.5)
    assert fused.worth(2.0) == 2.0
    assert fused.threshold(0.5) == pytest.approx(-2.0)
    assert fused.threshold(0.02) == pytest.approx(-2.0 + 1.5 * 2.0537, abs=1e-3)
    assert fused.threshold(0.01) > fused.threshold(0.1)


def test_the_log_of_excess_is_a_ratio_to_good_ones_that_flattens_below_them():
    good = [0.2, 0.4]
    assert log_of_excess(0.3, good) == pytest.approx(math.log(1.25))
    assert log_of_excess(0.6, good) == pytest.approx(math.log(2.25))
    assert log_of_excess(-5.0, good) == log_of_excess(0.0, good) == pytest.approx(math.log(0.25))
    assert log_of_excess(0.0005, [0.0, 0.0]) == pytest.approx(math.log(0.75))


@pytest.mark.parametrize("wrong", [{"spread": 0.0}, {"slope": -0.1}, {"share": 0.0}, {"share": 1.1}, {"limit": 0.0}])
def test_a_map_that_could_fall_or_never_flatten_is_refused(wrong):
    with pytest.raises(ValidationError):
        MatcherMap(**wrong)


@pytest.mark.parametrize("profile", ["nano", "default", "unheard of"])
def test_every_profile_has_maps_and_one_without_its_own_has_the_cautious_ones(profile):
    found = Calibration.of_profile(profile)
    assert found.reference.slope > 0
    assert (found == Calibration.of_profile("default")) == (profile != "nano")


def test_maps_that_nobody_fitted_hand_scores_through_and_looks_that_nobody_fitted_say_nothing():
    assert MatcherMap().standardise(2.0, []) == 2.0
    assert Fused().worth(1.5) == 1.5
    assert Fused().threshold(0.5) == 0.0


def test_without_references_a_fused_ratio_amounts_to_what_was_fitted_without_them():
    context = Context(None, calibration=Calibration(fused=Fused(slope=0.5), alone=Fused(slope=3.0, mean=1.0)))
    evidence = [Evidence("structural", Claim("region_differs", {}), 2.0, "tracer", "region 1")]
    shown, alone = (SimpleNamespace(references=r) for r in (("photo",), ()))
    llr = anomaly_llr(evidence)
    assert context.log_odds(evidence, shown) == pytest.approx(0.5 * llr)
    assert context.log_odds(evidence, alone) == pytest.approx(3.0 * llr)
    strict = replace(context, false_alarm=0.5)
    assert (context.threshold(alone), strict.threshold(alone), strict.threshold(shown)) == pytest.approx((0, 1, 0))
    only = Context(None, calibration=Calibration(fused=Fused(slope=0.5)))
    assert only.log_odds(evidence, alone) == pytest.approx(0.5 * llr)
    assert LookMap().llr(5.0) == 0.0
    assert LookMap().gain == 0.0


@pytest.mark.parametrize("wrong", [0.0, 1.0, -0.5])
def test_a_detection_score_that_is_worth_one_half_lies_between_nothing_and_certainty(wrong):
    with pytest.raises(ValidationError):
        Calibration(detection=wrong)
