"""Each real layout, made tiny: readers join photos, masks and questions, and name what is missing."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from pretend import mask, parts_folder, picture

from evals.datasets import open_benchmark
from evals.datasets.mmad import open_mmad
from evals.datasets.questions import of_categories, spread
from evals.datasets.visa import detection_split, open_visa_dr
from tools.errors import InputError


def opened(name, root, **options):
    given = {"categories": None, "split": "all", "seed": 0, "limit": None, **options}
    return open_benchmark(name, root=root, **given)


@pytest.fixture
def visa(tmp_path):
    lines = ["object,split,label,image,mask"]
    for name in ("candle", "pcb1", "pcb2"):
        for n in range(3):
            photo = f"{name}/Data/Images/Normal/{n:04d}.JPG"
            picture(tmp_path / photo)
            lines.append(f"{name},{'test' if n == 2 else 'train'},normal,{photo},")
        photo, truth = f"{name}/Data/Images/Anomaly/000.JPG", f"{name}/Data/Masks/Anomaly/000.png"
        picture(tmp_path / photo, spot=250)
        mask(tmp_path / truth, 3)
        lines.append(f"{name},test,anomaly,{photo},{truth}")
    (tmp_path / "split_csv").mkdir()
    (tmp_path / "split_csv" / "1cls.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_raw_visa_keeps_the_official_split_and_reads_masks_of_class_indices(visa):
    categories = {c.name: c for c in opened("visa", visa)}
    assert set(categories) == {"candle", "pcb1", "pcb2"}
    board = categories["pcb1"]
    assert board.product == "printed circuit board"
    assert {c.id: c.label for c in board.cases} == {"Normal/0002.JPG": "good", "Anomaly/000.JPG": "structural"}
    assert {c.label: c.gt_mask().sum() for c in board.cases} == {"good": 0, "structural": 40}
    assert {s.path.name for s in board.references(5, 0)} == {"0000.JPG", "0001.JPG"}


def test_raw_visa_says_which_photo_or_mask_is_missing(visa):
    (visa / "candle/Data/Masks/Anomaly/000.png").unlink()
    with pytest.raises(InputError, match=r"its mask is missing .*Masks/Anomaly/000\.png"):
        opened("visa", visa)
    (visa / "candle/Data/Images/Normal/0001.JPG").unlink()
    with pytest.raises(InputError, match=r"0001\.JPG: is named in split_csv"):
        opened("visa", visa)


def test_prepared_visa_has_the_layout_of_mvtec_with_masks_named_like_photos(tmp_path):
    picture(tmp_path / "1cls" / "candle" / "train" / "good" / "0000.JPG")
    picture(tmp_path / "1cls" / "candle" / "test" / "good" / "0001.JPG")
    picture(tmp_path / "1cls" / "candle" / "test" / "bad" / "000.JPG")
    mask(tmp_path / "1cls" / "candle" / "ground_truth" / "bad" / "000.png", 1)
    (category,) = opened("visa", tmp_path)
    assert {c.label: c.gt_mask().sum() for c in category.cases} == {"good": 0, "structural": 40}


def test_a_folder_that_is_no_visa_names_both_layouts(tmp_path):
    with pytest.raises(InputError, match=r"neither split_csv/1cls\.csv"):
        opened("visa", tmp_path)


def test_two_photos_of_one_stem_are_refused_since_a_mask_could_be_either_s(tmp_path):
    picture(tmp_path / "nut" / "train" / "good" / "000.png")
    for name in ("000.png", "000.jpg"):
        picture(tmp_path / "nut" / "test" / "bent" / name)
    mask(tmp_path / "nut" / "ground_truth" / "bent" / "000_mask.png")
    with pytest.raises(InputError, match=r"same name as 000\.jpg"):
        opened("mvtec-ad", tmp_path)


def test_a_folder_takes_masks_by_name_and_a_defect_s_name_from_its_subfolder(tmp_path):
    root = parts_folder(tmp_path / "parts")
    (root / "bad" / "dent").mkdir()
    picture(root / "bad" / "dent" / "d.png")
    mask(root / "masks" / "d_mask.png", 7)
    (category,) = opened("folder", root)
    cases = {c.id: c for c in category.cases}
    assert (cases["bad/dent/d.png"].defect, cases["bad/dent/d.png"].gt_mask().sum()) == ("dent", 40)
    assert cases["bad/b1.png"].gt_mask().sum() == 40
    assert not next(c for c in category.cases if c.label == "good").gt_mask().any()
    (root / "masks" / "b1.png").unlink()
    with pytest.raises(InputError, match=r"b1\.png: its mask is missing"):
        opened("folder", root)


def test_a_mask_of_another_size_is_named_when_it_is_read(tmp_path):
    root = parts_folder(tmp_path / "parts")
    mask(root / "masks" / "b1.png", size=(32, 32))
    (category,) = opened("folder", root)
    with pytest.raises(InputError, match=r"b1\.png: is 32 x 32 pixels, its photo 32 x 24"):
        next(c for c in category.cases if c.id == "bad/b1.png").gt_mask()


@pytest.fixture
def pairs(tmp_path):
    group = tmp_path / "group00041"
    for n, boxes in (("00041000", "10 4 20 8 3\n"), ("00041001", ""), ("00041002", "1 1 5 5 1\n8 8 12 12 2\n")):
        picture(group / "00041" / f"{n}_temp.jpg")
        picture(group / "00041" / f"{n}_test.jpg", spot=200)
        (group / "00041_not").mkdir(exist_ok=True)
        (group / "00041_not" / f"{n}.txt").write_text(boxes)
    return tmp_path


def test_pairs_have_a_template_each_and_boxes_as_truth(pairs):
    (category,) = opened("pairs", pairs)
    cases = {c.id: c for c in category.cases}
    assert (category.name, category.product) == ("group00041", "printed circuit board")
    assert [cases[n].label for n in sorted(cases)] == ["structural", "good", "structural"]
    assert [cases[n].defect for n in sorted(cases)] == ["mouse bite", "", "several"]
    assert cases["00041000"].gt_mask().sum() == 40
    assert cases["00041000"].template().path.name == "00041000_temp.jpg"


def test_pairs_keep_to_the_official_test_list_where_it_is_there(pairs):
    (pairs / "test.txt").write_text("group00041/00041/00041002.jpg group00041/00041_not/00041002.txt\n")
    (category,) = opened("pairs", pairs)
    assert [c.id for c in category.cases] == ["00041002"]


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("00041/00041001_temp.jpg", None, "its template is missing"),
        ("00041_not/00041001.txt", None, "its boxes are missing"),
        ("00041_not/00041001.txt", "1 2 3\n", "line 1: '1 2 3'; accepted is x0 y0 x1 y1 type"),
        ("00041_not/00041001.txt", "9 2 3 4 1\n", "is empty"),
    ],
)
def test_half_a_pair_or_a_wrong_box_is_named(pairs, file, text, said):
    path = pairs / "group00041" / file
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(InputError, match=said):
        opened("pairs", pairs)


def test_visa_d_and_r_asks_for_defects_first_then_questions_in_turn(visa):
    base = visa / "VisA"
    base.mkdir()
    for name in ("candle", "pcb1", "pcb2"):
        (visa / name).rename(base / name)
    rows = [
        {"image": f"VisA/{name}/Data/Images/{kind}", "anomaly": kind.startswith("Anomaly")}
        for name in ("candle", "pcb1", "pcb2")
        for kind in ("Normal/0002.JPG", "Anomaly/000.JPG")
    ]
    (base / "test_data.json").write_text(json.dumps(rows))
    asked = {"questions": ["What is wrong?", "What could have caused it?"], "answers": ["A dent.", "A fall."]}
    (base / "visa_dr.json").write_text(
        json.dumps([{"image": f"VisA/{n}/Data/Images/Anomaly/000.JPG", **asked} for n in ("candle", "pcb2")])
    )
    items = open_visa_dr(visa)
    assert Counter((i.category, i.questions[0].kind) for i in items) == {
        ("candle", "detect"): 2,
        ("pcb1", "detect"): 2,
        ("candle", "tell"): 1,
    }
    assert [i.questions[0].truth for i in items[:2]] == ["no", "yes"]
    assert [(q.topic, q.truth) for q in items[-1].questions] == [("low_level", "A dent."), ("complex", "A fall.")]
    assert not items[-1].templates
    assert [i.category for i in of_categories(items, ["pcb1"])] == ["pcb1", "pcb1"]
    assert len(spread(items, 2)) == 2


def test_without_test_data_the_detection_part_is_that_of_visa_s_own_split(visa):
    items = open_visa_dr(visa)
    assert Counter(i.category for i in items) == {"candle": 2, "pcb1": 2}


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ([{"image": "VisA/candle/x.JPG", "questions": ["Why?"]}], "is named in the benchmark but not there"),
        ([{"image": "VisA/candle/x.JPG", "questions": []}], "questions"),
        ([{"image": "a", "questions": ["Why?"], "answers": ["a", "b"]}], "1 questions and 2 answers"),
        ({"image": "a"}, "visa_dr.json: the file"),
    ],
)
def test_wrong_records_of_visa_d_and_r_are_named(visa, record, said):
    (visa / "visa_dr.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=said):
        open_visa_dr(visa)


@pytest.fixture
def mmad(tmp_path):
    for name in ("MVTec/nut/test/bent/0.png", "MVTec/nut/train/good/1.png", "MVTec/nut/test/good/2.png"):
        picture(tmp_path / name)
    options = {"A": "Yes", "B": "No"}
    record = {
        "image_path": "MVTec/nut/test/bent/0.png",
        "conversation": [
            {"Question": "Is there any defect?", "Answer": "A", "Options": options, "type": "Anomaly Detection"},
            {
                "Question": "What is it?",
                "Answer": "B.",
                "Options": {"A": "A ring", "B": "A nut"},
                "type": "Object Details",
            },
        ],
        "similar_templates": [],
        "random_templates": ["MVTec/nut/train/good/1.png"],
    }
    (tmp_path / "mmad.json").write_text(json.dumps({"MVTec/nut/test/bent/0.png": record}))
    return tmp_path


def test_mmad_shows_one_template_and_merges_the_types_as_its_tables_do(mmad):
    (item,) = open_mmad(mmad)
    assert (item.category, item.product, len(item.templates)) == ("MVTec", "nut", 1)
    assert [(q.topic, q.truth) for q in item.questions] == [("Anomaly Detection", "A"), ("Object Analysis", "B")]
    assert not open_mmad(mmad, shots=0)[0].templates


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"Answer": "A"', '"Answer": "E"', "the answer 'E' is none of the options A, B"),
        ('["MVTec/nut/train/good/1.png"]', "[]", "0 random_templates, 1 are asked for"),
        ("train/good/1.png", "train/good/9.png", "9.png: is named in mmad.json but not there"),
        ('"conversation"', '"talk"', "conversation"),
    ],
)
def test_wrong_records_of_mmad_are_named(mmad, old, new, said):
    path = mmad / "mmad.json"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=said):
        open_mmad(mmad)


def test_a_benchmark_without_its_data_says_so_in_one_sentence(tmp_path):
    with pytest.raises(InputError, match="needs its data set; give its folder by --root"):
        opened("visa", None)
    with pytest.raises(InputError, match=r"holds no photos named NAME_test\.jpg"):
        opened("pairs", tmp_path)


@pytest.mark.data
def test_the_official_split_gives_the_detection_part_of_the_benchmark():
    root = os.environ.get("LOOKTWICE_DATA")
    path = Path(root or "none") / "annotations" / "visa_1cls.csv"
    if not path.exists():
        pytest.skip("set LOOKTWICE_DATA to the folder that holds annotations/visa_1cls.csv")
    found = Counter(record.anomaly for record in detection_split(path))
    assert (found[False], found[True]) == (761, 1000)
