"""Each kind of rule fires on what breaks it, holds on what does not, and weighs as much as it is sure."""

import numpy as np
import pytest

from agent.evidence.claims import say, say_briefly
from agent.rules import (
    ColourRule,
    DirectionRule,
    EachRule,
    MatchRule,
    MeasuredParts,
    PositionRule,
    ProportionRule,
    RanksRule,
    RelationRule,
    SameRule,
    SizeRule,
    Tolerance,
    WholeRule,
    Zone,
    evaluate,
)
from tools.types import Box, Measures, Part, Region

RED, BLUE, YELLOW = (50.0, 60.0, 40.0), (35.0, 15.0, -50.0), (80.0, 0.0, 70.0)


def part(label, x=0.0, y=0.0, *, sure=1.0, length=0.2, area=0.01, lab=RED, turn=0.0, heading=(0.0, 0.0), mask=None):
    """A part at a place in product coordinates, on a photo of 100 px whose product is 100 px wide."""
    px, py = 50 + 100 * x, 50 + 100 * y
    measures = Measures(
        area=area * 1e4,
        length=length * 100,
        width=5.0,
        angle=turn,
        centroid=(px, py),
        lab=lab,
        colour="red",
        place=(x, y),
        turn=turn,
        relative_area=area,
        relative_length=length,
        heading=heading,
    )
    columns = np.flatnonzero(mask.any(axis=0)) if mask is not None else ()
    box = Box(columns[0], 40, columns[-1] + 1, 60) if len(columns) else Box(px - 4, py - 4, px + 4, py + 4)
    return Part(label, Region(box, sure, mask), measures)


def blob(x0, x1, y0=40, y1=60):
    mask = np.zeros((100, 100), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def photo(*parts):
    return MeasuredParts(tuple(parts))


TIGHT = Tolerance(spread=0.02, freedom=6)
CASES = {
    "place": (
        PositionRule(part="clip", places=((-0.3, 0.0), (0.3, 0.0)), across=TIGHT, down=TIGHT),
        photo(part("clip", -0.31), part("clip", 0.3, 0.01)),
        photo(part("clip", -0.3), part("clip", 0.1)),
    ),
    "zone": (
        PositionRule(part="clip", zone=Zone(left=0.0, bottom=0.0)),
        photo(part("clip", 0.2, -0.3)),
        photo(part("clip", 0.2, 0.3)),
    ),
    "length": (
        SizeRule(part="rod", of="length", expected=(0.5, 0.3), tolerance=TIGHT),
        photo(part("rod", length=0.3), part("rod", length=0.505)),
        photo(part("rod", length=0.5), part("rod", length=0.5)),
    ),
    "ranks": (
        RanksRule(part="rod", groups=(1, 2)),
        photo(part("rod", length=0.5), part("rod", length=0.3), part("rod", length=0.31)),
        photo(part("rod", length=0.5), part("rod", length=0.5), part("rod", length=0.3)),
    ),
    "colour": (
        ColourRule(part="cap", colour="red", lab=RED, lightness=Tolerance(spread=6), tone=Tolerance(spread=4)),
        photo(part("cap", lab=(53.0, 57.0, 42.0))),
        photo(part("cap", lab=BLUE)),
    ),
    "colour by name": (ColourRule(part="cap", colour="red"), photo(part("cap")), photo(part("cap", lab=BLUE))),
    "same": (
        SameRule(part="nut", others=("ring",)),
        photo(part("nut", lab=BLUE), part("ring", lab=BLUE), part("ring", lab=BLUE)),
        photo(part("nut", lab=YELLOW), part("ring", lab=BLUE), part("ring", lab=BLUE)),
    ),
    "angle": (
        DirectionRule(part="rod", turn=90.0, tolerance=Tolerance(spread=3)),
        photo(part("rod", turn=-88.0)),
        photo(part("rod", turn=60.0)),
    ),
    "way round": (
        DirectionRule(part="chip", heading=(0.0, 0.2), tolerance=TIGHT),
        photo(part("chip", heading=(0.01, 0.21))),
        photo(part("chip", heading=(0.0, -0.2))),
    ),
    "left of": (
        RelationRule(part="lid", relation="left of", other="jar", margin=0.3, tolerance=TIGHT),
        photo(part("lid", -0.2), part("jar", 0.1)),
        photo(part("lid", 0.2), part("jar", 0.1)),
    ),
    "touching": (
        RelationRule(part="strap", relation="touching", other="hook", low=2, high=2),
        photo(part("strap", mask=blob(20, 80)), *(part("hook", mask=blob(x, x + 10)) for x in (10, 80))),
        photo(part("strap", mask=blob(20, 60)), *(part("hook", mask=blob(x, x + 10)) for x in (10, 80))),
    ),
    "each": (
        EachRule(part="plate", other="hole"),
        photo(part("plate", -0.3), part("plate", 0.3), part("hole", -0.3), part("hole", 0.3)),
        photo(part("plate", -0.3), part("plate", 0.3), part("hole", -0.3), part("hole", 0.3), part("hole", 0.31)),
    ),
    "proportion": (
        ProportionRule(part="rice", of="peas", ratio=1.5, tolerance=Tolerance(spread=0.1)),
        photo(part("rice", area=0.3), part("peas", area=0.2)),
        photo(part("rice", area=0.2), part("peas", area=0.3)),
    ),
    "match": (
        MatchRule(part="wire", other="pin", by="count", mapping={"2": "red", "3": "blue"}),
        photo(part("wire", lab=BLUE), part("pin"), part("pin"), part("pin")),
        photo(part("wire", lab=RED), part("pin"), part("pin"), part("pin")),
    ),
    "match by colour": (
        MatchRule(part="fruit", other="juice", by="colour", mapping={"red": "red", "yellow": "yellow"}),
        photo(part("fruit", lab=YELLOW), part("juice", lab=YELLOW)),
        photo(part("fruit", lab=YELLOW), part("juice", lab=RED)),
    ),
    "whole": (
        WholeRule(part="wire"),
        photo(part("wire", mask=blob(10, 90))),
        photo(part("wire", mask=blob(10, 40) | blob(60, 90))),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_rule_holds_on_what_obeys_it_and_fires_on_what_breaks_it(case):
    rule, good, bad = CASES[case]
    obeyed, broken = evaluate(rule, good), evaluate(rule, bad)
    assert obeyed.log_odds < 0 < broken.log_odds
    assert obeyed.claim.holds
    assert broken.claim.status == "broken"


@pytest.mark.parametrize("case", CASES)
def test_a_rule_weighs_as_much_as_its_detections_are_sure(case):
    rule, _, bad = CASES[case]
    fading = [
        MeasuredParts(tuple(Part(p.label, Region(p.region.box, sure, p.region.mask), p.measures) for p in bad.parts))
        for sure in (0.99, 0.95, 0.9)
    ]
    weights = [evaluate(rule, m).log_odds for m in fading]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] > weights[-1]


@pytest.mark.parametrize("case", CASES)
def test_every_outcome_and_every_rule_can_be_said(case):
    rule, good, bad = CASES[case]
    for claim in (rule.claim, evaluate(rule, good).claim, evaluate(rule, bad).claim):
        assert say(claim)
        assert "{" not in say_briefly(claim)


@pytest.mark.parametrize("case", CASES)
def test_a_doubted_rule_weighs_less_and_never_reaches_certainty(case):
    rule, _, bad = CASES[case]
    firm, doubted = (evaluate(rule.model_copy(update={"doubt": d}), bad).log_odds for d in (0.001, 0.2))
    assert firm > doubted
    assert firm < 30


@pytest.mark.parametrize("case", CASES)
def test_a_photo_without_such_parts_is_not_judged(case):
    rule, _, _ = CASES[case]
    assert evaluate(rule, photo(part("stranger"))) is None


def test_the_part_that_is_to_blame_is_shown_alone():
    rule, _, bad = CASES["same"]
    assert [p.label for p in evaluate(rule, bad).parts] == ["nut"]
    rule, _, bad = CASES["place"]
    (shown,) = evaluate(rule, bad).parts
    assert shown.measures.place == (0.1, 0.0)


def test_a_key_that_nobody_has_shown_is_said_to_be_unknown():
    rule, _, _ = CASES["match"]
    outcome = evaluate(rule, photo(part("wire", lab=YELLOW), *[part("pin")] * 5))
    assert outcome.claim.status == "unknown"
    assert outcome.log_odds < 0


def test_farther_off_is_always_more_surprising():
    rule, _, _ = CASES["place"]
    odds = [
        evaluate(rule, photo(part("clip", -0.3 + d), part("clip", 0.3))).log_odds for d in (0, 0.02, 0.05, 0.1, 0.2)
    ]
    assert odds == sorted(set(odds))


def test_parts_that_each_hold_the_same_are_told_by_one_number_others_by_all():
    rule, good, bad = CASES["each"]
    assert say_briefly(evaluate(rule, good).claim) == "1 hole on each plate, as expected"
    assert say_briefly(evaluate(rule, bad).claim).startswith("1 or 2 hole on each plate")
