"""The written world is whole, in the layout of MVTec LOCO, and never half there."""

import errno
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from PIL import Image

from nano.world import FAMILIES, HELDOUT, write_gallery, write_world
from tools.errors import InputError

SMALL = {"seed": 5, "families": ["tray", "nut"], "count": 3, "size": 64, "workers": 1}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    directory = tmp_path_factory.mktemp("written") / "world"
    write_world(directory, **SMALL)
    return directory


def contents(directory):
    return {p.relative_to(directory).as_posix(): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def test_the_layout_is_that_of_mvtec_loco(world):
    for folder in ("train/good", "validation/good", "test/good", "test/logical_anomalies", "test/structural_anomalies"):
        assert [p.name for p in sorted((world / "tray" / folder).iterdir())] == ["000.png", "001.png", "002.png"]
    assert not (world / "nut/test/logical_anomalies").exists()
    config = json.loads((world / "tray/defects_config.json").read_text())
    by_value = {entry["pixel_value"]: entry for entry in config}
    assert len(by_value) == len(config)
    for photo in sorted((world / "tray/test").glob("*_anomalies/*.png")):
        mask = np.asarray(Image.open(world / "tray/ground_truth" / photo.parent.name / photo.stem / "000.png"))
        (value,) = set(np.unique(mask)) - {0}
        assert by_value[int(value)]["relative_saturation"] and 0 < by_value[int(value)]["saturation_threshold"] <= 1


def test_lines_tell_the_truth_of_their_photo(world):
    parts = [json.loads(line) for line in (world / "parts.jsonl").read_text().splitlines()]
    asked = [json.loads(line) for line in (world / "qa.jsonl").read_text().splitlines()]
    assert len(parts) == len(list(world.rglob("*/good/*.png"))) + len(list(world.rglob("*_anomalies/*.png")))
    for line in parts:
        assert (world / line["image"]).is_file() and bool(line["defects"]) == ("anomalies" in line["image"])
        for part in line["parts"]:
            zeros, ones = part["mask"]["counts"][::2], part["mask"]["counts"][1::2]
            assert sum(zeros) + sum(ones) == 64 * 64 and sum(ones) > 0
    for line in asked:
        images = line["image"] if isinstance(line["image"], list) else [line["image"]]
        assert all((world / image).is_file() for image in images + line["mask"])
        turns = line["conversations"]
        assert [turn["from"] for turn in turns] == ["human", "gpt"] * (len(turns) // 2)
        assert turns[0]["value"].count("<image>") == len(images)
        assert turns[1]["value"] == ("Yes" if line["defect"] else "No")


def test_the_product_file_says_what_normal_looks_like(world):
    about = yaml.safe_load((world / "nut/product.yaml").read_text())
    assert about["product"] == "hexagon nut" and "threaded bore" in about["normal"] and about["split"] == "heldout"


def test_the_same_seed_writes_the_same_bytes_whatever_the_number_of_workers(world, tmp_path):
    write_world(tmp_path / "again", **{**SMALL, "workers": 2})
    assert contents(tmp_path / "again") == contents(world)


def test_every_family_is_written_by_default_and_progress_is_told(tmp_path):
    told = []
    write_world(tmp_path / "all", seed=11, count=1, size=64, workers=1, progress=lambda *step: told.append(step))
    assert sorted(p.parent.name for p in (tmp_path / "all").glob("*/product.yaml")) == sorted(FAMILIES)
    assert (
        told[-1][0]
        == told[-1][1]
        == len(list((tmp_path / "all").rglob("[0-9]*.png")))
        - len(list((tmp_path / "all").rglob("ground_truth/*/*/*.png")))
    )
    write_world(tmp_path / "held", seed=11, count=1, size=64, workers=1, split="heldout")
    assert sorted(p.parent.name for p in (tmp_path / "held").glob("*/product.yaml")) == sorted(HELDOUT)


def test_an_earlier_world_is_replaced_only_by_force_and_nothing_else_ever_is(tmp_path):
    directory = tmp_path / "world"
    one = {**SMALL, "families": ["nut"], "count": 1}
    write_world(directory, **one)
    with pytest.raises(InputError, match="is not empty; name another folder, or pass --force"):
        write_world(directory, **one)
    write_world(directory, **{**one, "families": ["gear"]}, force=True)
    assert not (directory / "nut").exists() and (directory / "gear").is_dir()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="something else than a world"):
        write_world(tmp_path / "precious", **one, force=True)
    assert (tmp_path / "precious" / "thesis.txt").exists()


def test_an_interrupted_write_leaves_nothing_behind(tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_world(tmp_path / "world", **SMALL, progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("code", "said"), [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "permission is denied")])
def test_a_disk_that_refuses_is_said_in_one_sentence(tmp_path, monkeypatch, code, said):
    def refuse(image, target, *args, **kwargs):
        if isinstance(target, Path):
            raise OSError(code, "refused")
        return save(image, target, *args, **kwargs)

    save = Image.Image.save
    monkeypatch.setattr(Image.Image, "save", refuse)
    with pytest.raises(InputError, match=said):
        write_world(tmp_path / "world", **SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"families": ["spoon"]}, "Unknown family 'spoon'"),
        ({"count": 0}, "Count is 0"),
        ({"split": "most", "families": None}, "Unknown split 'most'"),
        ({"style": "noir"}, "Unknown style 'noir'"),
        ({"count": 10**9}, "Count is 1000000000; give from 1 to 100000"),
    ],
)
def test_a_wrong_call_is_refused_before_anything_is_written(tmp_path, change, said):
    with pytest.raises(InputError, match=said):
        write_world(tmp_path / "world", **{**SMALL, **change})
    assert list(tmp_path.iterdir()) == []


def test_a_world_that_does_not_fit_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("nano.world.write.shutil.disk_usage", lambda place: SimpleNamespace(free=50_000))
    with pytest.raises(InputError, match=r"needs about 0.* MB are free; free some space or lower the count"):
        write_world(tmp_path / "world", **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_path_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        write_world(tmp_path / "file", **SMALL)
    with pytest.raises(InputError, match="cannot be written"):
        write_world(tmp_path / "file" / "below", **SMALL)


def test_the_gallery_needs_nothing_but_itself(tmp_path):
    write_gallery(tmp_path / "page" / "out.html", seed=1, families=["tray"], goods=2, size=64)
    page = (tmp_path / "page" / "out.html").read_text()
    assert "http://" not in page and "https://" not in page and page.count("data:image/jpeg;base64,") == 2 + 2 * 14
    with pytest.raises(InputError, match="Unknown family"):
        write_gallery(tmp_path / "x.html", seed=1, families=["spoon"])
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be written"):
        write_gallery(Path(tmp_path / "file" / "x.html"), seed=1, families=["nut"], goods=1, size=64)
