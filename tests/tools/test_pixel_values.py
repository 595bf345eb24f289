"""Photos of more than 8 bits: read to the range of their product, whatever single pixels hold."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.tools.deep_photos import png_of_16_bits
from tools.errors import InputError
from tools.images import in_range, load_sample, range_of, sample_from_picture
from tools.pixel_values import PixelValues, common_range

CHANCE = np.random.default_rng(3)
GREY = CHANCE.integers(20, 230, (48, 64)).astype(np.uint8)
COLOUR = CHANCE.integers(20, 230, (48, 64, 3)).astype(np.uint8)


def png(path, values):
    path.write_bytes(png_of_16_bits(values))
    return load_sample(path)


def tif(path, values, **options):
    tifffile.imwrite(path, values, **options)
    return load_sample(path)


def off(sample, eight_bits):
    """The largest difference from a photo of 8 bits, in grey levels."""
    shown = eight_bits if eight_bits.ndim == 3 else np.repeat(eight_bits[..., None], 3, axis=2)
    return int(np.abs(sample.image.astype(int) - shown).max())


@pytest.mark.parametrize("scale", [4, 16, 64, 256, 257])
@pytest.mark.parametrize("photo", [GREY, COLOUR])
def test_a_photo_looks_the_same_in_8_bits_and_in_any_depth_of_a_16_bit_file(tmp_path, photo, scale):
    assert off(png(tmp_path / "deep.png", photo.astype(np.uint16) * scale), photo) <= 1


def test_twelve_bit_colour_in_a_tiff_keeps_all_levels(tmp_path):
    deep = COLOUR.astype(np.uint16) * 16
    for name, options in {"plain": {}, "big": {"byteorder": ">"}, "packed": {"compression": "zlib"}}.items():
        assert off(tif(tmp_path / f"{name}.tif", deep, photometric="rgb", **options), COLOUR) <= 1, name


def test_hot_pixels_and_overshoot_leave_the_other_pixels_as_they_are(tmp_path):
    deep, fractions = GREY.astype(np.uint16) * 16, (GREY / 255).astype(np.float32)
    plain = png(tmp_path / "plain.png", deep).image
    deep[:2, :5], fractions[:2, :5] = 4200, 37.0
    assert np.array_equal(png(tmp_path / "hot.png", deep).image[2:], plain[2:])
    assert off(tif(tmp_path / "hot.tif", fractions), GREY) > 0
    assert np.array_equal(load_sample(tmp_path / "hot.tif").image[2:, :, 0], GREY[2:])
    assert off(tif(tmp_path / "over.tif", (GREY / 255 * 1.12).astype(np.float32)), np.clip(GREY * 1.12, 0, 255)) <= 1


def test_min_is_white_is_shown_as_it_is_meant(tmp_path):
    low_is_white = (4080 - GREY.astype(np.uint16) * 16).astype(np.uint16)
    sample = in_range(tif(tmp_path / "x.tif", low_is_white, photometric="miniswhite"), (0, 4080))
    assert off(sample, GREY) <= 1


def test_grey_with_alpha_of_16_bits_keeps_all_levels_and_is_laid_on_white(tmp_path):
    alpha = np.full(GREY.shape, 65535, np.uint16)
    alpha[:8] = 0
    image = png(tmp_path / "x.png", np.dstack([GREY.astype(np.uint16) * 16, alpha])).image
    assert (image[:8] == 255).all()
    assert np.abs(image[8:, :, 0].astype(int) - GREY[8:]).max() <= 1


def test_photos_of_one_product_share_the_range_of_the_references(tmp_path):
    references = [png(tmp_path / f"{n}.png", GREY.astype(np.uint16) * (4 + n)) for n in range(4)]
    dark = png(tmp_path / "dark.png", GREY.astype(np.uint16) * 3)
    shared = range_of(references)
    assert [r.value_range for r in (dark, references[3])] == [(0, 1023), (0, 4095)]
    assert shared == (0, 4095)
    scaled = [in_range(sample, shared) for sample in (*references, dark)]
    assert {sample.value_range for sample in scaled} == {shared}
    assert scaled[0].values is None
    assert range_of(scaled) == shared
    ratio = scaled[4].image.astype(float).mean() / scaled[0].image.mean()
    assert ratio == pytest.approx(3 / 4, abs=0.02)


def test_a_photo_that_uses_its_range_unlike_the_references_says_so(tmp_path):
    deep = GREY.astype(np.uint16) * 16
    references = [in_range(png(tmp_path / f"{n}.png", deep + n), (0, 4095)) for n in range(2)]
    like = in_range(png(tmp_path / "like.png", deep * 7 // 10), (0, 4095), references)
    other = in_range(png(tmp_path / "other.png", deep // 16), (0, 4095), references)
    brighter = in_range(png(tmp_path / "more.png", deep * 4), (0, 4095), references)
    floats = in_range(tif(tmp_path / "x.tif", (GREY / 255).astype(np.float32)), (0, 4095), references)
    assert like.notes == ()
    assert "0 to 255" in other.notes[0]
    assert "unlike the references' (0 to 4095)" in brighter.notes[0]
    assert "fractions of one" in floats.notes[0]
    assert off(floats, GREY) <= 1


def test_a_photo_of_8_bits_has_no_range_and_stays_as_it_is(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "x.png")
    sample = load_sample(tmp_path / "x.png")
    assert sample.values is None
    assert in_range(sample, (0, 4095)) is sample
    assert range_of([sample]) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.linspace(0, 3000, 900).astype(np.uint16), (0, 4095)),
        (np.linspace(0, 300, 900).astype(np.int16), (0, 1023)),
        (np.linspace(-0.9, 0.9, 900, dtype=np.float32), (-1, 1)),
        (np.linspace(0, 255, 900, dtype=np.float32), (0, 255)),
        (np.arange(900, dtype=np.uint16) % 50 * 257, (0, 65535)),
    ],
)
def test_the_range_is_a_bit_depth_or_that_of_fractions(values, expected):
    assert common_range([PixelValues(values.reshape(30, 30))]) == expected


def test_values_beyond_16_bits_take_what_most_pixels_span():
    low, high = common_range([PixelValues(np.linspace(-500, 90_000, 10_000).reshape(100, 100))])
    assert -15_000 < low < -500
    assert 90_000 < high < 110_000


def test_a_lazy_picture_of_16_bit_colours_keeps_all_levels(tmp_path):
    (tmp_path / "x.png").write_bytes(png_of_16_bits(COLOUR.astype(np.uint16) * 16))
    with Image.open(tmp_path / "x.png") as picture:
        assert off(sample_from_picture(picture), COLOUR) <= 1


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        (GREY.astype(np.float64), {}, "a TIFF of 1 band of 64-bit floats"),
        (np.zeros((32, 32, 5), np.uint8), {"planarconfig": "contig", "photometric": "minisblack"}, "5 bands of 8-bit"),
        (np.moveaxis(COLOUR, 2, 0).astype(np.uint16), {"planarconfig": "separate", "photometric": "rgb"}, "planar"),
        (np.where(GREY > 200, np.nan, GREY).astype(np.float32), {}, "32-bit floats, "),
    ],
)
def test_a_tiff_that_is_not_read_is_refused_by_its_trait(tmp_path, values, options, said):
    with pytest.raises(InputError, match=r"x\.tif: is a TIFF") as caught:
        tif(tmp_path / "x.tif", values, **options)
    assert said in str(caught.value)
