"""What looks are worth is fitted given the first look, and how well scores are calibrated is measured and drawn."""

import numpy as np
import pytest

from agent import Inspector
from agent.calibration.maps import LookMap
from evals.datasets.world import open_world
from evals.fit.look_maps import Answered, fitted, overlaps, told_apart
from evals.metrics.calibration import bins, calibration_error, plot
from evals.studies.ablation import ROWS, Judgement, PhotoLine, measure, metrics_of, table
from evals.studies.yes_bias import PlaceAnswers, figures
from tools.types import Box, Region


def answers(news, seed=0, count=200):
    """Hypotheses of which the first look knows something and a second look something more, or nothing."""
    rng = np.random.default_rng(seed)
    right = rng.random(count) < 0.4
    known = rng.normal(right * 1.0, 1.0)
    answer = rng.normal(right * news, 1.0) + 3.0
    return [Answered("zoom", float(a), float(k), bool(r), 0.5) for a, k, r in zip(answer, known, right, strict=True)]


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


def line(number, label, score, false=()):
    said = Judgement(score=score, anomalous=score > 0.5, looks=1, seconds=2.0, true=1, false=false)
    return PhotoLine(category="a", id=str(number), label=label, rows={"glance only": said})


LINES = [
    line(0, "good", 0.1),
    line(1, "good", 0.2),
    line(2, "logical", 0.8),
    line(3, "structural", 0.9, false=("x", "y")),
]


def test_the_table_holds_a_line_for_each_way_to_judge():
    shown = list(table(LINES, ["glance only"]))
    assert len(shown) == 3
    assert shown[2].startswith("| glance only | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 |")
    figures = metrics_of(LINES, "glance only")
    assert figures["true_sentences"] == pytest.approx(4 / 6)
    assert (figures["looks_per_image"], figures["seconds_per_image"]) == (1.0, 2.0)


def test_an_ablation_that_was_stopped_goes_on_without_measuring_again(tmp_path):
    inspector = Inspector("nano", looks=1)
    categories = open_world(split="all", seed=5, per_category=2, categories=["metal"])
    first = measure(inspector, categories, 0, tmp_path)
    assert {name for x in first for name in x.rows} == {row.name for row in ROWS}
    assert all(x.rows["glance only"].looks == 0 for x in first)
    path = tmp_path / "photos.jsonl"
    kept = path.read_text().splitlines(keepends=True)
    path.write_text(kept[0] + kept[1][:40])
    again = measure(inspector, categories, 0, tmp_path)
    assert again[0] == first[0]
    assert [x.id for x in again] == [x.id for x in first]
    assert path.read_text().splitlines(keepends=True)[0] == kept[0]


def test_the_leaning_of_yes_and_no_is_seen_before_and_gone_after_it_is_taken_out():
    """A language model that says yes to everything still says more of it where there is a defect."""
    usual, news = 3.0, 1.0
    asked = [
        PlaceAnswers(good=n % 2 == 0, odds=(usual + (n % 2) * 2 * news - news,) * 2, usual=(usual,) * 2)
        for n in range(20)
    ]
    raw, debiased = (figures(asked, way) for way in ("two phrasings, raw", "two phrasings, debiased"))
    assert raw.yes_on_good == 1.0
    assert debiased.yes_on_good == 0.0
    assert debiased.ece < raw.ece
    assert raw.auroc == debiased.auroc == 1.0
