"""Pasted defects change a photo in one small place, and the same seed gives the same photo."""

import numpy as np

from evals.fit.pasted_defects import paste_defect
from nano.world import render


def test_a_pasted_defect_is_small_local_and_repeatable():
    image = render("wood", seed=3, index=0).image
    shares = []
    for seed in range(24):
        pasted = paste_defect(image, np.random.default_rng(seed))
        assert pasted.shape == image.shape and pasted.dtype == np.uint8
        assert (pasted == paste_defect(image, np.random.default_rng(seed))).all()
        changed = np.abs(pasted.astype(int) - image).max(axis=2) > 12
        shares.append(changed.mean())
    assert sum(share > 0 for share in shares) >= 22
    assert max(shares) < 0.1
