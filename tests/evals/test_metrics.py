"""Metrics agree with brute force, also with ties and with a class missing."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.metrics import Regions, TruthRegion, pixel_auroc, ranking_metrics
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
    found, threshold = f1_max(truth, score)
    called = score >= threshold
    assert found == pytest.approx(best)
    assert 2 * (called & truth).sum() / (called.sum() + truth.sum()) == pytest.approx(best)


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


def blobs(seed, count=4, size=(24, 30)):
    """Random maps at 256 levels and truths of one or two squares each; the first photo is good."""
    rng = np.random.default_rng(seed)
    photos = []
    for number in range(count):
        truth = np.zeros(size, dtype=bool)
        if number:
            truth[2:6, 3:9] = True
            truth[15:20, 20:24] = number % 2 == 0
        values = np.rint(255 * np.clip(rng.random(size) * 0.7 + 0.3 * truth, 0, 1)) / 255
        photos.append((values.astype(np.float32), truth))
    return photos


def by_sweep(photos, limit, saturations=None):
    """Overlap against the false-positive rate at every threshold, by its definition, integrated to the limit."""
    from scipy.ndimage import label

    thresholds = np.unique(np.concatenate([values.ravel() for values, _ in photos]))[::-1]
    good = sum((~truth).sum() for _, truth in photos)
    rates, overlaps = [0.0], [0.0]
    for threshold in thresholds:
        wrong, found = 0, []
        for n, (values, truth) in enumerate(photos):
            called = values >= threshold
            wrong += (called & ~truth).sum()
            parts, count = label(truth, np.ones((3, 3)))
            for part in range(1, count + 1) if saturations is None else ():
                found.append(called[parts == part].mean())
            if saturations is not None and truth.any():
                found.append(min((called & truth).sum() / min(saturations[n], truth.sum()), 1))
        rates.append(wrong / good)
        overlaps.append(np.mean(found))
    rates, overlaps = np.array(rates), np.array(overlaps)
    xs = np.linspace(0, limit, 200_001)
    return np.trapezoid(np.interp(xs, rates, overlaps), xs) / limit


@pytest.mark.parametrize("seed", range(3))
def test_aupro_is_the_mean_coverage_of_components_up_to_the_limit(seed):
    photos = blobs(seed)
    counted = Regions(256)
    for values, truth in photos:
        counted.add(values, truth)
    assert counted.aupro() == pytest.approx(by_sweep(photos, 0.3), abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_au_spro_saturates_where_the_data_set_says_and_never_above_the_area(seed):
    photos = blobs(seed)
    saturations = [0, 5, 1e6, 12]
    counted = Regions(256)
    for (values, truth), saturation in zip(photos, saturations, strict=True):
        counted.add(values, truth, [TruthRegion(truth, saturation)] if truth.any() else [])
    assert counted.au_spro() == pytest.approx(by_sweep(photos, 0.05, saturations), abs=1e-4)


def test_a_map_that_is_the_truth_has_every_region_metric_at_one_and_an_empty_one_at_its_floor():
    photos = blobs(0)
    perfect, flat = Regions(), Regions()
    for _, truth in photos:
        regions = [TruthRegion(truth, 4)] if truth.any() else []
        perfect.add(truth.astype(np.float32), truth, regions)
        flat.add(np.full(truth.shape, 0.5, np.float32), truth, regions)
    assert (perfect.pixel_auroc(), perfect.aupro(), perfect.au_spro()) == (1.0, 1.0, 1.0)
    assert flat.pixel_auroc() == 0.5
    # One step from (0, 0) to (1, 1): the straight line's area up to the limit, over the limit.
    assert flat.aupro() == pytest.approx(0.15)
    assert flat.au_spro() == pytest.approx(0.025)


def test_counted_pixels_give_the_auroc_of_all_pixels():
    photos = blobs(1)
    truth, score = (np.concatenate([p[n].ravel() for p in photos]) for n in (1, 0))
    assert pixel_auroc([t for _, t in photos], [v for v, _ in photos]) == pytest.approx(auroc(truth, score), abs=1e-9)


def test_counted_pixels_give_the_average_precision_of_all_pixels():
    from sklearn.metrics import average_precision_score

    photos = blobs(2)
    counted = Regions(256)
    for values, truth in photos:
        counted.add(values, truth)
    truth, score = (np.concatenate([p[n].ravel() for p in photos]) for n in (1, 0))
    assert counted.pixel_ap() == pytest.approx(average_precision_score(truth, score), abs=1e-9)


def test_regions_without_a_defect_say_nothing_and_a_map_of_another_size_is_refused():
    counted = Regions()
    counted.add(np.zeros((4, 4), np.float32), np.zeros((4, 4), bool))
    assert (counted.pixel_auroc(), counted.pixel_ap(), counted.aupro(), counted.au_spro()) == (None,) * 4
    with pytest.raises(ValueError, match="cannot be held against"):
        counted.add(np.zeros((4, 5), np.float32), np.zeros((4, 4), bool))


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
            f1 = metrics[f"f1_max{ours}"]
            assert 100 * f1 == pytest.approx(expected[theirs.replace("auroc", "f1_max")], abs=0.3), category
