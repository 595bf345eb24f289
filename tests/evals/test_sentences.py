"""Sentences are held against the truth: what is stated as a fact can be false, what is only possible cannot."""

from types import SimpleNamespace

import numpy as np
import pytest

from evals.run.ground_truth import Truth, judged

MASK = np.zeros((64, 64), dtype=bool)
MASK[10:20, 10:20] = True
BAD = Truth(True, MASK, {"bolt": 1, "nut": 3})
GOOD = Truth(False, np.zeros((64, 64), dtype=bool), {"bolt": 2, "nut": 3})
AT, ELSEWHERE = (8.0, 8.0, 22.0, 22.0), (40.0, 40.0, 50.0, 50.0)


def evidence(part=None, found=None, topic=None, status="broken", box=AT):
    return SimpleNamespace(id="E1", part=part, facts={"found": found}, topic=topic, status=status, box=box)


PLACE = evidence(topic="patch", status=None)
BOLTS = evidence("bolt", 1, "count")
NO_NUT = evidence("nut", topic="presence")


def one(role, cited, truth, *, certain=True, anomalous=True):
    sentence = SimpleNamespace(text="", cites=("E1",), role=role, certain=certain)
    verdict = SimpleNamespace(anomalous=anomalous)
    return [j.true for j in judged(SimpleNamespace(explanation=[sentence], evidence=[cited], verdict=verdict), truth)]


@pytest.mark.parametrize(
    ("role", "cited", "truth", "holds"),
    [
        ("verdict", PLACE, BAD, True),
        ("verdict", PLACE, GOOD, False),
        ("finding", BOLTS, BAD, True),
        ("finding", BOLTS, GOOD, False),
        ("finding", NO_NUT, BAD, False),
        ("finding", PLACE, BAD, True),
        ("finding", PLACE, GOOD, False),
        ("finding", evidence("part A", topic="colour"), GOOD, False),
        ("fine", evidence("nut", 3, "count", "holds"), BAD, True),
        ("fine", evidence("bolt", 2, "count", "holds"), BAD, False),
        ("finding", evidence(topic="patch", box=ELSEWHERE), BAD, False),
    ],
)
def test_what_says_something_about_the_product_is_true_or_false(role, cited, truth, holds):
    assert one(role, cited, truth) == [holds]


def test_a_good_verdict_on_a_bad_part_is_false():
    assert one("verdict", PLACE, BAD, anomalous=False) == [False]


@pytest.mark.parametrize("role", ["verdict", "finding", "comparison", "limit", "settle", "cause", "advice"])
def test_what_is_only_possible_and_what_is_inferred_is_not_counted(role):
    assert one(role, BOLTS, GOOD, certain=False) == one(role, BOLTS, BAD, certain=False) == []
