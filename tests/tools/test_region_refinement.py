"""A region is bounded by the defect in it: a blob about a small hole, two strokes, a broken edge."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from tools.describe import RegionDescriber, notch_depth, refine_region
from tools.images import load_sample, sample_from_array
from tools.types import AnomalyMap, Box, Region

SIDE = 240


def surface(seed=0):
    shade = 130 + 15 * np.sin(np.arange(SIDE) / 40)[:, None, None]
    grain = np.random.default_rng(seed).normal(0, 4, (SIDE, SIDE, 1))
    return np.clip(shade + grain + (20, 0, -20), 0, 255).astype(np.uint8)


def drawn(draw_on):
    mask = Image.new("1", (SIDE, SIDE))
    draw_on(ImageDraw.Draw(mask))
    return np.asarray(mask)


def blurred_map(mask, blur, source="reference"):
    values = gaussian_filter(mask.astype(np.float32), blur)
    return AnomalyMap((values / max(float(values.max()), 1e-6)).astype(np.float32), 0.9, source)


def blob(x, y, radius):
    mask = drawn(lambda d: d.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1))
    return Region(Box(x - radius, y - radius, x + radius + 1, y + radius + 1), 0.9, mask)


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


HOLE = drawn(lambda d: d.ellipse((112, 92, 132, 112), fill=1))
STROKES = drawn(lambda d: [d.line((x, 60, x + 10, 130), fill=1, width=5) for x in (90, 130)])


@pytest.mark.parametrize("truth", [HOLE, STROKES], ids=["hole", "two strokes"])
@pytest.mark.parametrize("colour", [(45, 40, 35), (230, 225, 215)], ids=["dark", "light"])
def test_a_blob_is_bounded_by_the_defect_in_it(truth, colour):
    image = np.where(truth[..., None], np.uint8(colour), surface())
    region = blob(118, 98, 55)
    refined = refine_region(sample_from_array(image), region, [blurred_map(truth, 20), blurred_map(truth, 8, "tracer")])
    assert iou(region.mask, truth) < 0.15
    assert iou(refined.mask, truth) > 0.75
    rows, columns = np.nonzero(refined.mask)
    assert refined.box == Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert refined.score == region.score


def test_a_box_alone_is_bounded_too_and_words_have_no_say():
    image = np.where(HOLE[..., None], np.uint8(40), surface())
    elsewhere = blurred_map(drawn(lambda d: d.rectangle((150, 60, 170, 80), fill=1)), 3, "text")
    region = Region(Box(70, 50, 175, 155), 0.9)
    refined = refine_region(sample_from_array(image), region, [blurred_map(HOLE, 15), elsewhere])
    assert iou(refined.mask, HOLE) > 0.75


def test_the_maps_decide_between_two_marks_of_one_colour():
    known = drawn(lambda d: d.rectangle((75, 60, 95, 80), fill=1))
    image = np.where((HOLE | known)[..., None], np.uint8(40), surface())
    refined = refine_region(sample_from_array(image), blob(108, 95, 60), [blurred_map(HOLE, 9), blurred_map(HOLE, 4)])
    assert iou(refined.mask, HOLE) > 0.7
    assert not (refined.mask & known).any()


def test_a_large_photo_is_refined_on_a_coarser_grid():
    image = np.where(HOLE[..., None], np.uint8(40), surface()).repeat(5, axis=0).repeat(5, axis=1)
    maps = blurred_map(HOLE, 15)
    large = AnomalyMap(maps.values.repeat(5, axis=0).repeat(5, axis=1), 0.9, "reference")
    region = blob(118, 98, 55)
    mask = region.mask.repeat(5, axis=0).repeat(5, axis=1)
    whole = Region(Box(*(5 * side for side in region.box)), 0.9, mask)
    refined = refine_region(sample_from_array(image), whole, [large])
    assert refined.mask.shape == (1200, 1200)
    assert iou(refined.mask, HOLE.repeat(5, axis=0).repeat(5, axis=1)) > 0.75


def plate(broken):
    image = np.full((SIDE, SIDE, 3), 30, np.uint8)
    image[50:190, 40:200] = (190, 180, 160)
    return np.where(broken[..., None], np.uint8(30), image)


def test_a_broken_edge_is_bounded_by_the_outline_it_lacks():
    notch = drawn(lambda d: d.polygon([(200, 100), (165, 118), (200, 140)], fill=1))
    sample, region = sample_from_array(plate(notch)), blob(185, 120, 28)
    refined = refine_region(sample, region, [blurred_map(notch, 12)])
    assert iou(refined.mask, notch) > 0.8
    # Where good products have such a notch too it is none; the colour of the table is all that is left to go by.
    usual = notch_depth(plate(notch).max(axis=2) > 100)
    assert usual == pytest.approx(35 / np.sqrt(160 * 140), abs=0.05)
    assert notch_depth(plate(np.zeros_like(notch)).max(axis=2) > 100) == 0
    unlike = refine_region(sample, region, [blurred_map(notch, 12)], usual_notch=usual)
    assert not np.array_equal(unlike.mask, refined.mask)


def test_where_nothing_is_set_off_the_region_stays_as_it_was():
    region = Region(Box(100, 100, 102, 102), 0.4)
    flat = AnomalyMap(np.full((SIDE, SIDE), 0.2, np.float32), 0.2, "reference")
    assert refine_region(sample_from_array(np.full((SIDE, SIDE, 3), 120, np.uint8)), region, [flat]) is region


DEFECTS = ("hole/000", "hole/001", "cut/000")


@pytest.mark.parametrize("name", DEFECTS)
def test_a_blob_on_a_real_photo_is_bounded_by_the_defect(name):
    root = os.environ.get("LOOKTWICE_DATA")
    photo = Path(root or "") / "hazelnut" / "test" / f"{name}.png"
    if root is None or not photo.is_file():
        pytest.skip("set LOOKTWICE_DATA to the folder that holds hazelnut/ in the layout of MVTec AD")
    mask = photo.parents[2] / "ground_truth" / f"{name}_mask.png"
    truth = np.asarray(Image.open(mask).convert("L")) > 0
    values = gaussian_filter(truth.astype(np.float32), 14)
    coarse = AnomalyMap(values / values.max(), 0.9, "reference")
    whole = values > 0.3 * values.max()
    rows, columns = np.nonzero(whole)
    region = Region(Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1), 0.9, whole)
    refined = refine_region(load_sample(photo), region, [coarse])
    # The annotated masks reach a few pixels beyond what is damaged.
    assert iou(refined.mask, truth) > 1.4 * iou(whole, truth)


def one_pixel():
    return drawn(lambda d: d.point((120, 100), fill=1))


EXTREMES = {
    "one pixel": one_pixel(),
    "a row": drawn(lambda d: d.line((20, 100, 200, 100), fill=1)),
    "a corner": drawn(lambda d: d.rectangle((0, 0, 6, 6), fill=1)),
    "the border": drawn(lambda d: d.rectangle((0, 0, SIDE - 1, SIDE - 1), outline=1)),
    "the whole photo": np.ones((SIDE, SIDE), bool),
}


@pytest.mark.parametrize("mask", EXTREMES.values(), ids=EXTREMES)
@pytest.mark.parametrize("image", [surface(), np.zeros((SIDE, SIDE, 3), np.uint8)], ids=["surface", "black"])
def test_regions_of_any_extent_are_refined_and_described(mask, image):
    rows, columns = np.nonzero(mask)
    region = Region(Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1), 0.5, mask)
    found = RegionDescriber([sample_from_array(surface(1))]).describe(
        sample_from_array(image), region, [blurred_map(mask, 3), blurred_map(mask, 9, "tracer")]
    )
    assert found.region.mask.shape == mask.shape
    assert 0 < found.description.area_percent <= 100
    assert np.isfinite([found.description.length_px, found.description.width_px]).all()
    # A black photo is unlike its reference everywhere, so that no place of it is its counterpart.
    assert (found.counterpart(found.region.box) is None) == (not image.any())
