"""Rules where an edge decides: what mutation testing found no test for."""

import math

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import f as f_distribution

from agent.evidence.fusion import probability
from agent.rules import CountRule, EachRule, MatchRule, MeasuredParts, RelationRule, SameRule, WholeRule
from agent.rules.attributes import _odd_one
from agent.rules.counting import shares
from agent.rules.likelihood import SMALLEST, doubt, doubtful, log_odds_of
from agent.rules.placement import _middle
from agent.rules.relation import touching
from tools.types import Box, Measures, Part, Region


def boxed(label, x0, y0, x1, y1):
    return Part(label, Region(Box(x0, y0, x1, y1), 1.0))


def coloured(label, lab, colour="red"):
    measures = Measures(area=1.0, length=1.0, width=1.0, angle=0.0, centroid=(0, 0), lab=lab, colour=colour)
    return Part(label, Region(Box(0, 0, 1, 1), 1.0), measures)


@pytest.mark.parametrize(
    "rule",
    [lambda **r: RelationRule(part="a", relation="touching", other="b", **r), lambda **r: WholeRule(part="a", **r)],
)
def test_a_range_may_be_wide_and_not_turned_round(rule):
    assert rule(low=1, high=2).high == 2
    assert rule(low=2, high=2).low == 2
    with pytest.raises(ValidationError, match=r"high \(1\) is below low \(2\)"):
        rule(low=2, high=1)


def test_nothing_stands_to_itself_but_parts_of_a_kind_may_touch():
    word = "".join(["touch", "ing"])
    assert RelationRule(part="a", relation=word, other="a").relation == "touching"
    with pytest.raises(ValidationError, match="cannot be above itself"):
        RelationRule(part="a", relation="above", other="a")


def test_a_count_that_is_right_or_off_by_one_is_no_farther_off_than_a_rule_that_is_none_allows():
    rule = CountRule(part="a", low=2, high=2, doubt=0.2)
    for count, far in ((2, 0), (1, 0), (3, 0), (0, 1), (5, 2)):
        seen = MeasuredParts(tuple(boxed("a", n, 0, n + 1, 1) for n in range(count)))
        tail = 1 - probability(rule.standardised(rule.raw_log_odds(seen)))
        assert rule.evaluate(seen).log_odds == pytest.approx(log_odds_of(doubtful(tail, 0.2, far)))


def test_a_part_in_two_holders_belongs_to_the_nearer_one_along_both_axes():
    across = (boxed("tray", 0, 0, 40, 40), boxed("tray", 20, 0, 60, 40))
    down = (boxed("tray", 0, 0, 40, 40), boxed("tray", 0, 20, 40, 60))
    assert shares(across, (boxed("nut", 33, 18, 37, 22),)) == [0, 1]
    assert shares(across, (boxed("nut", 23, 18, 27, 22),)) == [1, 0]
    assert shares(down, (boxed("nut", 18, 33, 22, 37),)) == [0, 1]
    assert shares(down, (boxed("nut", 18, 23, 22, 27),)) == [1, 0]
    assert shares(across, (boxed("nut", 90, 90, 92, 92),)) == [0, 0]


def test_a_colour_that_only_fades_differs_in_chroma_and_in_no_hue():
    full, faded = (50.0, 30.0, 40.0), (50.0, 15.0, 20.0)
    parts = [coloured("nut", full), coloured("nut", full), coloured("nut", faded)]
    light, chroma, hue = SameRule(part="nut").deviations(parts)[2]
    assert (light, chroma) == pytest.approx((0.0, -25.0))
    assert hue == pytest.approx(0.0, abs=1e-6)
    turned = [*parts[:2], coloured("nut", (50.0, 40.0, 30.0))]
    assert SameRule(part="nut").deviations(turned)[2] == pytest.approx((0.0, 0.0, math.hypot(10, 10)))


def test_lightness_chroma_and_hue_are_judged_together_with_three_degrees_of_freedom():
    rule = SameRule(part="nut")
    off = np.array([8.0, -16.0, 12.0])
    squared = 1 + 4 + 4
    assert rule._tail(off) == pytest.approx(f_distribution.sf(squared / 3, 3, 30.0))
    assert rule._tail(np.array([1e9, 0.0, 0.0])) == SMALLEST


def test_of_two_that_surprise_each_other_the_one_farther_from_all_is_to_blame():
    parts = [coloured("nut", lab) for lab in ((60.0, 0.0, 0.0), (52.0, 0.0, 0.0), (50.0, 0.0, 0.0))]
    assert _odd_one([0.01, 0.5, 0.01], parts) == 0
    dark = [coloured("nut", lab) for lab in ((50.0, 0.0, 0.0), (48.0, 0.0, 0.0), (20.0, 0.0, 0.0))]
    assert _odd_one([0.01, 0.5, 0.01], dark) == 2


@pytest.mark.parametrize(
    ("low", "high", "middle"),
    [(None, None, 0.0), (0.2, None, 0.5), (None, 0.2, -0.1), (-0.4, 0.2, -0.1), (0.1, 0.3, 0.2)],
)
def test_the_middle_of_a_zone_lies_within_it(low, high, middle):
    assert _middle(low, high) == pytest.approx(middle)


def test_doubt_is_bayes_rule_and_goes_with_how_far_off_a_thing_is():
    assert doubt(1, 0.2) == pytest.approx(0.5 * 0.2)
    assert doubt(3, 0.2) == pytest.approx(0.5 * 0.05 / (0.05 + 0.8))
    assert doubtful(0.0, 0.2, far=2.0) == pytest.approx(0.2 * math.exp(-2.0))
    assert doubtful(0.5, 0.2, far=0.0) == pytest.approx(0.2 + 0.4)


def test_a_range_of_one_number_is_said_as_that_number():
    assert CountRule(part="a", low=2, high=2).expected == "2"
    assert CountRule(part="a", low=2, high=3).expected == "2 to 3"


def test_none_of_a_part_may_be_what_each_holds():
    assert EachRule(part="a", other="b", low=0, high=0).low == 0


def test_masks_touch_within_reach_and_not_beyond_it():
    def blob(x0, x1):
        mask = np.zeros((40, 100), bool)
        mask[10:30, x0:x1] = True
        return Part("a", Region(Box(x0, 10, x1, 30), 1.0, mask))

    assert touching(blob(10, 30), blob(30, 50))
    assert not touching(blob(10, 30), blob(70, 90))


def test_a_colour_that_no_mapping_has_is_unknown_and_not_the_nearest_that_it_has():
    rule = MatchRule(part="fruit", other="juice", by="colour", mapping={"red": "red", "yellow": "yellow"})
    yellow, blue = (80.0, 0.0, 70.0), (35.0, 15.0, -50.0)
    known = MeasuredParts((coloured("fruit", yellow), coloured("juice", yellow)))
    unknown = MeasuredParts((coloured("fruit", yellow), coloured("juice", blue, "blue")))
    assert rule.evaluate(known).claim.key == "match_as_expected"
    assert rule.evaluate(unknown).claim.key == "match_unknown"
