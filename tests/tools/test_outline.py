"""What is computed inside a mask's box is what scipy computes on the whole photo."""

import numpy as np
import pytest
from scipy import ndimage

from tools.parts.masks import filled, grown, mean_along, shared, shrunk


def masks():
    rng = np.random.default_rng(0)
    noise = [ndimage.gaussian_filter(rng.normal(size=(40, 56)), 2) > level for level in (-0.05, 0.0, 0.05)]
    ring = np.zeros((40, 56), bool)
    ring[5:20, 7:30] = True
    ring[8:15, 10:20] = False
    corner = np.zeros((40, 56), bool)
    corner[:6, 50:] = True
    return [*noise, ring, corner, np.ones((40, 56), bool), np.zeros((40, 56), bool)]


@pytest.mark.parametrize("mask", masks())
def test_masks_are_filled_grown_and_shrunk_as_on_the_whole_photo(mask):
    before = mask.copy()
    assert (filled(mask) == ndimage.binary_fill_holes(mask)).all()
    assert (filled(mask, corners=True) == ndimage.binary_fill_holes(mask, np.ones((3, 3)))).all()
    assert (grown(mask) == ndimage.binary_dilation(mask)).all()
    assert (shrunk(mask) == ndimage.binary_erosion(mask)).all()
    assert (mask == before).all()


@pytest.mark.parametrize("mask", masks())
def test_the_mean_along_an_outline_is_that_of_its_outer_pixels(mask):
    values = np.random.default_rng(1).random((40, 56), dtype=np.float32)
    outline = ndimage.binary_dilation(mask) & ~mask
    assert mean_along(mask, values) == (float(values[outline].mean()) if outline.any() else 0.0)


def test_shared_pixels_are_counted_exactly_whatever_the_photos_size():
    for height, width in ((40, 56), (7, 9), (1, 3)):
        some = np.random.default_rng(2).random((5, height, width)) > 0.5
        flat = some.reshape(5, -1).astype(int)
        assert (shared(some) == flat @ flat.T).all()
