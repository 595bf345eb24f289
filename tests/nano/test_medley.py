"""Medleys: the same by number, each defect shown where its mask says, and good ones free of any."""

import numpy as np
import pytest

from nano.world.medley import medley, photo

NUMBERS = (3, 7, 11)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_gives_the_same_product_and_the_same_photos(number):
    assert medley(number) == medley(number)
    assert np.array_equal(photo(medley(number), 2)[0], photo(medley(number), 2)[0])
    assert not np.array_equal(photo(medley(number), 2)[0], photo(medley(number), 3)[0])


def test_another_take_shows_the_same_parts_in_another_light():
    product = medley(5)
    (first, _), (again, mask), (other, _) = photo(product, 4), photo(product, 4, take=1), photo(product, 4, take=2)
    assert not mask.any()
    assert not np.array_equal(first, again)
    assert not np.array_equal(again, other)


@pytest.mark.parametrize("number", NUMBERS)
def test_good_photos_have_an_empty_mask(number):
    image, mask = photo(medley(number), 0)
    assert image.shape == (160, 160, 3)
    assert not mask.any()


@pytest.mark.parametrize("number", NUMBERS)
def test_every_defect_changes_the_photo_most_where_its_mask_lies(number):
    product = medley(number)
    for defect in product.family.defects:
        (good, _), (bad, mask) = photo(product, 1), photo(product, 1, defect=defect)
        assert mask.any(), defect
        changed = np.abs(good.astype(int) - bad).sum(axis=2)
        assert changed[mask].mean() > 3 * changed[~mask].mean(), defect
