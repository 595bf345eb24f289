"""A person teaches types of defects by photos; later findings are named by them, in the report and its data."""

import json

import numpy as np
import pytest
from PIL import Image

from agent import Inspector
from looktwice.examples import examples
from tools.errors import InputError


@pytest.fixture(scope="module")
def wood():
    return next(e for e in examples() if e.name == "wood")


@pytest.fixture(scope="module")
def inspector():
    return Inspector("nano", looks=0)


def shown(wood, name):
    return next(path for path in wood.photos if path.stem == name)


@pytest.fixture(scope="module")
def taught(inspector, wood, tmp_path_factory):
    """The product's file, with a scratch and a hole taught and saved beside it."""
    path = tmp_path_factory.mktemp("products") / "wood.yaml"
    product = inspector.learn("wood", wood.references)
    product, _ = inspector.teach(product, "Scratch", [shown(wood, "scratch")])
    product, said = inspector.teach(product, "hole", [shown(wood, "hole")])
    assert said == ("hole: 1 example; types: scratch, hole",)
    product.save(path)
    return path


def test_a_finding_is_named_by_the_example_that_it_is_like(inspector, wood, taught):
    report = inspector.inspect(shown(wood, "hole"), product=taught)
    (typed,) = [e for e in report.evidence if e.source == "lessons"]
    assert typed.llr == 0 and typed.topic == "defect_name"
    first = report.findings[0]
    assert (first.type, first.nearest_lesson) == ("hole", "hole.png") and first.type_probability > 0.7
    sentence = next(s for s in report.explanation if s.role == "type")
    assert sentence.text == "*Likely type (inferred):* hole, most like the example hole.png."
    assert sentence.cites == (typed.id,)
    assert json.loads(report.to_json())["findings"][0]["type"] == "hole"


def test_types_change_no_verdict(inspector, wood, taught):
    product = inspector.load(taught)
    photo, plain = shown(wood, "scratch"), inspector.learn("wood", wood.references)
    assert product.lessons.types == ("scratch", "hole") and plain.lessons is None
    assert inspector.inspect(photo, product=product).verdict == inspector.inspect(photo, product=plain).verdict


def test_a_mask_marks_the_region_of_a_photo_on_which_nothing_stands_out(inspector, wood, taught, tmp_path):
    product = inspector.load(taught)
    with pytest.raises(InputError, match=r"good\.png: no place on it stands out.*--mask"):
        inspector.teach(product, "knot", [shown(wood, "good")])
    marked = np.zeros((256, 256), np.uint8)
    marked[60:100, 60:90] = 255
    Image.fromarray(marked).save(tmp_path / "mask.png")
    more, _ = inspector.teach(product, "knot", [shown(wood, "good")], [tmp_path / "mask.png"])
    assert more.lessons.types == ("scratch", "hole", "knot") and more.lessons.lessons[-1].box == (60, 60, 90, 100)
    with pytest.raises(InputError, match="taught as 'knot' already"):
        inspector.teach(more, "stain", [shown(wood, "good")], [tmp_path / "mask.png"])
    with pytest.raises(InputError, match="1 masks for 2 photos"):
        inspector.teach(product, "knot", [shown(wood, "good"), shown(wood, "hole")], [tmp_path / "mask.png"])
    Image.fromarray(marked[:100]).save(tmp_path / "small.png")
    with pytest.raises(InputError, match=r"small\.png: is 256 x 100 pixels, its photo 256 x 256"):
        inspector.teach(product, "knot", [shown(wood, "good")], [tmp_path / "small.png"])
    with pytest.raises(InputError, match="empty name"):
        inspector.teach(product, " ", [shown(wood, "hole")])
