"""Product coordinates do not change when the product is moved; relations between parts are those of their masks."""

import numpy as np
import pytest
from PIL import Image

from tools.errors import InputError
from tools.parts import find_product, measure, pose_of
from tools.parts.measurement import gap, touching


def box(x0, y0, x1, y1, size=100):
    mask = np.zeros((size, size), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def scene(turn=0.0, move=(0, 0), scale=1.0):
    """A plate with one dark square to its upper left, and that square's mask."""
    plate, square = Image.new("L", (300, 300)), Image.new("L", (300, 300))
    plate.paste(255, (90, 110, 210, 190))
    square.paste(255, (105, 120, 125, 140))
    masks = []
    for mask in (plate, square):
        turned = mask.rotate(turn, Image.Resampling.BICUBIC, center=(150, 150))
        a = 1 / scale
        shift = (150 - a * (150 + move[0]), 150 - a * (150 + move[1]))
        masks.append(
            np.asarray(turned.transform((300, 300), Image.Transform.AFFINE, (a, 0, shift[0], 0, a, shift[1]))) > 127
        )
    image = np.full((300, 300, 3), 60, np.uint8)
    image[masks[0]] = (200, 190, 180)
    image[masks[1]] = (20, 20, 25)
    return image, masks[0], masks[1]


@pytest.mark.parametrize(
    ("turn", "move", "scale"), [(0, (40, -30), 1.0), (20, (0, 0), 1.0), (-35, (10, 5), 1.0), (12, (-20, 8), 1.2)]
)
def test_a_part_keeps_its_place_when_the_product_is_moved_turned_or_nearer(turn, move, scale):
    still, moved = scene(), scene(turn, move, scale)
    places = []
    for image, _, square in (still, moved):
        pose = find_product(image)
        places.append(pose.placed(measure(image, square)))
    assert places[1].place == pytest.approx(places[0].place, abs=0.03)
    assert places[1].relative_area == pytest.approx(places[0].relative_area, rel=0.1)
    assert places[1].relative_length == pytest.approx(places[0].relative_length, rel=0.1)
    assert places[0].place[0] < -0.2
    assert places[0].place[1] < -0.1


def test_a_product_is_what_differs_from_the_border():
    image, plate, _ = scene(15, (10, 10))
    pose = find_product(image)
    assert (pose.mask & plate).sum() / (pose.mask | plate).sum() > 0.95
    assert pose.turn == pytest.approx(15, abs=2)
    assert not pose.fills


def test_a_surface_that_fills_the_photo_is_all_product():
    noise = np.random.default_rng(0).integers(90, 130, (80, 120, 3), dtype=np.uint8)
    pose = find_product(noise)
    assert pose.fills
    assert pose.mask.all()
    assert pose.turn == 0
    assert pose.place((60, 40)) == pytest.approx((0, 0))


def test_place_and_point_are_inverse():
    pose = pose_of(scene(25)[1])
    assert pose.point(pose.place((37.0, 92.0))) == pytest.approx((37, 92))


def test_gap_is_the_pixels_between_two_parts():
    assert gap(box(10, 10, 20, 20), box(25, 10, 30, 20)) == 5
    assert gap(box(10, 10, 20, 20), box(20, 10, 30, 20)) == 0
    assert gap(box(10, 10, 20, 20), box(15, 10, 30, 20)) == 0


def test_parts_touch_up_to_the_accuracy_of_their_edges():
    assert touching(box(10, 10, 20, 20), box(22, 10, 30, 20))
    assert not touching(box(10, 10, 20, 20), box(24, 10, 30, 20))
    assert touching(box(10, 10, 20, 20), box(24, 10, 30, 20), within=4)


@pytest.mark.parametrize("relation", [gap, touching])
def test_an_empty_mask_lies_nowhere(relation):
    with pytest.raises(InputError, match="empty mask"):
        relation(box(0, 0, 0, 0), box(10, 10, 20, 20))
    with pytest.raises(InputError, match="one photo"):
        relation(box(0, 0, 5, 5, 50), box(10, 10, 20, 20))
