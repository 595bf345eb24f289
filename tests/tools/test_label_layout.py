"""Labels of a drawing: each near what it names, in the picture and off the others."""

import numpy as np
import pytest

from tools.drawing import GAP, placed
from tools.types import Box

SIZE = (640, 480)


def crowd(seed, count=12):
    random = np.random.default_rng(seed)
    corners = random.uniform(0, [560, 420], (count, 2))
    return [Box(x, y, x + random.uniform(10, 80), y + random.uniform(10, 60)) for x, y in corners.tolist()]


@pytest.mark.parametrize("seed", range(8))
def test_plates_lie_in_the_picture_and_never_on_each_other(seed):
    boxes = crowd(seed)
    random = np.random.default_rng(seed)
    plates = placed([(random.uniform(40, 200), 24) for _ in boxes], boxes, boxes, SIZE)
    for n, plate in enumerate(plates):
        assert plate.box.x0 >= 0 and plate.box.y0 >= 0
        assert plate.box.x1 <= SIZE[0] + 1e-6 and plate.box.y1 <= SIZE[1] + 1e-6
        assert all(plate.box.iou(other.box) == 0 for other in plates[:n])


@pytest.mark.parametrize("seed", range(4))
def test_a_plate_that_is_not_beside_its_box_is_joined_to_it(seed):
    boxes = crowd(seed, 20)
    for plate, box in zip(placed([(120, 24)] * 20, boxes, boxes, SIZE), boxes, strict=True):
        across = max(0, plate.box.x0 - box.x1, box.x0 - plate.box.x1)
        down = max(0, plate.box.y0 - box.y1, box.y0 - plate.box.y1)
        assert (plate.leader is None) == (np.hypot(across, down) <= 2 * GAP)
        if plate.leader is not None:
            (x, y), (u, v) = plate.leader
            assert plate.box.x0 <= x <= plate.box.x1 and plate.box.y0 <= y <= plate.box.y1
            assert box.x0 <= u <= box.x1 and box.y0 <= v <= box.y1


def test_a_lone_label_stands_above_its_box_like_a_title():
    (plate,) = placed([(60, 20)], [Box(300, 200, 400, 260)], [Box(300, 200, 400, 260)], SIZE)
    assert (plate.box.x0, plate.leader) == (300, None)
    assert 200 - 20 - 2 * GAP <= plate.box.y0 <= 200 - 20


def test_a_plate_as_large_as_the_picture_still_finds_its_place():
    (plate,) = placed([SIZE], [Box(0, 0, 10, 10)], [Box(0, 0, 10, 10)], SIZE)
    assert plate.box == Box(0, 0, *SIZE)
