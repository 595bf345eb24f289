"""A run that is killed for real goes on; one that meets bad files counts them; one that is not its own is refused."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pretend import Inspector, mask, parts_folder, picture, refuse, settings

from evals.datasets import open_benchmark
from evals.run.results import PREDICTIONS, Prediction, RunSettings, read_lines, read_results
from evals.run.runner import run
from tools.errors import InputError, ModelError

ROOT = Path(__file__).parents[2]
LONG = os.environ.get("LOOKTWICE_LONG") == "1"
SLOW = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from pretend import Inspector, settings
from evals.datasets import open_benchmark
from evals.run.runner import run

class Slow(Inspector):
    def inspect(self, photo, *, product=None):
        time.sleep({pause})
        return super().inspect(photo, product=product)

root, out = Path(sys.argv[1]), Path(sys.argv[2])
run(Slow(), open_benchmark("folder", root=root, categories=None, split="all", seed=0, limit=None), settings(), out)
"""


def categories_of(root):
    return open_benchmark("folder", root=root, categories=None, split="all", seed=0, limit=None)


def lines_of(out):
    path = out / PREDICTIONS
    return path.read_bytes().count(b"\n") if path.exists() else 0


def start(root, out, pause):
    code = SLOW.format(tests=str(ROOT / "tests"), pause=pause)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code, str(root), str(out)], env=environment, cwd=ROOT)


def test_kills_at_random_moments_neither_repeat_nor_lose_an_image(tmp_path):
    kills, good, bad = (20, 190, 50) if LONG else (2, 8, 6)
    root, out, chance = parts_folder(tmp_path / "parts", good=good, bad=bad), tmp_path / "out", random.Random(12)
    whole = run(Inspector(), categories_of(root), settings(), tmp_path / "whole")
    images = len(read_lines(tmp_path / "whole" / PREDICTIONS, Prediction))
    for _ in range(kills):
        before, process = lines_of(out), start(root, out, 0.1)
        until = time.monotonic() + 60
        while lines_of(out) <= before and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.25))
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert lines_of(out) > before
    assert not (out / "results.json").exists()
    assert start(root, out, 0).wait() == 0
    rows = read_lines(out / PREDICTIONS, Prediction)
    assert len({(p.category, p.id) for p in rows}) == len(rows) == images
    found = read_results(out)
    for name in ("image_auroc", "f1", "aupro", "ece"):
        assert found.metrics[name] == whole.metrics[name]
    assert found.intervals == whole.intervals


class Breaking(Inspector):
    """Breaks on some photos, by number."""

    def __init__(self, error, photos):
        super().__init__()
        self.error, self.photos, self.number = error, photos, 0

    def inspect(self, photo, *, product=None):
        self.number += 1
        if self.number in self.photos:
            raise self.error
        return super().inspect(photo, product=product)


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError("no room"), ValueError("a nan"), ModelError("the server is gone")]
)
def test_a_photo_on_which_something_breaks_is_counted_and_tried_again(tmp_path, error):
    root, out = parts_folder(tmp_path / "parts"), tmp_path / "out"
    found = run(Breaking(error, {2, 5}), categories_of(root), settings(), out)
    assert found.images == 6
    assert [type(error).__name__ in refusal.why for refusal in found.refused] == [True, True]
    again = run(Inspector(), categories_of(root), settings(), out)
    assert (again.images, again.refused) == (8, ())


def test_a_run_whose_every_photo_breaks_ends_with_what_broke(tmp_path):
    root = parts_folder(tmp_path / "parts")
    with pytest.raises(ModelError, match="the server is gone"):
        run(Breaking(ModelError("the server is gone"), range(99)), categories_of(root), settings(), tmp_path / "out")
    assert not (tmp_path / "out" / "results.json").exists()


def test_unreadable_photos_and_masks_are_counted_named_and_tried_again(tmp_path):
    root, out = parts_folder(tmp_path / "parts"), tmp_path / "out"
    (root / "bad" / "b2.png").write_bytes(b"")
    (root / "masks" / "b3.png").write_bytes(b"no mask")
    found = run(Inspector(), categories_of(root), settings(), out)
    assert found.images == 7
    why = {r.id: r.why for r in found.refused}
    assert "nothing (0 bytes)" in why["bad/b2.png"]
    assert "its mask" in why["bad/b3.png"]
    assert any("2 images could not be used" in note for note in found.notes)
    picture(root / "bad" / "b2.png", spot=220)
    inspector = Inspector()
    again = run(inspector, categories_of(root), settings(), out)
    assert inspector.inspected == ["b2.png"]
    assert (again.images, [r.id for r in again.refused]) == (8, ["bad/b3.png"])


def test_a_category_without_anomalies_is_said_and_left_out_of_ranking(tmp_path):
    root = parts_folder(tmp_path / "parts")
    (category,) = categories_of(root)
    good = replace(category, name="plain", cases=tuple(c for c in category.cases if c.label == "good"))
    found = run(Inspector(), [category, good], settings(), tmp_path / "out")
    assert "image_auroc" not in found.categories["plain"]
    assert found.metrics["image_auroc"] == found.categories["parts"]["image_auroc"]
    assert any(note.startswith("plain has no anomalous image") for note in found.notes)


def test_zero_shot_reads_no_good_photo_and_tells_the_product_s_name_and_sentence_alone(tmp_path):
    (category,) = categories_of(parts_folder(tmp_path / "parts"))
    told = replace(category, product="metal part", normal="four holes", references=refuse)
    inspector = Inspector()
    run(inspector, [told], settings(shots=0, words=True), tmp_path / "out")
    assert inspector.learned == [("parts", [], "four holes", "metal part")]
    run(inspector, [told], settings(shots=0, words=False), tmp_path / "wordless")
    assert inspector.learned[-1] == ("parts", [], "", "metal part")


def test_references_are_written_down_and_may_not_change_under_a_run(tmp_path):
    root, out = parts_folder(tmp_path / "parts"), tmp_path / "out"
    run(Inspector(), categories_of(root), settings(shots=2), out)
    noted = json.loads((out / "references.json").read_text())["parts"]
    assert noted["seed"] == 0
    assert all(r["image"].startswith("parts/good/") and len(r["sha256"]) == 64 for r in noted["references"])
    lines = (out / PREDICTIONS).read_text().splitlines(keepends=True)
    (out / PREDICTIONS).write_text("".join(lines[:-1]))
    for reference in noted["references"]:
        picture(tmp_path / reference["image"], 99)
    with pytest.raises(InputError, match="begun with other references"):
        run(Inspector(), categories_of(root), settings(shots=2), out)


def test_each_pair_s_template_is_the_only_reference_of_its_photo(tmp_path):
    for n in range(2):
        picture(tmp_path / "p" / "group1" / f"{n}_temp.png", 50 + n)
        picture(tmp_path / "p" / "group1" / f"{n}_test.png", 50, spot=200)
        (tmp_path / "p" / "group1" / f"{n}.txt").write_text("10 4 20 8 1\n" if n else "")
    categories = open_benchmark("pairs", root=tmp_path / "p", categories=None, split="all", seed=0, limit=None)
    inspector = Inspector()
    run(inspector, categories, settings(benchmark="pairs", categories=("group1",)), tmp_path / "out")
    templates = [case.template().digest for case in categories[0].cases]
    assert [good for _, good, _, _ in inspector.learned] == [[digest] for digest in templates]


def test_a_folder_of_other_weights_seed_or_data_is_refused_with_what_differs(tmp_path):
    root, out = parts_folder(tmp_path / "parts"), tmp_path / "out"
    run(Inspector(), categories_of(root), settings(models={"scorer": "a" * 64, "vlm": "c" * 64}), out)
    with pytest.raises(InputError, match="the scorer's weights aaaaaaaaaaaa there, bbbbbbbbbbbb here"):
        run(Inspector(), categories_of(root), settings(models={"scorer": "b" * 64, "vlm": "c" * 64}), out)
    with pytest.raises(InputError, match="seed 0 there, 3 here"):
        run(Inspector(), categories_of(root), settings(seed=3), out)
    (root / "bad" / "b1.png").rename(root / "bad" / "c1.png")
    mask(root / "masks" / "c1.png")
    with pytest.raises(InputError, match=r"1 images that this data set does not have, such as parts/bad/b1\.png"):
        run(Inspector(), categories_of(root), settings(), out)
    (out / "settings.json").write_text("{}")
    with pytest.raises(InputError, match="not the settings of a run"):
        run(Inspector(), categories_of(root), settings(), out)


def test_a_line_that_no_run_has_written_is_named(tmp_path):
    root, out = parts_folder(tmp_path / "parts"), tmp_path / "out"
    run(Inspector(), categories_of(root), settings(), out)
    with (out / PREDICTIONS).open("a") as stream:
        stream.write('{"category": "parts"}\n')
    with pytest.raises(InputError, match=r"predictions\.jsonl, line 9"):
        run(Inspector(), categories_of(root), settings(), out)


def test_results_of_before_intervals_and_records_are_read(tmp_path):
    old = {
        "benchmark": "world",
        "profile": "nano",
        "shots": 4,
        "metrics": {"f1": 0.5},
        "categories": {"tray": {"f1": 0.5}},
        "images": 2,
        "settings": {
            "benchmark": "world",
            "profile": "nano",
            "shots": 4,
            "seed": 1,
            "limit": 2,
            "split": "heldout",
            "style": "plain",
            "categories": ["tray"],
            "looks": 3,
            "words": True,
        },
    }
    (tmp_path / "results.json").write_text(json.dumps(old))
    found = read_results(tmp_path)
    assert (found.metrics, found.run, found.settings.by) == ({"f1": 0.5}, None, "agent")
    line = {
        "category": "tray",
        "id": "0",
        "label": "good",
        "score": 0.1,
        "anomalous": False,
        "looks": 0,
        "seconds": 1.0,
    }
    assert Prediction.model_validate(line).confidence is None
    assert isinstance(found.settings, RunSettings)


def test_a_record_says_what_the_figures_were_made_with(tmp_path):
    root = parts_folder(tmp_path / "parts")
    found = run(Inspector(), categories_of(root), settings(seed=7, models={"scorer": "a" * 64}), tmp_path / "out").run
    assert (found.seed, found.device, found.models) == (7, "cpu", {"scorer": "a" * 64})
    assert found.cores >= 1
    assert {"torch", "transformers", "numpy"} <= set(found.versions)
    assert found.started.endswith("+00:00")
    assert found.seconds >= 0


def test_the_weights_of_the_shipped_profile_have_digests():
    from tools.profiles import load_profile
    from tools.profiles.catalog import digests

    found = digests(load_profile("nano"))
    assert {"scorer", "features", "grounder", "segmenter", "vlm"} <= set(found)
    assert all(len(digest) == 64 for digest in found.values())
