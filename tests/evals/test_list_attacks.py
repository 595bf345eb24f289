"""A data set's own lists name files: none of them leads out of the data set's folder, and none breaks the reader."""

import json

import pytest
from pretend import mask, picture

from evals.datasets import open_benchmark
from evals.datasets.mmad import open_mmad
from evals.datasets.visa import open_visa_dr
from tools.errors import InputError

WAYS = ("absolute", "parent", "parent in the middle", "backslashes", "link", "linked folder", "long", "zero byte")


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "data"
    for name in ("candle/a.png", "candle/b.png", "MVTec/nut/a.png"):
        picture(folder / name)
    mask(folder / "candle" / "m.png")
    return folder


def attack(root, way):
    """A name in a list that leads to a photo outside of the data set, or to none."""
    secret = picture(root.parent / "secret" / "photo.png")
    (root / "link.png").symlink_to(secret)
    (root / "folder").symlink_to(secret.parent)
    return {
        "absolute": str(secret),
        "parent": "../secret/photo.png",
        "parent in the middle": "candle/../../secret/photo.png",
        "backslashes": "..\\secret\\photo.png",
        "link": "link.png",
        "linked folder": "folder/photo.png",
        "long": "a" * 5000,
        "zero byte": "a\0b.png",
    }[way]


def opened_mmad(root, name):
    asked = {"Question": "Why?", "Answer": "A", "Options": {"A": "x", "B": "y"}, "type": "t"}
    photos = ("MVTec/nut/a.png", name)
    for photo, template in (photos, photos[::-1]):
        record = {"conversation": [asked], "random_templates": [template]}
        (root / "mmad.json").write_text(json.dumps({photo: record}))
        yield lambda: open_mmad(root)


def opened_visa(root, name):
    (root / "split_csv").mkdir()
    for row in (
        f"test,normal,{name},",
        f"train,normal,{name},",
        f"test,anomaly,candle/a.png,{name}",
        f"test,anomaly,{name},candle/m.png",
    ):
        (root / "split_csv/1cls.csv").write_text(f"object,split,label,image,mask\ncandle,{row}\n")
        yield lambda: open_benchmark("visa", root=root, categories=None, split="all", seed=0, limit=None)
    (root / "split_csv/1cls.csv").write_text(f"object,split,label,image,mask\ncandle,test,normal,{name},\n")
    yield lambda: open_visa_dr(root)


def opened_visa_dr(root, name):
    (root / "test_data.json").write_text(json.dumps([{"image": f"VisA/{name}", "anomaly": True}]))
    yield lambda: open_visa_dr(root)
    (root / "test_data.json").write_text("[]")
    (root / "visa_dr.json").write_text(json.dumps([{"image": name, "questions": ["Why?"]}]))
    yield lambda: open_visa_dr(root)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("reader", [opened_mmad, opened_visa, opened_visa_dr])
def test_no_name_in_a_list_leads_out_of_the_data_set(root, reader, way):
    name = attack(root, way)
    for attempt in reader(root, name):
        with pytest.raises(InputError, match=r"leads out of|no file can be called") as caught:
            attempt()
        assert "\n" not in str(caught.value)
        assert "\0" not in str(caught.value)


def test_a_root_that_is_itself_a_link_is_read(root, tmp_path):
    (tmp_path / "linked").symlink_to(root)
    (root / "test_data.json").write_text(json.dumps([{"image": "VisA/candle/a.png", "anomaly": False}]))
    assert [item.id for item in open_visa_dr(tmp_path / "linked")] == ["detect/candle/a.png"]
