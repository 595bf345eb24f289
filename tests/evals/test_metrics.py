"""Metrics agree with brute force, also with ties and with a class missing."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.metrics import pixel_auroc, ranking_metrics
from evals.metrics.ranking import auroc, f1_max

cases = st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=2, max_size=12).filter(
    lambda rows: len({anomalous for anomalous, _ in rows}) == 2
)


@given(cases)
def test_auroc_is_the_share_of_pairs_in_order_and_ties_count_half(rows):
    truth = np.array([a for a, _ in rows])
    score = np.array([s for _, s in rows], dtype=float)
    pairs = [(b > g) + 0.5 * (b == g) for b in score[truth] for g in score[~truth]]
    assert auroc(truth, score) == pytest.approx(np.mean(pairs))


@given(cases)
def test_f1_max_is_the_best_over_all_thresholds(rows):
    truth = np.array([a for a, _ in rows])
    score = np.array([s for _, s in rows], dtype=float)
    best = 0.0
    for threshold in np.unique(score):
        called = score >= threshold
        best = max(best, 2 * (called & truth).sum() / (called.sum() + truth.sum()))
    assert f1_max(truth, score) == pytest.approx(best)


def test_logical_and_structural_are_ranked_against_the_good_alone():
    labels = ["good", "good", "logical", "structural"]
    metrics = ranking_metrics(labels, [0.1, 0.6, 0.9, 0.5], [False, True, True, False])
    assert metrics["image_auroc_logical"] == 1.0
    assert metrics["image_auroc_structural"] == 0.5
    assert metrics["image_auroc"] == 0.75
    assert (metrics["accuracy"], metrics["precision"], metrics["recall"]) == (0.5, 0.5, 0.5)


def test_with_one_class_only_the_accuracy_is_defined():
    assert ranking_metrics(["good", "good"], [0.1, 0.2], [False, True]) == {"accuracy": 0.5}


def test_pixels_need_both_classes():
    nothing = np.zeros((2, 2), dtype=bool)
    assert pixel_auroc([nothing], [np.zeros((2, 2), dtype=np.float32)]) is None
    half = np.array([[True, False]])
    assert pixel_auroc([half], [np.array([[0.9, 0.1]], dtype=np.float32)]) == 1.0


@pytest.mark.data
def test_published_scores_give_back_the_published_auroc():
    """Per-image scores of a LogSAD re-run (MVTec LOCO, 4 shots) and what its own code reported."""
    root = os.environ.get("LOOKTWICE_DATA")
    if not root or not (Path(root) / "annotations" / "logsad_4shot_scores.csv").exists():
        pytest.skip("set LOOKTWICE_DATA to the folder that holds annotations/logsad_4shot_scores.csv")
    folder = Path(root) / "annotations"
    published = json.loads((folder / "logsad_4shot_metrics.json").read_text())
    rows = list(csv.DictReader((folder / "logsad_4shot_scores.csv").open()))
    for category, expected in published.items():
        own = [row for row in rows if row["category"] == category]
        labels = [row["label"].removesuffix("_anomalies") for row in own]
        scores = [float(row["score"]) for row in own]
        metrics = ranking_metrics(labels, scores, [False] * len(own))
        for ours, theirs in (("", "auroc"), ("_logical", "auroc_logical"), ("_structural", "auroc_structural")):
            assert 100 * metrics[f"image_auroc{ours}"] == pytest.approx(expected[theirs], abs=0.3), category
        assert 100 * metrics["f1_max"] == pytest.approx(expected["f1_max"], abs=0.3), category
