"""What is stated of a region: shape, direction, brightness, colour, edge, texture, number, place and size."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from tools.describe import ReferenceAligner, RegionDescriber, describe
from tools.errors import InputError
from tools.images import sample_from_array
from tools.types import AnomalyMap, Box, Part, Region

SIDE = 200
GREY = (150, 150, 150)


def cloth(seed=0):
    """A grey surface with a little grain that fills the photo."""
    grain = np.random.default_rng(seed).normal(0, 2, (SIDE, SIDE, 1))
    return np.clip(np.array(GREY) + grain, 0, 255).astype(np.uint8)


def plate(box=(60, 40, 180, 160), colour=(190, 190, 190), background=(20, 20, 20)):
    """A light rectangle, right of the photo's middle, on a dark table."""
    image = np.full((SIDE, SIDE, 3), background, np.uint8)
    x0, y0, x1, y1 = box
    image[y0:y1, x0:x1] = colour
    return image


def drawn(draw_on):
    """The mask that a function draws."""
    mask = Image.new("1", (SIDE, SIDE))
    draw_on(ImageDraw.Draw(mask))
    return np.asarray(mask)


def painted(image, mask, colour, blur=0.0):
    weight = Image.fromarray((255 * mask).astype(np.uint8))
    if blur:
        weight = weight.filter(ImageFilter.GaussianBlur(blur))
    return np.asarray(Image.composite(Image.new("RGB", (SIDE, SIDE), colour), Image.fromarray(image), weight))


def region_of(mask):
    rows, columns = np.nonzero(mask)
    return Region(Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1), 0.9, mask)


def described(image, mask, *more, **named):
    return describe(sample_from_array(image), region_of(mask), *more, **named)


def values(description):
    return {name: attribute.value for name, attribute in description.stated().items()}


def test_a_dark_straight_line_is_stated_with_its_direction_and_size():
    mask = drawn(lambda d: d.line((40, 160, 140, 60), fill=1, width=4))
    found = described(painted(cloth(), mask, (40, 40, 40)), mask)
    stated = values(found)
    assert (stated["shape"], stated["orientation"], stated["course"]) == ("line", "rising", "straight")
    assert (stated["brightness"], stated["edge"], stated["count"]) == ("much_darker", "sharp", 1)
    assert "tint" not in stated
    assert found.length_px == pytest.approx(141, rel=0.06)
    assert found.width_px == pytest.approx(4, abs=1.2)
    assert found.area_percent == pytest.approx(100 * mask.mean())
    assert found.compared_with == "surroundings"


def test_an_arc_is_curved_and_a_fork_branches():
    arc = drawn(lambda d: d.arc((50, 50, 150, 150), 180, 330, fill=1, width=4))
    assert values(described(painted(cloth(), arc, (60, 60, 60)), arc))["course"] == "curved"
    fork = drawn(lambda d: [d.line(line, fill=1, width=3) for line in ((30, 100, 170, 100), (100, 100, 150, 45))])
    assert values(described(painted(cloth(), fork, (60, 60, 60)), fork))["shape"] == "branching_line"


def test_a_lighter_ring_is_a_ring():
    mask = drawn(lambda d: d.ellipse((70, 70, 120, 120), outline=1, width=6))
    stated = values(described(painted(cloth(), mask, (175, 175, 175)), mask))
    assert (stated["shape"], stated["brightness"]) == ("ring", "lighter")
    assert "orientation" not in stated


def test_three_alike_spots_are_counted_and_a_crumb_beside_them_is_not():
    spots = [(30, 30), (100, 40), (60, 120)]
    mask = drawn(lambda d: [d.ellipse((x, y, x + 12, y + 12), fill=1) for x, y in spots])
    crumb = np.zeros_like(mask)
    crumb[150, 150:152] = True
    mask = mask | crumb
    stated = values(described(painted(cloth(), mask, (90, 90, 90)), mask))
    assert (stated["shape"], stated["count"]) == ("spot", 3)


def test_the_number_of_pieces_is_left_out_where_they_nearly_touch():
    mask = drawn(lambda d: [d.ellipse((x, 60, x + 20, 80), fill=1) for x in (40, 74)])
    assert described(painted(cloth(), mask, (90, 90, 90)), mask).count is None


def test_a_stain_is_a_blurred_patch_of_another_colour():
    mask = drawn(lambda d: d.ellipse((60, 50, 130, 110), fill=1))
    stated = values(described(painted(cloth(), mask, (95, 135, 95), blur=6), mask))
    assert (stated["shape"], stated["edge"], stated["tint"]) == ("patch", "blurred", "greenish")
    assert stated["brightness"] == "darker"


@pytest.mark.parametrize(
    ("ground", "colour", "tint"),
    [
        (GREY, (190, 120, 120), "reddish"),
        (GREY, (120, 130, 190), "bluish"),
        ((170, 90, 50), (120, 115, 112), "greyish"),
    ],
)
def test_a_colour_is_named_by_the_way_in_which_it_differs(ground, colour, tint):
    mask = drawn(lambda d: d.ellipse((80, 80, 110, 110), fill=1))
    image = np.full((SIDE, SIDE, 3), ground, np.uint8)
    assert values(described(painted(image, mask, colour), mask))["tint"] == tint


def test_a_notch_and_added_material_are_told_from_the_outline():
    image, reference = plate(), plate()
    notch = drawn(lambda d: d.polygon([(60, 90), (60, 115), (85, 102)], fill=1))
    broken = np.where(notch[..., None], np.uint8(20), image)
    found = values(described(broken, notch))
    assert (found["shape"], found["border"]) == ("notch", "left_edge")
    burr = drawn(lambda d: d.rectangle((180, 80, 192, 100), fill=1))
    grown = np.where(burr[..., None], np.uint8(190), image)
    good, photo = sample_from_array(reference), sample_from_array(grown)
    alignment = ReferenceAligner([good]).align(photo, region_of(burr))
    assert values(describe(photo, region_of(burr), good, alignment))["shape"] == "added_material"


def test_the_place_is_a_third_of_the_product_and_not_of_the_photo():
    mask = drawn(lambda d: d.ellipse((72, 92, 84, 104), fill=1))
    # On the photo this is left of the middle third's middle; on the plate it is at the left.
    found = values(described(painted(plate(), mask, (90, 90, 90)), mask))
    assert found["position"] == "left"
    assert "border" not in found
    middle = drawn(lambda d: d.ellipse((114, 94, 126, 106), fill=1))
    assert values(described(painted(plate(), middle, (90, 90, 90)), middle))["position"] == "centre"


def test_a_region_at_the_side_of_a_disc_is_at_its_rim():
    disc = np.asarray(drawn(lambda d: d.ellipse((40, 40, 160, 160), fill=1)))
    image = painted(np.full((SIDE, SIDE, 3), 20, np.uint8), disc, (190, 190, 190))
    mask = drawn(lambda d: d.ellipse((58, 58, 68, 68), fill=1))
    assert values(described(painted(image, mask, (90, 90, 90)), mask))["border"] == "rim"


def test_a_part_that_holds_the_region_is_named():
    mask = drawn(lambda d: d.ellipse((100, 90, 112, 102), fill=1))
    label = drawn(lambda d: d.rectangle((90, 80, 140, 120), fill=1))
    parts = [
        Part("bottle", region_of(drawn(lambda d: d.rectangle((60, 40, 179, 159), fill=1)))),
        Part("label", region_of(label)),
    ]
    assert values(described(painted(plate(), mask, (90, 90, 90)), mask, parts=parts))["part"] == "label"
    assert described(painted(plate(), mask, (90, 90, 90)), mask, parts=parts[:0]).part is None


@pytest.mark.parametrize(("spread", "texture"), [(30, "rougher"), (0, "smoother")])
def test_texture_is_compared_with_that_around(spread, texture):
    random = np.random.default_rng(3)
    image = np.clip(150 + random.normal(0, 8, (SIDE, SIDE, 1)), 0, 255).repeat(3, axis=2).astype(np.uint8)
    mask = drawn(lambda d: d.ellipse((70, 70, 120, 120), fill=1))
    inside = np.clip(150 + random.normal(0, spread, (SIDE, SIDE, 1)), 0, 255).repeat(3, axis=2).astype(np.uint8)
    assert values(described(np.where(mask[..., None], inside, image), mask))["texture"] == texture


def test_what_the_reference_shows_too_is_no_difference():
    band = drawn(lambda d: d.rectangle((60, 90, 179, 109), fill=1))
    good = sample_from_array(painted(plate(), band, (120, 120, 120)))
    photo = sample_from_array(good.image.copy())
    region = region_of(drawn(lambda d: d.rectangle((100, 92, 130, 107), fill=1)))
    alignment = ReferenceAligner([good]).align(photo, region)
    beside = describe(photo, region, good, alignment)
    assert beside.compared_with == "reference"
    assert beside.brightness is None
    assert values(describe(photo, region))["brightness"] in ("darker", "much_darker")


def test_a_reference_that_does_not_look_like_the_photo_is_not_compared_with():
    mask = drawn(lambda d: d.ellipse((80, 80, 100, 100), fill=1))
    photo, other = sample_from_array(painted(cloth(), mask, (40, 40, 40))), sample_from_array(cloth(seed=1))
    alignment = ReferenceAligner([other]).align(photo, region_of(mask))
    assert describe(photo, region_of(mask), other, alignment).compared_with == "surroundings"


def test_sizes_are_in_millimetres_where_a_scale_is_given():
    mask = drawn(lambda d: d.line((40, 100, 140, 100), fill=1, width=4))
    image = painted(cloth(), mask, (40, 40, 40))
    found = described(image, mask, mm_per_px=0.1)
    assert found.length_mm == pytest.approx(found.length_px / 10)
    assert found.width_mm == pytest.approx(found.width_px / 10)
    assert described(image, mask).length_mm is None


def test_nothing_is_stated_of_colour_where_nothing_differs():
    mask = drawn(lambda d: d.ellipse((80, 80, 110, 110), fill=1))
    found = described(cloth(), mask)
    assert (found.brightness, found.tint, found.edge, found.texture) == (None, None, None, None)


def test_every_confidence_is_a_probability():
    mask = drawn(lambda d: d.line((40, 160, 140, 60), fill=1, width=4))
    found = described(painted(cloth(), mask, (40, 40, 40)), mask).stated()
    assert found
    assert all(0.5 <= attribute.confidence <= 1 for attribute in found.values())


def test_a_region_without_a_mask_is_described_by_its_box():
    image = painted(cloth(), drawn(lambda d: d.rectangle((80, 80, 99, 99), fill=1)), (40, 40, 40))
    found = describe(sample_from_array(image), Region(Box(80, 80, 100, 100), 0.9))
    assert values(found)["brightness"] == "much_darker"
    assert found.length_px == pytest.approx(20, abs=9)


def test_bad_input_is_refused():
    sample = sample_from_array(cloth())
    with pytest.raises(InputError, match="outside of the photo of 200 x 200"):
        describe(sample, Region(Box(300, 300, 310, 310), 0.9))
    with pytest.raises(InputError, match="mm_per_px is 0"):
        describe(sample, Region(Box(10, 10, 20, 20), 0.9), mm_per_px=0)


def test_a_region_of_all_of_the_photo_has_nothing_to_be_compared_with():
    found = described(cloth(), np.ones((SIDE, SIDE), bool))
    assert (found.brightness, found.tint, found.edge, found.texture) == (None, None, None, None)
    assert found.area_percent == 100


def test_a_stain_that_alone_stands_out_from_a_surface_is_not_the_product():
    mask = drawn(lambda d: d.ellipse((60, 50, 130, 110), fill=1))
    found = described(painted(cloth(), mask, (95, 135, 95)), mask)
    assert found.area_percent == pytest.approx(100 * mask.mean())


def test_a_describer_bounds_aligns_and_describes():
    hole = drawn(lambda d: d.ellipse((100, 74, 108, 82), fill=1))
    bands = [drawn(lambda d, y=y: d.rectangle((50, y, 169, y + 12), fill=1)) for y in (94, 60)]
    good = [sample_from_array(painted(plate((50, 45, 170, 165)), band, (90, 90, 120))) for band in bands]
    lower = drawn(lambda d: d.rectangle((60, 89, 179, 101), fill=1))
    photo = sample_from_array(painted(painted(plate(), lower, (90, 90, 120)), hole, (30, 30, 30)))
    values = np.asarray(Image.fromarray((255 * hole).astype(np.uint8)).filter(ImageFilter.GaussianBlur(9)), np.float32)
    blob = drawn(lambda d: d.ellipse((80, 60, 135, 115), fill=1))
    found = RegionDescriber(good[::-1]).describe(
        photo, region_of(blob), [AnomalyMap(values / values.max(), 0.9, "reference")], mm_per_px=0.5
    )
    assert (found.region.mask & hole).sum() / (found.region.mask | hole).sum() > 0.75
    stated = {name: attribute.value for name, attribute in found.description.stated().items()}
    assert (stated["shape"], stated["brightness"]) == ("spot", "much_darker")
    assert found.description.compared_with == "reference"
    assert found.description.length_mm == pytest.approx(4.5, abs=1)
    assert found.reference is good[0]
    assert found.counterpart(found.region.box).mean() == pytest.approx(190, abs=3)


def test_without_references_a_describer_has_no_counterpart():
    hole = drawn(lambda d: d.ellipse((100, 80, 112, 92), fill=1))
    photo = sample_from_array(painted(plate(), hole, (30, 30, 30)))
    found = RegionDescriber([]).describe(photo, region_of(hole), [AnomalyMap(hole.astype(np.float32), 0.9, "tracer")])
    assert (found.alignment, found.reference, found.counterpart(found.region.box)) == (None, None, None)
    assert found.description.compared_with == "surroundings"
