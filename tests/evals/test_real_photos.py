"""Sentences on real photos are listed photo by photo, and each distinct one once."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from evals.studies.report_sentences import Totals, frame, products, written
from tools.errors import InputError


def photo(path, side=8):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((side, side, 3), np.uint8)).save(path)


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
    one, other = "Possibly: a spot, lower left, about 3 px.", "Possibly: a spot, right side, about 12 px."
    assert frame(one) == frame(other) == "Possibly: a spot, PLACE, about # px."


def inspected(*sentences, box=None):
    """A report of an anomalous photo with sentences (role, text, whether stated as a fact)."""
    evidence = [SimpleNamespace(id="E1", part=None, facts={}, topic="patch", status=None, box=box)]
    said = [SimpleNamespace(role=r, text=t, certain=c, cites=("E1",)) for r, t, c in sentences]
    return SimpleNamespace(verdict=SimpleNamespace(score=0.97, anomalous=True), explanation=said, evidence=evidence)


VERDICT = ("verdict", "Anomalous (sure).", True)


def test_a_sentence_that_contradicts_its_folder_is_marked_and_counted():
    report = inspected(VERDICT, ("finding", "Possibly: a spot.", False))
    nut = SimpleNamespace(name="nut")
    lines = list(written(nut, [(Path("nut/test/good/000.png"), report)]))
    assert lines[0] == "**nut, good/000.png.** Score 0.97."
    assert lines[2:4] == ["- Anomalous (sure). (false)", "- Possibly: a spot."]
    assert "- Anomalous (sure)." in list(written(nut, [(Path("nut/abnormal/000.png"), report)]))
    totals = Totals()
    totals.add(Path("nut/test/good/000.png"), report)
    totals.add(Path("nut/abnormal/000.png"), report)
    assert (totals.true, totals.checked) == (1, 2)
    assert next(totals.lines()) == "1 of 2 sentences that are stated as facts are true, 0.500."
    assert "| Anomalous (sure). | 2 | 1 |" in list(totals.lines())


def test_a_place_that_no_mask_touches_is_false(tmp_path):
    photo(tmp_path / "nut" / "test" / "hole" / "000.png", 64)
    mask = np.zeros((64, 64), np.uint8)
    mask[:8, :8] = 255
    truth = tmp_path / "nut" / "ground_truth" / "hole" / "000_mask.png"
    truth.parent.mkdir(parents=True)
    Image.fromarray(mask).save(truth)
    spot = ("finding", "A spot.", True)
    for box, true in (((0.0, 0.0, 9.0, 9.0), 1), ((40.0, 40.0, 50.0, 50.0), 0)):
        totals = Totals()
        totals.add(tmp_path / "nut" / "test" / "hole" / "000.png", inspected(spot, box=box))
        assert (totals.true, totals.checked) == (true, 1)
