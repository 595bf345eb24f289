"""Sentences are held against the truth: what is asserted can be false, what is told as a reading cannot."""

from types import SimpleNamespace

import numpy as np
import pytest

from evals.run.ground_truth import Truth, judged

MASK = np.zeros((64, 64), dtype=bool)
MASK[10:20, 10:20] = True
BAD = Truth(True, MASK, {"bolt": 1, "nut": 3})
GOOD = Truth(False, np.zeros((64, 64), dtype=bool), {"bolt": 2, "nut": 3})
AT, ELSEWHERE = (8.0, 8.0, 22.0, 22.0), (40.0, 40.0, 50.0, 50.0)


def one(text, truth, box=AT):
    report = SimpleNamespace(
        explanation=[SimpleNamespace(text=text, cites=("E1",))], evidence=[SimpleNamespace(id="E1", box=box)]
    )
    return [j.true for j in judged(report, truth)]


@pytest.mark.parametrize(
    ("text", "truth", "holds"),
    [
        ("Anomalous, 0.95 (sure).", BAD, True),
        ("Anomalous, 0.95 (sure).", GOOD, False),
        ("Good, anomaly score 0.05 (sure).", BAD, False),
        ("1 of the part 'bolt' found where 2 belong. Place: centre.", BAD, True),
        ("1 of the part 'bolt' found where 2 belong. Place: centre.", GOOD, False),
        ("The part 'nut' was not found.", BAD, False),
        ("As on the good ones by measurement: 3 nut and bolt in place.", BAD, True),
        ("As on the good ones by measurement: 2 bolt, 3 nut, and further rules (4).", BAD, False),
        ("A region of 14 x 14 px, upper left, stands out: 4.0 above the damage tracer's usual.", BAD, True),
        ("A region of 14 x 14 px, upper left, stands out: 4.0 above the damage tracer's usual.", GOOD, False),
        ("A part 'part A' is red where the good ones are blue.", GOOD, False),
    ],
)
def test_what_says_something_about_the_product_is_true_or_false(text, truth, holds):
    assert one(text, truth) == [holds]


def test_a_place_that_is_not_the_defects_is_false():
    assert one("A region of 10 x 10 px, centre, stands out: 4.0 above the usual.", BAD, ELSEWHERE) == [False]


@pytest.mark.parametrize(
    "text",
    [
        "Probably anomalous, 0.79.",
        "Unsure, 0.58: what was measured does not decide between good and anomalous.",
        "'bolt': the part finder counts 4, expected 2; it is not sure of that.",
        "Measured, but not sure: no bolt (centre).",
        "A region of 9 x 9 px, centre, stands out slightly: 1.9 above the usual.",
        "*Likely cause (inferred):* a part was left out.",
        "What would settle it: 4 more good photos.",
    ],
)
def test_a_reading_and_an_inference_are_not_counted(text):
    assert one(text, GOOD) == one(text, BAD) == []
