"""Metrics where an edge decides: what mutation testing found no test for."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from evals.metrics.ece import ece
from evals.metrics.region import Regions


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
