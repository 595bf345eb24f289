"""Masks as people write them are read as they are meant: each variant of one mask gives that mask."""

import logging

import numpy as np
import pytest
from PIL import Image

from evals.datasets import masks as masks_module
from evals.datasets import open_benchmark
from evals.datasets.masks import fitted_mask, masks_of, thresholded
from tools.errors import InputError
from tools.images import load_sample, sample_from_array

WIDTH, HEIGHT = 96, 64
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]
TRUE = ((COLUMNS - 60) ** 2 + (ROWS - 24) ** 2 < 14**2) | ((abs(COLUMNS - 20) < 9) & (abs(ROWS - 45) < 2))
GREY = Image.fromarray(TRUE.astype(np.uint8) * 255)
PHOTO = sample_from_array(np.full((HEIGHT, WIDTH, 3), 90, np.uint8))


def iou(found):
    return (found & TRUE).sum() / (found | TRUE).sum()


def clear(colour, alpha=TRUE):
    """RGBA of one colour with the mask as its alpha."""
    return Image.fromarray(np.dstack([np.full((HEIGHT, WIDTH, 3), colour), alpha * 255]).astype(np.uint8))


def palette(colours, indices=TRUE):
    picture = Image.fromarray(indices.astype(np.uint8), "P")
    picture.putpalette([value for colour in colours for value in colour])
    return picture


EXACT = {
    "grey": GREY,
    "zero and one": Image.fromarray(TRUE.astype(np.uint8)),
    "bilevel": GREY.convert("1"),
    "16 bits": Image.fromarray(TRUE.astype(np.uint16) * 65535),
    "quantised": GREY.quantize(2),
    "quantised by colour": GREY.convert("RGB").quantize(8),
    "adaptive palette": GREY.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE),
    "palette, white first": palette([(255, 255, 255), (0, 0, 0)], ~TRUE),
    "palette, defect dark red": palette([(0, 0, 0), (60, 0, 0)]),
    "palette, all black": palette([(0, 0, 0), (0, 0, 0)]),
    "palette, coloured ground": palette([(255, 255, 255), (200, 0, 0)]),
    "colour": Image.fromarray(TRUE[..., None] * np.array([200, 30, 60], np.uint8)),
    "black on clear": clear(0),
    "white on clear": clear(255),
    "grey, alpha 0 everywhere": Image.merge("LA", [GREY, Image.new("L", GREY.size, 0)]),
    "two classes": Image.fromarray(np.where(TRUE, np.where(COLUMNS < 40, 40, 250), 0).astype(np.uint8)),
    "class numbers": Image.fromarray(np.where(TRUE, np.where(COLUMNS < 60, 1, 2), 0).astype(np.uint8)),
}


@pytest.mark.parametrize("name", EXACT)
def test_a_mask_is_the_same_in_every_way_of_writing_it(tmp_path, name):
    EXACT[name].save(tmp_path / "mask.png")
    assert np.array_equal(fitted_mask(tmp_path / "mask.png", PHOTO), TRUE)


@pytest.mark.parametrize("ending", ["bmp", "tif", "PNG", "gif", "pgm"])
def test_a_mask_is_read_in_any_format(tmp_path, ending):
    GREY.save(tmp_path / f"mask.{ending}")
    assert np.array_equal(fitted_mask(tmp_path / f"mask.{ending}", PHOTO), TRUE)


def test_a_float_mask_of_fractions_is_read(tmp_path):
    Image.fromarray(TRUE.astype(np.float32)).save(tmp_path / "mask.tif")
    assert np.array_equal(fitted_mask(tmp_path / "mask.tif", PHOTO), TRUE)


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_a_jpeg_mask_is_cut_at_half_of_its_maximum(tmp_path, quality):
    GREY.save(tmp_path / "mask.jpg", quality=quality)
    assert iou(fitted_mask(tmp_path / "mask.jpg", PHOTO)) > 0.94
    Image.open(tmp_path / "mask.jpg").save(tmp_path / "again.png")
    assert iou(fitted_mask(tmp_path / "again.png", PHOTO)) > 0.94


@pytest.mark.parametrize("size", [(192, 128), (48, 32), (70, 47), (400, 267)])
@pytest.mark.parametrize("resampling", [Image.Resampling.BILINEAR, Image.Resampling.LANCZOS, Image.Resampling.NEAREST])
def test_a_resized_mask_is_scaled_to_its_photo(tmp_path, size, resampling):
    GREY.resize(size, resampling).save(tmp_path / "mask.png")
    assert iou(fitted_mask(tmp_path / "mask.png", PHOTO)) > (0.85 if size[0] < WIDTH else 0.95)


def test_an_anti_aliased_mask_is_cut_at_half_and_a_blurred_one_too(tmp_path):
    soft = GREY.resize((960, 640)).resize((WIDTH, HEIGHT), Image.Resampling.BOX)
    values = np.asarray(soft).astype(np.int32)
    assert iou(thresholded(values)) > 0.95


def test_a_mask_of_another_shape_is_refused(tmp_path):
    GREY.resize((64, 64)).save(tmp_path / "mask.png")
    with pytest.raises(InputError, match="is 64 x 64 pixels, its photo 96 x 64, which is another shape"):
        fitted_mask(tmp_path / "mask.png", PHOTO)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("stated", [True, False])
def test_a_mask_on_the_stored_pixels_is_turned_as_its_photo(tmp_path, orientation, stated, caplog):
    masks_module._told.clear()
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.where(TRUE, 200, 90).astype(np.uint8)).convert("RGB")
    stored.save(tmp_path / "photo.png", exif=exif)
    GREY.save(tmp_path / "mask.png", **({"exif": exif} if stated else {}))
    sample = load_sample(tmp_path / "photo.png")
    with caplog.at_level(logging.WARNING, logger="looktwice"):
        found = fitted_mask(tmp_path / "mask.png", sample)
    assert np.array_equal(found, sample.image[..., 0] == 200)
    assert bool(caplog.records) == (orientation != 1 and not stated)


def test_a_mask_with_the_shape_of_the_upright_photo_alone_is_not_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(TRUE).astype(np.uint8) * 100).convert("RGB").save(tmp_path / "photo.png", exif=exif)
    GREY.save(tmp_path / "mask.png")
    sample = load_sample(tmp_path / "photo.png")
    assert np.array_equal(fitted_mask(tmp_path / "mask.png", sample), sample.image[..., 0] == 100)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["a.png", "b.png"], ["a.png"]),
        (["a_mask.TIF", "ab_mask.png"], ["a_mask.TIF"]),
        (["A-GT.bmp"], ["A-GT.bmp"]),
        (["a_0.png", "a_1.png", "a_2.png"], ["a_0.png", "a_1.png"]),
        (["a_mask_1.png", "a_mask2.png"], ["a_mask2.png", "a_mask_1.png"]),
        (["a/000.png", "a/001.PNG"], ["a/000.png", "a/001.PNG"]),
        (["a.txt", "ab.png"], []),
    ],
)
def test_the_masks_of_a_photo_are_found_by_its_name(tmp_path, files, expected):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = masks_of(tmp_path / "a.jpg", [tmp_path / "none", tmp_path], {"a", "b", "a_2"})
    assert sorted(p.relative_to(tmp_path).as_posix() for p in found) == expected


def test_several_mask_files_of_a_photo_are_joined_also_below_the_name_of_its_defect(tmp_path):
    for n in range(2):
        for path in (f"good/{n}.png", "bad/dent/1.png", "bad/hole/1.png"):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(PHOTO.image).save(tmp_path / path)
    (tmp_path / "masks" / "dent").mkdir(parents=True)
    (tmp_path / "masks" / "hole").mkdir()
    for n, part in enumerate((TRUE & (COLUMNS < 40), TRUE & (COLUMNS >= 40))):
        Image.fromarray(part.astype(np.uint8) * 255).save(tmp_path / "masks" / "dent" / f"1_mask_{n}.bmp")
    Image.new("L", (WIDTH, HEIGHT), 255).save(tmp_path / "masks" / "hole" / "1.png")
    settings = {"categories": None, "split": "all", "seed": 0, "limit": None}
    (category,) = open_benchmark("folder", root=tmp_path, **settings)
    found = {case.id: case.gt_mask() for case in category.cases}
    assert np.array_equal(found["bad/dent/1.png"], TRUE)
    assert found["bad/hole/1.png"].all()
