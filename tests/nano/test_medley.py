"""Medleys: the same by number, each defect shown where its mask says, and good ones free of any."""

import numpy as np
import pytest

from nano.world.medley import medley, photo

NUMBERS = (3, 7, 11)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_gives_the_same_product_and_the_same_photos(number):
    assert medley(number) == medley(number)
    assert np.array_equal(photo(medley(number), 2).image, photo(medley(number), 2).image)
    assert not np.array_equal(photo(medley(number), 2).image, photo(medley(number), 3).image)


@pytest.mark.parametrize("number", NUMBERS)
def test_good_photos_have_an_empty_mask(number):
    shot = photo(medley(number), 0)
    assert shot.image.shape == (160, 160, 3)
    assert not shot.mask.any()


@pytest.mark.parametrize("number", NUMBERS)
def test_a_photo_knows_the_parts_that_its_product_has(number):
    product = medley(number)
    nouns = [part.noun for part in photo(product, 1).parts if part.noun != "panel"]
    assert set(nouns) <= {sort.form for sort in product.sorts}
    assert 0 < len(nouns) <= sum(product.counts)


@pytest.mark.parametrize("number", NUMBERS)
def test_every_defect_changes_the_photo_most_where_its_mask_lies(number):
    product = medley(number)
    for defect in product.family.defects:
        good, bad = photo(product, 1), photo(product, 1, defect=defect)
        assert bad.mask.any(), defect
        changed = np.abs(good.image.astype(int) - bad.image).sum(axis=2)
        assert changed[bad.mask].mean() > 3 * changed[~bad.mask].mean(), defect
