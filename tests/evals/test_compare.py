"""Two runs are compared image by image; runs that cannot be compared are refused with what differs."""

import pytest
from pretend import Inspector, parts_folder, settings

from evals.datasets import open_benchmark
from evals.run.compare import compare
from evals.run.results import PREDICTIONS
from evals.run.runner import run
from tools.errors import InputError


class Better(Inspector):
    """Sees twice as bright."""

    def inspect(self, photo, *, product=None):
        report = super().inspect(photo, product=product)
        score = min(1.0, report.verdict.score * 2)
        report.verdict.score, report.verdict.anomalous = score, score > 0.5
        return report


@pytest.fixture
def runs(tmp_path):
    root = parts_folder(tmp_path / "parts", good=16, bad=8)
    categories = open_benchmark("folder", root=root, categories=None, split="all", seed=0, limit=None)
    for name, inspector in (("a", Inspector()), ("b", Better())):
        run(inspector, categories, settings(profile=name), tmp_path / name)
    return tmp_path / "a", tmp_path / "b"


def test_a_change_has_an_interval_and_says_whether_it_is_sure(runs):
    found = compare(*runs)
    rows = {d.metric: d for d in found.differences}
    assert found.images == 16
    assert rows["recall"].first == 7 / 8
    assert rows["recall"].second == 1.0
    assert rows["recall"].low <= rows["recall"].change <= rows["recall"].high
    assert rows["image_auroc"].change == 0
    assert not rows["image_auroc"].sure
    assert rows["aupro"].low is None
    assert "profile: a and b." in found.notes


def test_a_run_against_itself_changes_nothing(runs):
    rows = compare(runs[0], runs[0]).differences
    assert all(d.change == 0 and not d.sure for d in rows)
    assert all(d.p in (None, 1.0) for d in rows)


def test_only_images_that_both_have_are_compared_and_that_is_said(runs):
    path = runs[1] / PREDICTIONS
    path.write_text("".join(path.read_text().splitlines(keepends=True)[2:]))
    found = compare(*runs)
    assert found.images == 14
    assert "14 images that both have" in found.notes[0]


def test_what_cannot_be_compared_is_refused(runs, tmp_path):
    with pytest.raises(InputError, match=r"holds no results\.json; give the --out folder"):
        compare(runs[0], tmp_path / "nothing")
    (runs[1] / "results.json").rename(runs[1] / "kept.json")
    with pytest.raises(InputError, match="finish that run first"):
        compare(*runs)
    text = (runs[1] / "kept.json").read_text()
    (runs[1] / "results.json").write_text(text.replace('"benchmark": "folder"', '"benchmark": "visa"'))
    with pytest.raises(InputError, match="is of benchmark folder"):
        compare(*runs)
    (runs[1] / "results.json").write_text(text)
    path = runs[1] / PREDICTIONS
    path.write_text(path.read_text().replace('"label":"structural"', '"label":"good"'))
    with pytest.raises(InputError, match="compare runs over one copy"):
        compare(*runs)
