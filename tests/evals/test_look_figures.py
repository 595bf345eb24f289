"""What looks are worth is fitted given the first look, and how well scores are calibrated is measured and drawn."""

import numpy as np
import pytest

from agent.calibrate import LookMap
from evals.ablation import Seen, YesNo, table
from evals.looks import Answered, fitted, overlaps, told_apart
from evals.reliability import bins, calibration_error, plot
from evals.sentences import Judged
from tools.types import Box, Region


def answers(news, seed=0, count=200):
    """Hypotheses of which the first look knows something and a second look something more, or nothing."""
    rng = np.random.default_rng(seed)
    right = rng.random(count) < 0.4
    known = rng.normal(right * 1.0, 1.0)
    answer = rng.normal(right * news, 1.0) + 3.0
    return [
        Answered("zoom", float(a), float(k), bool(r), 0.5) for a, k, r in zip(answer, known, right, strict=True)
    ]  # fmt: skip


def test_a_look_that_tells_more_is_worth_more_and_is_right_more_often():
    little, much = fitted(answers(0.5), 3.0), fitted(answers(2.0), 3.0)
    assert much.sure > little.sure > 0.5
    assert much.gain > little.gain > 0
    assert much.llr(5.0) > much.llr(3.9) > much.llr(3.0)
    assert much.seconds == pytest.approx(0.5)


def test_a_look_that_repeats_what_is_known_is_worth_next_to_nothing():
    repeated = [Answered("zoom", a.llr, a.llr, a.right, 0.5) for a in answers(2.0)]
    assert fitted(repeated, 3.0).sure < 0.62 < fitted(answers(2.0), 3.0).sure


def test_a_look_of_which_too_little_was_seen_is_never_taken():
    assert fitted(answers(2.0)[:6], 3.0).gain == 0.0


def test_answers_are_compared_among_what_the_first_look_could_not_tell_apart():
    x, known = np.array([1.0, 0.0, 5.0]), np.array([0.0, 0.1, 9.0])
    assert told_apart(x, known, np.array([True, False, False])) == 1.0
    assert told_apart(x[:1], known[:1], np.array([True])) == 0.5


def test_no_answer_is_worth_more_than_the_limit():
    assert LookMap(slope=9.0, limit=2.0).llr(100.0) < 2.0


def test_a_place_is_right_where_it_covers_the_damage():
    truth = np.zeros((64, 64), dtype=bool)
    truth[10:20, 10:20] = True
    mask = np.zeros_like(truth)
    mask[12:18, 12:18] = True
    assert overlaps(Region(Box(12, 12, 18, 18), 0.5, mask), truth)
    assert not overlaps(Region(Box(40, 40, 50, 50), 0.5, np.roll(mask, 28, (0, 1))), truth)


def test_calibration_error_is_the_distance_of_what_was_said_from_what_happened():
    assert calibration_error([0.9] * 10, [True] * 9 + [False]) == pytest.approx(0.0)
    assert calibration_error([0.9] * 10, [False] * 10) == pytest.approx(0.9)
    assert plot({"one": bins([0.1, 0.9], [False, True])}).count("<circle") == 2


def test_the_table_holds_a_line_for_each_way_to_judge():
    seen = Seen(["a"] * 4, ["good", "good", "logical", "structural"], [0.1, 0.2, 0.8, 0.9], [False, False, True, True])
    seen.sentences = [Judged("x", True), Judged("y", False)]
    lines = list(table({"glance only": seen}))
    assert len(lines) == 3
    assert lines[2].startswith("| glance only | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 |")
    assert seen.metrics()["true_sentences"] == 0.5


def test_yes_and_no_are_ranked_before_and_after_their_leaning_is_taken_out():
    said = YesNo([0.9, 0.8, 0.9, 0.7], [0.5, 0.8, 0.4, 0.9], [False, True, False, True])
    assert "raw: AUROC 0.000" in said.line()
    assert "debiased: AUROC 1.000" in said.line()
