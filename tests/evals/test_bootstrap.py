"""Counted metrics equal scikit-learn's; intervals hold what they promise; calibration is as defined."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.metrics import ranking_metrics
from evals.metrics.bootstrap import Scored, counted, draws, intervals, macro, resampled
from evals.metrics.calibration import ece

rows = st.lists(
    st.tuples(st.sampled_from(["good", "logical", "structural"]), st.integers(0, 4), st.booleans()),
    min_size=1,
    max_size=14,
)


def scored(found):
    labels, scores, decisions = zip(*found, strict=True)
    return Scored(np.array(labels), np.array(scores, dtype=float) / 4, np.array(decisions, dtype=bool))


@given(rows)
def test_counting_gives_what_scikit_learn_gives_with_ties_and_with_a_class_missing(found):
    ours = counted(scored(found))
    theirs = ranking_metrics([r[0] for r in found], [r[1] / 4 for r in found], [r[2] for r in found])
    theirs.pop("f1_max_threshold", None)
    assert ours == pytest.approx(theirs)


def test_resamples_keep_each_category_s_share_of_good_and_anomalous_images():
    found = {"a": scored([("good", 1, False)] * 3 + [("logical", 2, True)] * 2), "b": scored([("good", 0, False)])}
    drawn = draws(found, seed=4, resamples=20)
    assert [sorted(found["a"].labels[rows]) for rows in drawn["a"]] == [["good"] * 3 + ["logical"] * 2] * 20
    assert drawn["b"].tolist() == [[0]] * 20


@given(st.lists(rows, min_size=1, max_size=3), st.integers(0, 3))
def test_a_resample_has_the_figures_of_its_images_taken_alone(found, seed):
    group = {str(n): scored(each) for n, each in enumerate(found)}
    drawn, samples = draws(group, seed, resamples=3), resampled(group, seed, resamples=3)
    for resample in range(3):
        chosen = {name: drawn[name][resample] for name in group}
        alone = macro(
            {k: Scored(g.labels[chosen[k]], g.scores[chosen[k]], g.decisions[chosen[k]]) for k, g in group.items()}
        )
        told = {name: values[resample] for name, values in samples.items() if not np.isnan(values[resample])}
        assert told == pytest.approx(alone)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    """Scores of two normal distributions one apart: AUROC 0.76. 95 % intervals of 60 images hold it nearly always."""
    rng, held = np.random.default_rng(0), 0
    for seed in range(20):
        labels = np.array(["good"] * 30 + ["structural"] * 30)
        scores = np.concatenate([rng.normal(0, 1, 30), rng.normal(1, 1, 30)])
        group = {"a": Scored(labels, scores, scores > 0.5)}
        low, high = intervals({"image_auroc": resampled(group, seed)["image_auroc"]})["image_auroc"]
        held += low <= 0.7602 <= high
    assert held >= 17


def test_the_same_seed_draws_the_same():
    group = {"a": scored([("good", 1, False), ("good", 3, True), ("logical", 2, True), ("logical", 4, True)])}
    first, second = resampled(group, 1), resampled(group, 1)
    assert (first["image_auroc"] == second["image_auroc"]).all()
    assert (first["image_auroc"] != resampled(group, 2)["image_auroc"]).any()
    assert macro(group)["image_auroc"] == counted(group["a"])["image_auroc"]


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=20))
def test_calibration_error_is_the_weighted_gap_of_the_bins(found):
    bins = {}
    for stated, right in found:
        place = next(n for n in range(15) if stated / 20 <= (n + 1) / 15 + 1e-12)
        bins.setdefault(place, []).append((stated / 20, right))
    expected = sum(
        len(b) / len(found) * abs(np.mean([r for _, r in b]) - np.mean([s for s, _ in b])) for b in bins.values()
    )
    assert ece([s / 20 for s, _ in found], [r for _, r in found]) == pytest.approx(expected, abs=1e-9)
