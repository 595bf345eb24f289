"""Sentences on real photos are listed photo by photo, and each distinct one once."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from evals.studies.report_sentences import frame, products, written
from tools.errors import InputError


def photo(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)


def test_products_of_three_layouts_are_found_with_their_references(tmp_path):
    for n in range(10):
        photo(tmp_path / "nut" / "train" / "good" / f"{n:03d}.png")
        photo(tmp_path / "cube" / "normal" / f"{n:03d}.png")
        photo(tmp_path / "cube" / "abnormal" / f"{n:03d}.png")
    for name in ("crack", "good"):
        photo(tmp_path / "nut" / "test" / name / "000.png")
    for name in ("normal", "abnormal"):
        photo(tmp_path / "pairs" / "box" / f"{name}.png")
    (tmp_path / "pairs" / "box" / "label.json").write_text('{"reference_normal_standards": "Two oranges.",\n}')
    found = {shown.name: shown for shown in products(tmp_path, 4)}
    assert [len(found[name].references) for name in ("nut", "cube", "box")] == [8, 8, 1]
    assert [path.parent.name for path in found["cube"].photos] == ["normal", "normal", "abnormal", "abnormal"]
    assert not {*found["cube"].references} & {*found["cube"].photos}
    assert [path.name for path in found["box"].photos] == ["abnormal.png", "normal.png"]
    assert found["box"].normal == "Two oranges."


def test_a_folder_without_products_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no product"):
        list(products(tmp_path, 4))
    with pytest.raises(InputError, match="not a folder"):
        list(products(tmp_path / "none", 4))


def test_a_sentence_with_other_numbers_and_names_is_the_same_sentence():
    one, other = (
        "Measured, but not sure: part K out of place, 2.5 px.",
        "Measured, but not sure: part B out of place, -3 px.",
    )
    assert frame(one) == frame(other) == "Measured, but not sure: '...' out of place, # px."
    report = SimpleNamespace(
        verdict=SimpleNamespace(score=0.5), explanation=[SimpleNamespace(text=one), SimpleNamespace(text=other)]
    )
    lines = list(written(SimpleNamespace(name="nut"), [(Path("test/crack/000.png"), report)]))
    assert lines[0] == "**nut, crack/000.png.** Score 0.50."
    assert lines[2:4] == [f"- {one}", f"- {other}"]
