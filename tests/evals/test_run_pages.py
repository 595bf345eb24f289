"""A run's page holds everything in itself, escapes what it shows, and its table and row say what the results say."""

import csv
import io
import re

import numpy as np
import pytest
from pretend import Inspector, Respondent, parts_folder, picture, settings

from evals.datasets import open_benchmark
from evals.datasets.base import read_photo
from evals.datasets.questions import BenchmarkQuestion, PhotoQuestions
from evals.metrics.bootstrap import Scored
from evals.qa.runner import answer_all
from evals.reports import leaderboard_head, leaderboard_row, ordered
from evals.reports.charts import curves, histogram, reliability, roc_and_pr
from evals.run.runner import run


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    root = parts_folder(tmp_path_factory.mktemp("data") / "parts", good=16, bad=8)
    picture(root / "good" / "9.png", 200)
    (root / "bad" / "b5.png").write_bytes(b"no photo")
    categories = open_benchmark("folder", root=root, categories=None, split="all", seed=0, limit=None)
    out = tmp_path_factory.mktemp("out")
    return run(Inspector(), categories, settings(), out), out


def test_the_page_fetches_nothing_and_shows_curves_mistakes_maps_classes_and_the_record(done):
    results, out = done
    text = (out / "report.html").read_text()
    assert not re.findall(r"""(?:src|href)=["']?(?!data:|#)[^"'>\s]+""", text)
    assert "url(" not in text
    for said in ("Worst false alarms", "Worst misses", "Found", "Each category", "Each defect", "All metrics"):
        assert said in text
    assert "parts/good/9.png" in text
    assert "parts/bad/b0.png" in text
    assert text.count("<polyline") >= 2
    assert text.count("data:image/jpeg;base64,") >= 6
    assert f"{results.metrics['image_auroc']:.3f}" in text
    assert "bad/b5.png" in text
    assert results.run.versions["torch"] in text


def test_the_table_and_the_row_say_what_the_results_say(done):
    results, out = done
    rows = {row["metric"]: row for row in csv.DictReader(io.StringIO((out / "results.csv").read_text()))}
    assert set(rows) == set(results.metrics)
    assert float(rows["image_auroc"]["mean"]) == results.metrics["image_auroc"]
    assert float(rows["image_auroc"]["low_95"]) == results.intervals["image_auroc"][0]
    assert float(rows["f1"]["parts"]) == results.categories["parts"]["f1"]
    assert rows["ece"]["parts"] == ""
    head, line, row = (out / "leaderboard.md").read_text().splitlines()
    assert head.count("|") == line.count("|") == row.count("|")
    assert f"{results.metrics['recall']:.3f} (" in row
    assert leaderboard_row(results, ["rouge_l"]).split("|")[-2].strip() == ""
    assert leaderboard_head(["rouge_l"]).splitlines()[0].endswith("| ROUGE-L |")


def test_what_is_written_by_others_is_escaped(tmp_path):
    photo = picture(tmp_path / "a.png")
    question = BenchmarkQuestion("detect", "Any <b>defect</b>?", "detection", "yes")
    item = PhotoQuestions("detect/<i>", "<script>", "x", read_photo(photo), (question,))
    answer_all(Respondent(lambda *_: ("<img src=x>", 0.5)), [item], settings(benchmark="visa-dr"), tmp_path / "out")
    text = (tmp_path / "out" / "report.html").read_text()
    for raw in ("<img src=x>", "<b>defect", "<i>", "<script>alert"):
        assert raw not in text.replace("<i style", "").replace("<i class", "")
    assert "&lt;img src=x&gt;" in text
    assert "unparsable" in text


def test_curves_are_those_of_scikit_learn_and_absent_without_both_classes():
    bad = np.array([False, False, True, True])
    rates, precision = curves(bad, np.array([0.1, 0.4, 0.35, 0.8]))
    assert (rates[0], rates[-1], rates[50]) == (0.5, 1.0, 1.0)
    assert precision[100] == pytest.approx(2 / 3)
    assert precision[50] == 1.0
    assert curves(np.array([True]), np.array([0.5])) is None
    assert roc_and_pr({"a": Scored(np.array(["good"]), np.array([0.5]), np.array([False]))}, {}) == []


def test_bars_say_what_they_stand_for():
    labels = np.array(["good", "good", "logical"])
    chart = histogram({"a": Scored(labels, np.array([0.01, 0.02, 0.99]), labels != "good")})
    assert [(bar.style, bar.title[:4]) for bar in chart.bars] == [("fine", "100%"), ("bad", "100%")]
    trust = reliability([(0.95, True), (0.92, False)], 0.4)
    assert "2 photos" in trust.bars[0].title
    assert reliability([], None) is None


def test_metrics_come_in_the_order_of_their_list_and_unknown_ones_beside_their_kin():
    assert ordered(["seconds_per_image", "rouge_l_complex", "image_auroc", "rouge_l"]) == [
        "image_auroc",
        "rouge_l",
        "rouge_l_complex",
        "seconds_per_image",
    ]
