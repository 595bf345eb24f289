"""Descriptions of predicted and true regions are compared attribute by attribute, and the page says how often."""

from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from agent.evidence.types import Claim, Evidence
from evals.studies.descriptions import (
    Agreement,
    SetFigures,
    agreements,
    cases,
    compare,
    joined,
    overlaps,
    page,
    strongest_region,
    touched_pieces,
)
from tools.describe import Attribute, RegionDescription
from tools.types import Box, Region


def saved(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def mask(*boxes, side=40):
    found = np.zeros((side, side), bool)
    for x0, y0, x1, y1 in boxes:
        found[y0:y1, x0:x1] = True
    return found


def description(length, **values):
    attributes = {name: Attribute(value, 0.9) for name, value in values.items()}
    return RegionDescription(length, 2.0, 1.0, "surroundings", **attributes)


def test_only_photos_with_a_mask_are_measured_and_defect_types_take_turns(tmp_path):
    grey = np.full((40, 40), 90, np.uint8)
    for n in range(6):
        saved(tmp_path / "leather" / "train" / "good" / f"{n}.png", grey)
    for kind, count in (("cut", 3), ("glue", 2), ("good", 2)):
        for n in range(count):
            saved(tmp_path / "leather" / "test" / kind / f"{n}.png", grey)
            if (kind, n) not in (("cut", 1), ("good", 0), ("good", 1)):
                drawn = (255 * mask((n, 0, n + 5, 5))).astype(np.uint8)
                saved(tmp_path / "leather" / "ground_truth" / kind / f"{n}_mask.png", drawn)
    found = list(cases(tmp_path, 20, 0))
    photos = [case.read() for _, case in found]
    assert {name for name, _ in found} == {"leather"}
    assert [(s.path.parent.name, s.path.stem) for s, _ in photos] == [
        ("cut", "0"),
        ("glue", "0"),
        ("cut", "2"),
        ("glue", "1"),
    ]
    assert [len(case.references) for _, case in found] == [4] * 4
    np.testing.assert_array_equal(photos[2][1], mask((2, 0, 7, 5)))
    assert len(list(cases(tmp_path, 3, 0))) == 3


def test_boxes_of_a_surface_without_good_photos_are_its_truth(tmp_path):
    saved(tmp_path / "steel" / "scratches" / "a.png", np.full((40, 40), 90, np.uint8))
    (tmp_path / "steel" / "scratches" / "a.txt").write_text("5 0.5 0.25 0.2 0.1\n5 0.1 0.9 0.1 0.1\n")
    ((name, case),) = cases(tmp_path, 20, 0)
    assert (name, case.references) == ("steel", ())
    np.testing.assert_array_equal(case.read()[1], mask((16, 8, 24, 12), (2, 34, 6, 38)))


def test_rendered_photos_have_known_masks_and_four_references():
    found = list(cases(None, 20, 4))
    assert len({case.product for _, case in found}) == 4
    sample, truth = found[0][1].read()
    assert truth.any()
    assert truth.shape == sample.image.shape[:2]
    assert len({reference.digest for reference in found[0][1].references}) == 4


def test_the_strongest_structural_region_is_the_prediction():
    def evidence(kind, hypothesis, llr, box):
        region = None if box is None else Region(Box(*box), 0.5, mask(box))
        return Evidence(kind, Claim("region_differs", {}), llr, "reference", hypothesis, region=region)

    listed = [
        evidence("structural", "region 1", 1.0, (0, 0, 5, 5)),
        evidence("structural", "region 2", 2.0, (10, 10, 15, 15)),
        evidence("structural", "region 1", 0.5, (0, 0, 5, 5)),
        evidence("logical", "count", 9.0, (20, 20, 30, 30)),
    ]
    report = SimpleNamespace(state=SimpleNamespace(evidence=listed))
    assert strongest_region(report).box == Box(10, 10, 15, 15)
    assert strongest_region(SimpleNamespace(state=SimpleNamespace(evidence=listed[3:]))) is None


def test_only_pieces_that_the_region_touches_count_and_near_ones_are_one():
    truth = mask((0, 0, 6, 6), (9, 0, 14, 6), (30, 30, 36, 36))
    touched = touched_pieces(truth, Region(Box(0, 0, 4, 4), 0.5, mask((0, 0, 4, 4))))
    np.testing.assert_array_equal(touched, mask((0, 0, 6, 6), (9, 0, 14, 6)))
    assert not touched_pieces(truth, Region(Box(20, 0, 24, 4), 0.5, mask((20, 0, 24, 4)))).any()


def test_attributes_are_compared_where_both_state_them():
    found = defaultdict(Agreement)
    compare(description(10, shape="line", brightness="darker", count=1), description(14, shape="line", count=2), found)
    compare(description(10, shape="spot"), description(16, shape="line", brightness="darker"), found)
    assert found["shape"] == Agreement(2, 2, 1)
    assert found["brightness"] == Agreement(1, 0, 0)
    assert found["count"] == Agreement(1, 1, 0)
    assert found["length"] == Agreement(2, 2, 1)
    only = defaultdict(Agreement)
    compare(
        description(10, shape="line", brightness="darker"), description(10, brightness="darker"), only, ["brightness"]
    )
    assert dict(only) == {"brightness": Agreement(1, 1, 1)}


def figures(before, after, **attributes):
    some = SetFigures(before, after, [value > 0 for value in before], [0.1] * len(before))
    some.attributes.update(attributes)
    return some


def test_the_page_shows_overlaps_by_set_and_agreement_of_rendered_and_real_photos():
    found = {
        "world": figures([0.2, 0.4], [0.5, 0.7], shape=Agreement(2, 2, 1)),
        "leather": figures([0.1], [0.5], shape=Agreement(1, 1, 1), length=Agreement(1, 1, 0)),
        "cookie": figures([0.0, 0.2, 0.1], [0.0, 0.4, 0.3], shape=Agreement(3, 1, 1)),
        "steel": figures([0.3], [0.2], position=Agreement(1, 1, 1)),
    }
    table = overlaps(found)
    assert "| world | 2 | 2 | 0.300 | **0.600** |" in table
    assert "| steel (boxes) | 1 | 1 | 0.300 | **0.200** |" in table
    assert "| hazelnut, leather and cookie | 4 | 3 | 0.100 | **0.300** |" in table
    table = agreements(found)
    assert "| shape | 2 | 0.500 | 2 | 1.000 |" in table
    assert "| position | 0 | - | 1 | 1.000 |" in table
    assert "| all but length | **2** | **0.500** | **3** | **1.000** |" in table
    assert "| 2 | 0.500 | 5 | 0.600 |" in table
    assert joined(list(found.values())).before == pytest.approx([0.2, 0.4, 0.1, 0.0, 0.2, 0.1, 0.3])
    text = page(found, "python -m evals.studies.descriptions PHOTOS", "nano")
    assert "takes 0.10 s of processor time" in text.replace("\n", " ")
    assert max(len(line) for line in text.split("\n") if not line.startswith("|")) <= 125
