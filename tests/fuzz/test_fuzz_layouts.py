"""Five hundred damaged data sets: each is read, or refused in one sentence, and no file outside of it is opened."""

import json
import os
import random
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from pretend import mask, picture

from evals.datasets import open_benchmark
from evals.datasets.mmad import open_mmad
from evals.datasets.visa import open_visa_dr
from tools.errors import InputError

MUTATIONS, SEED = 500, 46
HOSTILE = (
    b"../../secret/photo.png",
    b"/etc/passwd",
    b"..\\secret\\photo.png",
    b"\x00",
    b"\xff\xfe",
    b"[" * 200,
    b'{"a":' * 50,
    b"NaN",
    b"1e999",
    b"9" * 5000,
    b"null",
    b'"',
    b",",
    b"\n",
    b"\x1b[31m",
    b'"\\ud800"',
    b"\xe2\x80\xae",
    b"-1",
    b"a" * 400,
)
NAMES = ("a\nb.png", "\x1b[31m.png", os.fsdecode(b"\xff.png"), "train", "test", "x_test.png", "0.png.txt", "=1.png")
OPENED = []
WATCHING = []


def watch(event, arguments):
    known = WATCHING and event in ("open", "os.listdir", "os.scandir")
    if known and isinstance(arguments[0], str | bytes | os.PathLike):
        OPENED.append(os.fsdecode(arguments[0]))


def folder(root):
    for n in range(3):
        picture(root / "good" / f"{n}.png")
    picture(root / "bad" / "dent" / "b.png", spot=200)
    mask(root / "masks" / "b.png")


def mvtec(root):
    for name in ("train/good/0", "test/good/1", "test/logical_anomalies/2"):
        picture(root / "nut" / f"{name}.png")
    mask(root / "nut/ground_truth/logical_anomalies/2/000.png")
    kind = {"defect_name": "a", "pixel_value": 255, "saturation_threshold": 0.5, "relative_saturation": True}
    (root / "nut/defects_config.json").write_text(json.dumps([kind]))


def pairs(root):
    for name in ("a_test", "a_temp"):
        picture(root / "group1" / f"{name}.png")
    (root / "group1" / "a.txt").write_text("2 3 9 9 1\n4 4 8 9 2\n")
    (root / "test.txt").write_text("group1/a.png group1/a.txt\n")


def visa(root):
    for name in ("a", "b", "c"):
        picture(root / "candle" / f"{name}.png")
    mask(root / "candle/m.png")
    rows = ("train,normal,candle/a.png,", "test,normal,candle/b.png,", "test,anomaly,candle/c.png,candle/m.png")
    (root / "split_csv").mkdir()
    (root / "split_csv/1cls.csv").write_text(
        "".join(f"{row}\n" for row in ("object,split,label,image,mask", *(f"candle,{row}" for row in rows)))
    )


def visa_dr(root):
    visa(root)
    turns = [{"from": "gpt", "value": "a dent"}]
    record = [{"image": "VisA/candle/a.png", "questions": ["Why?"], "conversations": turns}]
    (root / "visa_dr.json").write_text(json.dumps(record))
    (root / "test_data.json").write_text(json.dumps([{"image": "candle/b.png", "anomaly": True}]))


def mmad(root):
    for name in ("a", "b"):
        picture(root / "MVTec/nut" / f"{name}.png")
    asked = {"Question": "Why?", "Answer": "A", "Options": {"A": "x", "B": "y"}, "type": "t"}
    record = {"conversation": [asked], "random_templates": ["MVTec/nut/b.png"]}
    (root / "mmad.json").write_text(json.dumps({"MVTec/nut/a.png": record}))


LAYOUTS = (folder, mvtec, pairs, visa, visa_dr, mmad)


def damage(root, chance):
    """One file changed, removed, renamed or made another kind; of texts three times as often as of photos."""
    files = sorted(p for p in root.rglob("*") if p.is_file() and not p.is_symlink())
    if not files:
        return
    texts = [p for p in files if p.suffix in (".json", ".csv", ".txt")]
    path = chance.choice(texts) if texts and chance.random() < 0.75 else chance.choice(files)
    how = chance.random()
    if how < 0.8:
        content = bytearray(path.read_bytes())
        at = chance.randrange(len(content) + 1)
        kind = chance.randrange(3)
        if kind == 0:
            content[at : at + chance.randrange(30)] = chance.choice(HOSTILE)
        elif kind == 1:
            del content[at : at + chance.randrange(1, 60)]
        else:
            content[at : at + 1] = bytes([chance.randrange(256)])
        path.write_bytes(content)
    elif how < 0.86:
        path.unlink()
    elif how < 0.92:
        target = path.with_name(chance.choice(NAMES))
        if not target.is_dir():
            path.rename(target)
    elif how < 0.96:
        path.unlink()
        path.mkdir()
    else:
        path.unlink()
        os.mkfifo(path)


def read_all(opened):
    """Every photo, mask, region and template that a reader gives."""
    for found in opened:
        if hasattr(found, "questions"):
            readers = [found.photo, *found.templates]
        else:
            assert found.name.isprintable()
            readers = [lambda found=found: found.references(2, 0)]
            readers += [r for c in found.cases for r in (c.photo, c.gt_mask, c.regions, c.template) if r is not None]
        for reader in readers:
            try:
                reader()
            except InputError as error:
                assert "\0" not in str(error)


def test_no_damaged_data_set_brings_a_traceback_or_opens_a_file_elsewhere(tmp_path):
    sys.addaudithook(watch)
    secret = picture(tmp_path / "secret" / "photo.png")
    for layout in LAYOUTS:
        (tmp_path / layout.__name__).mkdir()
        layout(tmp_path / layout.__name__)
    chance, refused = random.Random(SEED), 0
    for number in range(MUTATIONS):
        layout = chance.choice(LAYOUTS)
        root = tmp_path / "sets" / str(number)
        shutil.copytree(tmp_path / layout.__name__, root)
        opens = openers(root)[layout.__name__]
        for _ in range(chance.choice((1, 2, 5))):
            damage(root, chance)
        WATCHING.append(True)
        try:
            read_all(opens())
        except InputError as error:
            refused += 1
            assert "\0" not in str(error)
        except Exception as error:
            pytest.fail(f"mutation {number} of {layout.__name__}: {type(error).__name__}: {error}")
        finally:
            WATCHING.clear()
    assert MUTATIONS // 4 < refused < MUTATIONS
    inside = [os.path.realpath(name) for name in OPENED if str(tmp_path) in os.path.realpath(name)]
    assert inside
    assert [name for name in inside if not name.startswith(os.path.realpath(tmp_path / "sets"))] == []
    assert "/etc/passwd" not in OPENED
    assert secret.is_file()


def openers(root):
    """How each layout is opened, without being written again."""
    plain = {"folder": "folder", "mvtec": "mvtec-loco", "pairs": "pairs", "visa": "visa"}
    found = {
        name: lambda known=known: open_benchmark(known, root=root, categories=None, split="all", seed=0, limit=None)
        for name, known in plain.items()
    }
    return found | {"visa_dr": lambda: open_visa_dr(root), "mmad": lambda: open_mmad(root)}
