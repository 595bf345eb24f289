"""Rules weigh as much as their detections are sure."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.evidence.claims import translated
from agent.rules import CountRule, MeasuredParts, PartCounts, PositionRule, PresenceRule, evaluate
from tools.types import Box, Part, Region


def bolts(*scores):
    return MeasuredParts(tuple(Part("bolt", Region(Box(10 * n, 0, 10 * n + 8, 8), s)) for n, s in enumerate(scores)))


def brute_force(scores):
    """P(n) by enumerating which detections are real."""
    result = [0.0] * (len(scores) + 1)
    for real in itertools.product([0, 1], repeat=len(scores)):
        result[sum(real)] += math.prod(s if r else 1 - s for s, r in zip(scores, real, strict=True))
    return result


@given(st.lists(st.floats(0, 1), max_size=6))
def test_count_distribution_is_the_enumerated_one(scores):
    counts = PartCounts.from_scores(scores, miss=0.0)
    assert counts.probabilities[: len(scores) + 1] == pytest.approx(brute_force(scores), abs=1e-9)


def test_a_sure_missing_bolt_weighs_more_than_an_unsure_one():
    rule = CountRule(part="bolt", low=2, high=2)
    sure = evaluate(rule, bolts(0.97)).log_odds
    unsure = evaluate(rule, bolts(0.97, 0.4)).log_odds
    complete = evaluate(rule, bolts(0.97, 0.97)).log_odds
    assert sure > unsure > complete
    assert complete < 0 < sure


def test_the_claim_names_what_was_found_and_expected():
    outcome = evaluate(CountRule(part="bolt", low=2, high=3), bolts(0.9))
    assert outcome.claim.key == "count_differs"
    assert outcome.claim.facts == {"part": "bolt", "found": 1, "expected": "2 to 3"}


def test_what_measuring_costs_on_good_parts_is_taken_off():
    rule = CountRule(part="bolt", low=2, high=2)
    unsure = bolts(0.6, 0.6)
    proved = rule.model_copy(update={"baseline": rule.raw_log_odds(unsure)})
    assert evaluate(proved, unsure).log_odds < 0 < evaluate(rule, bolts(0.6)).log_odds
    assert evaluate(proved, unsure).log_odds < evaluate(rule, unsure).log_odds


def test_presence_asks_for_at_least_one():
    rule = PresenceRule(part="bolt")
    assert evaluate(rule, bolts()).claim.status == "broken"
    assert evaluate(rule, bolts(0.9, 0.9)).log_odds < evaluate(rule, bolts()).log_odds


def test_a_range_upside_down_is_refused_with_what_to_do():
    with pytest.raises(ValidationError, match=r"high \(1\) is below low \(2\)"):
        CountRule(part="bolt", low=2, high=1)


@pytest.mark.parametrize(
    ("places", "where", "in_chinese"),
    [
        (((-0.4, 0.0),), "left side", "左侧"),
        (((0.3, -0.3), (-0.3, -0.31)), "upper left and upper right", "左上和右上"),
        (((-0.4, 0.3), (0.0, 0.3), (-0.3, 0.3)), "lower left and lower middle", "左下和下方中部"),
        (tuple((x, y) for x in (-0.4, 0.0, 0.4) for y in (-0.4, 0.4)), "centre", "中央"),
    ],
)
def test_where_parts_belong_is_told_by_each_place_while_they_are_few(places, where, in_chinese):
    claim = PositionRule(part="nut", places=places).claim
    assert claim.facts["where"] == where
    assert translated(claim.facts, "zh")["where"] == in_chinese
