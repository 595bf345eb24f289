"""The fit of the distance above which a photo does not show the product."""

from evals.fit.product_distance import MARGIN, ProductDistances, fitted


def test_no_good_photo_lies_above_the_limits_and_most_others_do():
    found = [
        ProductDistances((), (0.5, 0.6), (0.9, 1.0)),
        ProductDistances((0.5, 0.55), (0.6, 0.64), (0.85, 1.0)),
        ProductDistances((0.75, 0.8), (0.7, 0.9), (1.1, 1.2)),
    ]
    limits = fitted(found)
    assert all(MARGIN * max(d.good) <= limits.limit(d.references) + 0.01 for d in found)
    assert all(min(d.other) > limits.limit(d.references) for d in found)
    assert limits.least == 0.84
