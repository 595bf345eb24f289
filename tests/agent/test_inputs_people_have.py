"""What people pass to the Python interface, and what they print of it."""

import pickle

import numpy as np
import pytest
from PIL import Image

from looktwice import Inspector
from looktwice.examples import examples
from tools.errors import InputError
from tools.images import load_sample, sample_from_picture

WOOD = next(e for e in examples() if e.name == "wood")


@pytest.fixture(scope="module")
def inspector():
    return Inspector("nano", looks=0)


@pytest.fixture(scope="module")
def report(inspector):
    return inspector.inspect(Image.open(WOOD.photos[0]))


def test_a_pil_image_is_the_photo_of_its_file(inspector, report):
    assert report.verdict == inspector.inspect(WOOD.photos[0]).verdict


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "I;16", "F"])
def test_pil_images_of_other_modes_are_taken_as_from_a_file(tmp_path, mode):
    grey = Image.fromarray(np.arange(1024, dtype=np.uint8).reshape(32, 32) % 200)
    picture = Image.fromarray(np.asarray(grey, np.uint16) * 20) if mode == "I;16" else grey.convert(mode)
    path = tmp_path / ("photo.tif" if mode in ("CMYK", "F", "I;16") else "photo.png")
    picture.save(path)
    assert sample_from_picture(picture).digest == load_sample(path).digest


def test_an_inspector_is_pickled_by_what_it_was_made_with():
    made = Inspector("nano", looks=2, prior=0.2, language="zh")
    again = pickle.loads(pickle.dumps(made))
    assert (again.profile, again.context.budget.looks, again.context.prior) == ("nano", 2, 0.2)
    assert again.context.language == "zh"


@pytest.mark.parametrize("photo", [None, 3, ["a.png"], b"png"])
def test_what_is_no_photo_is_one_sentence(inspector, photo):
    with pytest.raises(InputError, match="accepted are a path, a PIL image"):
        inspector.inspect(photo)


def test_a_report_prints_one_line_and_shows_its_page_in_a_notebook(report):
    assert "\n" not in repr(report) and len(repr(report)) < 200
    assert str(round(report.verdict.score, 3)) in repr(report)
    assert "<iframe" in report._repr_html_()
    read = type(report).model_validate_json(report.to_json())
    assert report.explanation[0].text[:20] in read._repr_html_()
