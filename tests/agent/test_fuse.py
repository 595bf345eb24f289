"""Fusing evidence: within a hypothesis it adds, between hypotheses it mixes, and order is never lost."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.evidence.fusion import BESIDE, WHOLE, anomaly_llr, by_hypothesis, log_mix, probability
from agent.evidence.types import Claim, Evidence

llrs = st.floats(-8, 8)


def evidence(kind, hypothesis, llr):
    return Evidence(kind, Claim("parts_as_expected", {"parts": "x"}), llr, "rule", hypothesis)


def test_evidence_of_one_hypothesis_adds():
    items = [evidence("structural", "region 1", 1.5), evidence("structural", "region 1", -0.5)]
    (only,) = by_hypothesis(items)
    assert only.llr == pytest.approx(1.0)


def test_a_refuted_region_does_not_hide_another():
    items = [
        evidence("structural", "region 1", 3.0),
        evidence("structural", "region 1", -5.0),
        evidence("structural", "region 2", 2.0),
    ]
    assert anomaly_llr(items) == anomaly_llr(items[2:])


def test_a_part_of_which_nothing_was_measured_but_its_surface_is_never_surely_good():
    """Nothing says that no part is missing: the order of such photos stays, and the line at even odds too."""
    told = [anomaly_llr([evidence("structural", "region 1", llr)]) for llr in (-6.0, -1.0, 0.0, 1.0, 6.0)]
    assert told == sorted(told)
    assert 0.25 < probability(told[0]) < 0.35
    assert told[2] == pytest.approx(0.0)
    assert anomaly_llr([evidence("structural", "r", -6.0), evidence("logical", "count", -6.0)]) < -5.0


def test_rules_that_hold_barely_speak_against_a_scratch():
    scratch = [evidence("structural", "region 1", 4.0)]
    with_rules = [*scratch, evidence("logical", "count of bolt", -3.0)]
    assert anomaly_llr(with_rules) > 4.0 - math.log(1 / 0.45) - 0.01


@given(llrs, llrs, st.floats(0.01, 3))
def test_more_of_any_evidence_never_lowers_the_score(structural, logical, more):
    before = anomaly_llr([evidence("structural", "a", structural), evidence("logical", "b", logical)])
    after = anomaly_llr([evidence("structural", "a", structural), evidence("logical", "b", logical + more)])
    assert after >= before


@given(st.lists(llrs, min_size=1, max_size=5))
def test_a_mix_lies_between_its_least_and_its_greatest(values):
    weights = [1 / len(values)] * len(values)
    assert min(values) - 1e-9 <= log_mix(values, weights) <= max(values) + 1e-9


def test_no_evidence_says_nothing():
    assert anomaly_llr([]) == 0.0


def test_probability_still_ranks_where_it_is_nearly_one():
    assert probability(20.0) < probability(21.0) < 1.0


@pytest.mark.parametrize("rules", [[-2.0, -4.0], [3.0, -4.0], []])
def test_a_layout_unlike_the_good_ones_adds_to_the_strongest_rule_and_one_like_them_is_no_news(rules):
    scratch = evidence("structural", "region 1", 1.0)
    items = [scratch, *(evidence("logical", f"rule {n}", llr) for n, llr in enumerate(rules))]
    strongest = max(rules, default=0.0)
    for layout in (-1.5, 0.0, 2.5):
        expected = anomaly_llr([scratch, evidence("logical", "rule 0", strongest + max(0.0, layout))])
        assert anomaly_llr([*items, evidence("logical", WHOLE, layout)]) == pytest.approx(expected)


def shown(source, hypothesis, llr):
    return replace(evidence("logical", hypothesis, llr), source=source, shown=True)


@pytest.mark.parametrize(("rule", "counted"), [(3.0, 3.0 * BESIDE), (-2.0, 0.0)])
def test_a_rule_that_references_obey_adds_to_what_parts_cost_and_one_that_holds_does_not(rule, counted):
    for cost in (-1.5, 2.0):
        items = [shown("parts", "arrangement 1", cost), shown("rule", "count of bolt", rule)]
        items.append(shown("rule", "count of nut", -4.0))
        expected = anomaly_llr([evidence("logical", "both", cost + counted)])
        assert anomaly_llr(items) == pytest.approx(expected)


def test_a_rule_of_which_no_cost_of_parts_tells_speaks_alone():
    for llr in (-2.0, 3.0):
        alone = anomaly_llr([shown("rule", "count of bolt", llr)])
        assert alone == pytest.approx(anomaly_llr([evidence("logical", "count of bolt", llr)]))


def test_a_cost_of_parts_that_a_person_ignores_no_longer_speaks_against_a_broken_rule():
    cost, rule = shown("parts", "arrangement 1", -1.5), shown("rule", "count of bolt", 3.0)
    ignored = replace(evidence("logical", "arrangement 1", -3.0), source="user")
    assert anomaly_llr([cost, rule, ignored]) == pytest.approx(anomaly_llr([rule]))
    again = replace(ignored, llr=3.0)
    assert anomaly_llr([cost, rule, ignored, again]) == pytest.approx(anomaly_llr([cost, rule]))


def test_what_a_person_wants_is_not_softened_by_parts_that_lie_as_on_good_ones():
    parts = shown("parts", "arrangement 1", -1.8)
    wanted, seen = evidence("logical", "count of bolt", 3.0), shown("rule", "count of bolt", 3.0)
    assert anomaly_llr([parts, wanted]) == pytest.approx(anomaly_llr([wanted]))
    assert anomaly_llr([parts, seen]) < anomaly_llr([parts, wanted]) - 1
