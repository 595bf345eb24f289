"""Types of defects by examples: a region is named by those that it is like; one that is like none is unknown."""

import numpy as np
import pytest

from tools.defects import DefectLesson, DefectLessons, RegionEmbedder, classify, leave_one_out
from tools.defects.embedding import crop_about
from tools.errors import InputError
from tools.images import sample_from_array
from tools.profiles import resolve_profile
from tools.toolbox import Toolbox

RNG = np.random.default_rng(3)
COMMON = RNG.normal(size=64) * 3
DIRECTIONS = {name: RNG.normal(size=64) for name in ("scratch", "dent", "stain")}


def embedded(defect, seed):
    """What a product's surface and a type of defect give, with some chance."""
    return (COMMON + DIRECTIONS[defect] + 0.3 * np.random.default_rng(seed).normal(size=64)).astype(np.float32)


def lesson(defect, seed, **changes):
    plain = {"photo": f"{defect}{seed}.png", "digest": f"{defect}{seed}", "box": (0.0, 0.0, 9.0, 9.0)}
    return DefectLesson(defect, embedding=embedded(defect, seed), **{**plain, **changes})


@pytest.fixture
def lessons():
    return DefectLessons("abc", tuple(lesson(d, n) for d in ("scratch", "dent") for n in range(2)))


@pytest.mark.parametrize("defect", ["scratch", "dent"])
def test_a_region_has_the_type_of_the_examples_that_it_is_like(lessons, defect):
    found = classify(embedded(defect, 99), lessons)
    name, p = found.best
    assert name == defect and 0.7 < p < 1 and sum(found.probabilities.values()) == pytest.approx(1)
    assert found.known and lessons.lessons[found.nearest].defect == defect


def test_a_region_that_is_like_no_example_is_unknown(lessons):
    assert not classify(embedded("stain", 99), lessons).known


def test_many_examples_of_one_type_do_not_make_it_likelier(lessons):
    more = lessons.added([lesson("scratch", n) for n in range(10, 30)])
    few, many = (classify(embedded("dent", 99), x).probabilities["dent"] for x in (lessons, more))
    assert many == pytest.approx(few, abs=0.1)


def test_examples_are_named_by_the_others(lessons):
    assert leave_one_out(lessons) == 1.0
    wrong = lessons.added([DefectLesson("scratch", "x.png", "x", (0, 0, 1, 1), embedded("dent", 8))])
    assert leave_one_out(wrong) < 1
    assert leave_one_out(DefectLessons("abc", (lesson("dent", 1),))) is None


def test_one_region_is_one_example_and_has_one_type(lessons):
    assert len(lessons.added([lesson("scratch", 0)]).lessons) == len(lessons.lessons)
    with pytest.raises(InputError, match="taught as 'scratch' already"):
        lessons.added([lesson("dent", 5, digest="scratch0")])


def test_lessons_come_back_from_their_file_and_of_another_backbone_are_refused(lessons, tmp_path):
    path = tmp_path / "tray.defects.safetensors"
    lessons.save(path)
    back = DefectLessons.load(path, "abc")
    assert back.types == lessons.types and (back.embeddings == lessons.embeddings).all()
    assert [x.box for x in back.lessons] == [x.box for x in lessons.lessons]
    with pytest.raises(InputError, match=r"embedded by the backbone abc, the profile has def.*--defect"):
        DefectLessons.load(path, "def")
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match="no lessons of defects that can be read"):
        DefectLessons.load(path, "abc")


@pytest.mark.parametrize("place", [(2, 3, 12, 40), (0, 0, 100, 4), (90, 50, 99, 60), (0, 0, 100, 60)])
def test_a_crop_holds_the_whole_region(place):
    x0, y0, x1, y1 = place
    mask = np.zeros((60, 100), dtype=bool)
    mask[y0:y1, x0:x1] = True
    image = np.dstack([mask * 255] * 3).astype(np.uint8)
    crop, inside = crop_about(image, mask)
    assert inside.sum() == mask.sum() and ((crop[..., 0] > 0) == inside).all()


def test_the_backbone_tells_a_line_from_a_disc_wherever_they_lie():
    embedder = RegionEmbedder(Toolbox.open(resolve_profile("nano"), "cpu").model("backbone"))
    rows, columns = np.mgrid[:128, :128]

    def region(kind, x, y):
        line = (abs(rows - y) < 2) & (abs(columns - x) < 24)
        mask = line if kind == "line" else (rows - y) ** 2 + (columns - x) ** 2 < 100
        image = np.full((128, 128, 3), 150, dtype=np.uint8)
        image[mask] = 60
        return embedder.embed(sample_from_array(image), mask)

    taught = [DefectLesson(k, k, k, (0, 0, 1, 1), region(k, 40, 40)) for k in ("line", "disc")]
    lessons = DefectLessons(embedder.model, tuple(taught))
    assert [classify(region(k, 80, 70), lessons).best[0] for k in ("line", "disc")] == ["line", "disc"]
    with pytest.raises(InputError, match="with 0 pixels marked"):
        embedder.embed(sample_from_array(np.zeros((64, 64, 3), np.uint8)), np.zeros((64, 64), bool))
