"""What is drawn is seen, and a mask in a report is the mask that was found."""

from dataclasses import replace

import numpy as np
import pytest
from checkpoints import plate
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tools.drawing import PALETTE, overlay
from tools.errors import InputError
from tools.mask_encoding import decode_rle, encode_rle
from tools.types import AnomalyMap, Box, Region


def near(picture, colour, tolerance=30):
    return (abs(picture.astype(int) - colour).max(axis=-1) <= tolerance).sum()


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_box_is_drawn_in_its_colour_on_any_background(shade):
    image = np.full((96, 128, 3), shade, np.uint8)
    drawn = overlay(image, [Region(Box(20, 20, 60, 60), 0.9)], labels=["E1 bolt"])
    assert near(drawn, PALETTE[0]) > 300
    assert near(drawn, (0, 0, 0), 5) > 300


def test_a_small_photo_is_enlarged_and_a_large_one_is_not():
    assert max(overlay(plate(0, (96, 128)), []).shape) == 640
    assert overlay(plate(0, (700, 900)), []).shape == (700, 900, 3)


def test_the_map_changes_the_photo_where_it_is_high_alone():
    image = plate(0, (640, 640))
    values = np.zeros((640, 640), np.float32)
    values[100:200, 300:400] = 0.9
    drawn = overlay(image, [], score_map=AnomalyMap(values, 0.9, "text"))
    change = abs(drawn.astype(int) - image).max(axis=-1)
    assert change[120:180, 320:380].min() > 20
    assert change[400:].max() == 0


def test_a_flat_map_leaves_the_photo_as_it_is():
    image = plate(0, (640, 640))
    flat = AnomalyMap(np.full((640, 640), 0.4, np.float32), 0.4, "text")
    assert np.array_equal(overlay(image, [], score_map=flat), image)


def test_a_mask_is_outlined():
    mask = np.zeros((640, 640), bool)
    mask[100:300, 100:300] = True
    region = Region(Box(400, 400, 402, 402), 0.5, mask)
    assert near(overlay(plate(0, (640, 640)), [region])[90:310, 90:310], PALETTE[0]) > 1000


def test_the_outline_of_an_absent_part_is_dashed_and_stands_without_its_box():
    mask = np.zeros((640, 640), bool)
    mask[100:300, 100:300] = True
    lone = Region(Box(90, 90, 310, 310), 0.5, mask)
    whole, dashed = (overlay(plate(0, (640, 640)), [replace(lone, absent=a)]) for a in (False, True))
    inside = np.s_[98:302, 98:302]
    assert 0.3 < near(dashed[inside], PALETTE[0]) / near(whole[inside], PALETTE[0]) < 0.7
    assert near(dashed, PALETTE[0]) == near(dashed[inside], PALETTE[0])


def test_the_photo_itself_is_not_drawn_on():
    image = plate(0, (640, 640))
    before = image.copy()
    overlay(image, [Region(Box(0, 0, 50, 50), 1.0)], labels=["a"])
    assert np.array_equal(image, before)


@pytest.mark.parametrize("box", [Box(-20, -20, 10, 10), Box(120, 90, 500, 500), Box(5, 5, 5, 5), Box(0, 0, 128, 96)])
def test_boxes_at_or_beyond_the_edge_and_long_labels_are_drawn(box):
    assert overlay(plate(0), [Region(box, 1.0)], labels=["a label that is much too long " * 5]).shape[1] == 640


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40)))
def test_a_mask_survives_the_round_trip(mask):
    assert np.array_equal(decode_rle(encode_rle(mask)), mask)


@given(st.integers(0, 2**31), st.floats(0.0001, 0.9999))
def test_large_masks_of_any_density_survive_the_round_trip(seed, density):
    mask = np.random.default_rng(seed).random((211, 307)) < density
    assert np.array_equal(decode_rle(encode_rle(mask)), mask)


def test_the_string_is_the_one_that_coco_writes():
    """By hand after cocoapi's rleToString: runs 6, 1, 40, 4, 5, 4, 21; those beyond the third as differences."""
    mask = np.zeros((9, 9), bool)
    for start, length in ((6, 1), (47, 4), (56, 4)):
        mask.reshape(-1)[start : start + length] = True
    # 6, 1, 40 as they are (6, 1, X1), then 4 - 1 = 3 (3), 5 - 40 = -35 (mN), 4 - 4 = 0 (0), 21 - 5 = 16 (`0).
    assert encode_rle(mask.T) == {"size": [9, 9], "counts": "61X13mN0`0"}


def test_a_mask_that_begins_with_a_pixel_begins_with_an_empty_run():
    assert encode_rle(np.ones((2, 3), bool)) == {"size": [2, 3], "counts": "06"}


@pytest.mark.parametrize("broken", ["", "6", "0é", "0X"])
def test_runs_that_do_not_fill_the_mask_are_refused(broken):
    with pytest.raises(InputError, match="damaged"):
        decode_rle({"size": [4, 4], "counts": broken})
