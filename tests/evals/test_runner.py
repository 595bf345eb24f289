"""A run resumes where it stopped, refuses another run's folder, and counts what the reports say."""

import json
import math

import pytest

from evals.datasets import open_benchmark
from evals.reports import csv_of
from evals.run.runner import Prediction, RunSettings, run, summarise
from tools.errors import InputError


@pytest.fixture(scope="module")
def inspector():
    from agent import Inspector

    return Inspector("nano", looks=0)


@pytest.fixture
def categories():
    return open_benchmark("world", root=None, categories=["metal"], split="all", seed=5, limit=4)


def settings(**changes):
    plain = {
        "benchmark": "world",
        "profile": "nano",
        "shots": 1,
        "seed": 5,
        "limit": 4,
        "split": "all",
        "style": "plain",
        "categories": ("metal",),
        "looks": 0,
        "words": False,
    }
    return RunSettings(**{**plain, **changes})


def test_a_run_that_was_killed_goes_on_without_repeating_or_losing_an_image(inspector, categories, tmp_path):
    seen = []
    first = run(inspector, categories, settings(), tmp_path, lambda done, total, p: seen.append(p.id))
    lines = (tmp_path / "predictions.jsonl").read_text().splitlines(keepends=True)
    assert len(seen) == len(lines) == 4
    (tmp_path / "predictions.jsonl").write_text("".join(lines[:2]) + lines[2][:30])
    (tmp_path / "results.json").unlink()
    assert {"image_ap", "f1_max", "f1_max_threshold", "pixel_auroc", "aupro", "au_spro"} <= set(first.metrics)
    again = []
    second = run(inspector, categories, settings(), tmp_path, lambda done, total, p: again.append(p.id))
    assert again == seen[2:]
    assert [second.metrics[m] for m in ("image_auroc", "aupro")] == [first.metrics[m] for m in ("image_auroc", "aupro")]
    assert json.loads((tmp_path / "results.json").read_text())["images"] == 4


def test_another_run_in_the_folder_is_refused_with_what_differs(inspector, categories, tmp_path):
    run(inspector, categories, settings(), tmp_path)
    with pytest.raises(InputError, match="shots 1 there, 2 here"):
        run(inspector, categories, settings(shots=2), tmp_path)


def test_means_are_over_the_categories_that_have_the_metric(tmp_path):
    def prediction(category, number, label, score):
        return Prediction(
            category=category, id=str(number), label=label, score=score, anomalous=score > 0.5, looks=1, seconds=2.0
        )

    rows = [
        prediction("a", 0, "good", 0.1),
        prediction("a", 1, "logical", 0.9),
        prediction("b", 0, "good", 0.8),
        prediction("b", 1, "structural", 0.2),
    ]
    results = summarise(rows, settings(), tmp_path)
    assert results.metrics["image_auroc"] == 0.5
    assert results.metrics["image_auroc_logical"] == 1.0
    assert results.metrics["seconds_per_image"] == 2.0


def test_photos_of_one_class_and_too_few_references_are_told_and_nothing_is_nan(tmp_path):
    rows = [
        Prediction(category="a", id=str(n), label="structural", score=0.9, anomalous=True, looks=0, seconds=1.0)
        for n in range(3)
    ]
    results = summarise(rows, settings(shots=2), tmp_path, references={"a": 0})
    assert results.shots == 0
    assert "0 of the 2 references" in results.notes[0]
    assert "no good image" in results.notes[1] and "not defined" in results.notes[1]
    assert "image_auroc" not in results.metrics
    assert all(math.isfinite(value) for value in results.metrics.values())
    assert "image_auroc,not defined,,,not defined" in csv_of(results).splitlines()
