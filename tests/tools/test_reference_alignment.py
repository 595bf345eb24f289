"""The counterpart of a place on the best matching reference: found again when moved, turned and scaled."""

import numpy as np
import pytest
from PIL import Image

from tools.describe import ReferenceAligner
from tools.images import sample_from_array
from tools.types import Box, Region


def product(colour=(60, 140, 60)):
    """A blue plate with one coloured corner and a light bar, on a dark table."""
    image = np.full((200, 240, 3), 25, np.uint8)
    image[60:140, 70:170] = (70, 90, 170)
    image[60:100, 70:110] = colour
    image[115:125, 120:165] = 220
    return image


def moved(image, degrees=0.0, scale=1.0, shift=(0, 0)):
    """The photo turned counter-clockwise about the product's middle, enlarged and shifted."""
    turned = Image.fromarray(image).rotate(
        degrees, Image.Resampling.BICUBIC, center=(120, 100), translate=shift, fillcolor=(25, 25, 25)
    )
    width, height = turned.size
    w, h = width / scale, height / scale
    x, y = (width - w) / 2, (height - h) / 2
    box = (x, y, x + w, y + h)
    return np.asarray(turned.resize((width, height), Image.Resampling.BICUBIC, box=box))


BAR = Region(Box(120, 115, 165, 125), 0.9)
CORNER = Region(Box(75, 65, 95, 85), 0.9)


def difference(photo, reference, alignment):
    whole = Box(0, 0, photo.size[0], photo.size[1])
    return np.abs(alignment.crop(reference, whole).astype(int) - photo.image)[50:150, 60:180].mean()


@pytest.mark.parametrize(
    ("degrees", "scale", "shift"), [(0, 1.0, (0, 0)), (0, 1.0, (17, -9)), (90, 1.0, (0, 0)), (-42, 1.12, (8, 5))]
)
def test_the_reference_is_laid_over_the_photo(degrees, scale, shift):
    photo = sample_from_array(product())
    reference = sample_from_array(moved(product(), degrees, scale, shift))
    alignment = ReferenceAligner([reference]).align(photo, CORNER)
    assert alignment.scale == pytest.approx(scale, rel=0.05)
    assert alignment.degrees == pytest.approx(-degrees, abs=4)
    assert difference(photo, reference, alignment) < 9
    assert alignment.likeness > 0.8


def test_the_best_matching_of_several_references_is_taken():
    photo = sample_from_array(product())
    others = [sample_from_array(product(colour=(200, 60, 60))), sample_from_array(moved(product(), 30))]
    assert ReferenceAligner(others).align(photo, CORNER).reference == 1


def test_the_region_itself_does_not_decide_the_alignment():
    stained = product()
    stained[65:85, 75:95] = 250
    reference = sample_from_array(moved(product(), shift=(6, 4)))
    alignment = ReferenceAligner([reference]).align(sample_from_array(stained), CORNER)
    crop = alignment.crop(reference, Box(75, 65, 95, 85))
    assert crop.shape == (20, 20, 3)
    assert np.abs(crop.astype(int) - (60, 140, 60)).mean() < 8


def test_a_product_that_fills_the_photo_is_shifted_alone():
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(90, 160, (30, 30, 3), dtype=np.uint8))
    cloth = np.asarray(coarse.resize((220, 220), Image.Resampling.BICUBIC))
    photo, reference = sample_from_array(cloth[10:210, 10:210].copy()), sample_from_array(cloth[4:204, 13:213].copy())
    alignment = ReferenceAligner([reference]).align(photo, Region(Box(90, 90, 110, 110), 0.9))
    x, y = alignment.shift.real, alignment.shift.imag
    assert (x, y) == (pytest.approx(-3, abs=1.5), pytest.approx(6, abs=1.5))
    assert alignment.degrees == 0


def test_without_references_there_is_no_counterpart():
    assert ReferenceAligner([]).align(sample_from_array(product()), BAR) is None
