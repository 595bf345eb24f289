"""Readers yield the cases of each layout, keep references apart from cases, and say what is missing."""

import json

import numpy as np
import pytest
from PIL import Image

from evals.datasets import open_benchmark
from tools.errors import InputError


def picture(path, value=128, size=(32, 24)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value, value)).save(path)


def mask(path, value, size=(32, 24)):
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.zeros(size[::-1], dtype=np.uint8)
    grey[4:8, 10:20] = value
    Image.fromarray(grey).save(path)


def opened(name, root, **options):
    settings = {"categories": None, "split": "all", "seed": 0, "limit": None, **options}
    return open_benchmark(name, root=root, **settings)


@pytest.fixture
def mvtec(tmp_path):
    for n in range(3):
        picture(tmp_path / "nut" / "train" / "good" / f"{n:03d}.png", n)
    picture(tmp_path / "nut" / "test" / "good" / "000.png")
    picture(tmp_path / "nut" / "test" / "bent" / "000.png")
    mask(tmp_path / "nut" / "ground_truth" / "bent" / "000_mask.png", 255)
    return tmp_path


@pytest.fixture
def loco(tmp_path):
    picture(tmp_path / "bag" / "train" / "good" / "000.png")
    for label in ("good", "logical_anomalies", "structural_anomalies"):
        picture(tmp_path / "bag" / "test" / label / "000.png")
    for label in ("logical_anomalies", "structural_anomalies"):
        mask(tmp_path / "bag" / "ground_truth" / label / "000" / "000.png", 3)
    mask(tmp_path / "bag" / "ground_truth" / "logical_anomalies" / "000" / "001.png", 251)
    return tmp_path


def test_mvtec_joins_masks_by_stem(mvtec):
    (category,) = opened("mvtec-ad", mvtec)
    cases = {case.id: case for case in category.cases}
    assert {case.label for case in category.cases} == {"good", "structural"}
    assert cases["bent/000.png"].gt_mask().sum() == 40
    assert cases["good/000.png"].gt_mask().sum() == 0
    assert len(category.references(2, 0)) == 2


def test_loco_defects_carry_the_saturation_that_their_grey_value_stands_for(loco):
    config = [
        {"defect_name": "few", "pixel_value": 3, "saturation_threshold": 12, "relative_saturation": False},
        {"defect_name": "torn", "pixel_value": 251, "saturation_threshold": 0.5, "relative_saturation": True},
    ]
    (loco / "bag" / "defects_config.json").write_text(json.dumps(config))
    (category,) = opened("mvtec-loco", loco)
    by_label = {case.label: case for case in category.cases}
    assert [(r.mask.sum(), r.saturation) for r in by_label["logical"].regions()] == [(40, 12.0), (40, 20.0)]
    assert by_label["good"].regions() == ()


def test_a_grey_value_that_no_defect_has_is_named(loco):
    (loco / "bag" / "defects_config.json").write_text("[]")
    (category,) = opened("mvtec-loco", loco)
    bad = next(case for case in category.cases if case.label == "logical")
    with pytest.raises(InputError, match="grey value 3"):
        bad.regions()


def test_the_world_states_how_much_of_each_defect_must_be_found():
    (category,) = opened("world", None, categories=["metal"], limit=4)
    bad = next(case for case in category.cases if case.label != "good")
    (region,) = bad.regions()
    assert 0 < region.saturation <= region.mask.sum() == bad.gt_mask().sum()


def test_loco_masks_are_anomalous_wherever_they_are_not_zero(loco):
    (category,) = opened("mvtec-loco", loco)
    by_label = {case.label: case for case in category.cases}
    assert set(by_label) == {"good", "logical", "structural"}
    assert by_label["structural"].gt_mask().sum() == 40
    assert by_label["logical"].gt_mask().sum() == 40


def test_a_missing_mask_is_named(mvtec):
    (mvtec / "nut" / "ground_truth" / "bent" / "000_mask.png").unlink()
    with pytest.raises(InputError, match="000_mask"):
        opened("mvtec-ad", mvtec)


def test_an_unknown_category_is_answered_with_those_there_are(mvtec):
    with pytest.raises(InputError, match="nut"):
        opened("mvtec-ad", mvtec, categories=["bolt"])


def test_a_folder_keeps_references_and_cases_apart(tmp_path):
    for n in range(6):
        picture(tmp_path / "cubes" / "normal" / f"{n}.png", 10 * n)
        picture(tmp_path / "cubes" / "abnormal" / f"{n}.png", 200)
    (category,) = opened("folder", tmp_path / "cubes")
    references = {s.path.name for s in category.references(3, 1)}
    good = {case.photo().path.name for case in category.cases if case.label == "good"}
    assert len(references) == 3
    assert not references & good
    assert sum(case.label == "structural" for case in category.cases) == 6


def test_the_same_seed_gives_the_same_references(mvtec):
    (category,) = opened("mvtec-ad", mvtec)
    chosen = [[s.path.name for s in category.references(2, seed)] for seed in (5, 5)]
    assert chosen[0] == chosen[1]


def test_a_limit_keeps_every_kind(tmp_path):
    for n in range(20):
        picture(tmp_path / "c" / "good" / f"{n:02d}.png")
        picture(tmp_path / "c" / "bad" / f"{n:02d}.png")
    (category,) = opened("folder", tmp_path / "c", limit=6)
    assert len(category.cases) == 6
    assert {case.label for case in category.cases} == {"good", "structural"}


def test_the_world_is_half_good_and_holds_both_kinds_of_defect():
    (category,) = opened("world", None, categories=["tray"], limit=8)
    labels = [case.label for case in category.cases]
    assert labels.count("good") == 4
    assert {"logical", "structural"} <= set(labels)
    reference = category.references(1, 0)[0]
    assert all(reference.digest != case.photo().digest for case in category.cases)


@pytest.mark.parametrize(("name", "root"), [("nothing", None), ("mvtec-ad", None), ("folder", "absent")])
def test_a_wrong_call_gets_one_sentence(name, root, tmp_path):
    with pytest.raises(InputError) as caught:
        opened(name, tmp_path / root if root else None)
    assert "\n" not in str(caught.value)


def test_medleys_are_new_products_each_with_good_and_bad_cases():
    categories = open_benchmark("medleys", root=None, categories=None, split="all", seed=3, limit=16)
    assert len({c.name for c in categories}) == 2
    for category in categories:
        labels = [case.label for case in category.cases]
        assert labels.count("good") == 4
        assert {"logical", "structural"} < set(labels)
        assert len({s.digest for s in category.references(3, 0)}) == 3
    bad = next(case for case in categories[0].cases if case.label == "structural")
    assert bad.gt_mask().any()
    assert bad.gt_mask().shape == bad.photo().image.shape[:2]
