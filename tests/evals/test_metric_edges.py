"""Metrics where an edge decides: what mutation testing found no test for."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from evals.metrics.calibration import ece
from evals.metrics.region import Regions, TruthRegion


def test_bins_that_err_in_opposite_directions_do_not_cancel():
    stated = [0.9] * 10 + [1.0] * 10
    right = [True] * 10 + [True] * 9 + [False]
    assert ece(stated, right) == pytest.approx((1.0 + 1.0) / 20)


def test_pixels_at_the_very_top_of_the_scale_count_in_full():
    truth = np.zeros((4, 4), dtype=bool)
    truth[0, :3] = True
    values = np.where(truth, 1.0, 0.0).astype(np.float32)
    values[3, 3] = 1.0
    counted = Regions()
    counted.add(values, truth)
    assert counted.pixel_ap() == pytest.approx(average_precision_score(truth.ravel(), values.ravel()))
    assert counted.pixel_ap() == pytest.approx(0.75)


def test_precision_is_known_where_no_bad_pixel_is_near_the_top():
    truth = np.zeros((4, 4), dtype=bool)
    truth[0, 0] = True
    values = np.full((4, 4), 0.9, dtype=np.float32)
    values[0, 0] = 0.4
    counted = Regions()
    counted.add(values, truth)
    assert counted.pixel_ap() == pytest.approx(1 / 16)


def test_a_defect_is_covered_by_all_of_it_even_where_some_scores_nothing():
    truth = np.zeros((4, 4), dtype=bool)
    truth[0] = True
    values = np.zeros((4, 4), dtype=np.float32)
    values[0, :2] = 1.0
    counted = Regions()
    counted.add(values, truth, [TruthRegion(truth, saturation=100.0)])
    # Two of four pixels at no false positive; the other two come with everything else, at the rate of 1.
    assert counted.au_spro(0.5) == pytest.approx(0.5 + 0.5 * 0.25)
