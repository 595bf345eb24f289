"""The commands that fit maps: what each matcher showed is collected, fitted, and written with the command."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from agent.calibration.maps import Calibration, Fused
from agent.evidence.fusion import WHOLE
from evals.fit import assignment_costs as arranging
from evals.fit import look_maps as looks
from evals.fit import matcher_maps as calibration
from evals.fit.calibration_files import calibration_file
from evals.fit.look_maps import Answered

LABELS = ("good", "structural", "good", "logical") * 16


class Scripted:
    """An inspector whose reference matcher tells structural anomalies, whose rules tell logical ones, and whose words
    tell nothing; a photo is its number."""

    profile = "nano"

    def __init__(self, *_, calibration=None, **__):
        self.calibration = calibration
        self.context = SimpleNamespace(calibration=Calibration())

    def learn(self, name, references, *, describe="", product=None):
        part = SimpleNamespace(threshold=0.4, phrase="nut")
        return SimpleNamespace(
            name=name,
            shots=len(references),
            spec=SimpleNamespace(parts=[part]),
            scores=lambda matcher: [
                {"reference": 0.1 + 0.01 * n, "layout": -1.0 - 0.1 * n, "differ": -3.0 + 0.2 * n}[matcher]
                for n in range(len(references))
            ],
        )

    def inspect(self, photo, *, product):
        rng = np.random.default_rng(photo)
        label = LABELS[photo]
        told = {
            ("reference", "region 1"): label == "structural",
            ("rule", "count of bolt"): label == "logical",
            ("text", "region 1"): False,
            ("differ", "region 1"): False,
            ("differ", WHOLE): label == "logical",
        }
        evidence = [
            SimpleNamespace(source=source, hypothesis=hypothesis, look=None, llr=float(rng.normal(4.0 * high, 1.0)))
            for (source, hypothesis), high in told.items()
        ]
        maps = [
            SimpleNamespace(source="text", own_score=float(rng.uniform(0.2, 0.8))),
            SimpleNamespace(source="tracer", own_score=float(rng.normal(-3, 1))),
        ]
        score = float(1 / (1 + np.exp(-rng.normal(1.0 if label != "good" else -1.0, 1.0))))
        return SimpleNamespace(
            evidence=evidence, glance=SimpleNamespace(maps=maps), verdict=SimpleNamespace(score=score)
        )


@pytest.fixture(autouse=True)
def scripted(monkeypatch):
    cases = [SimpleNamespace(photo=lambda n=n: n, label=label) for n, label in enumerate(LABELS)]
    category = SimpleNamespace(
        name="medley", product="part", normal="", cases=cases, references=lambda shots, seed: list(range(shots))
    )
    for module in (calibration, looks):
        monkeypatch.setattr(module, "Inspector", Scripted)
        monkeypatch.setattr(module, "open_medleys", lambda **_: [category])


def test_matchers_that_tell_are_given_worth_those_that_do_not_are_not_and_the_command_is_written(monkeypatch, tmp_path):
    target = tmp_path / "maps.yaml"
    monkeypatch.setattr(sys, "argv", ["calibration", "--products", "1", "--images", "64", "--out", str(target)])
    calibration.main()
    text = target.read_text()
    assert text.startswith("# Fitted on unseen medleys: python -m evals.fit.matcher_maps --profile nano --products 1")
    maps = Calibration.model_validate(yaml.safe_load(text))
    assert maps.reference.llr(4.0) > 1.5
    assert maps.rule.llr(4.0) > 1.0
    assert maps.reference.llr(0.0) < 0
    assert abs(maps.text.llr(1.0)) < 0.7
    assert maps.layout.llr(4.0) > 1.0
    assert maps.layout.llr(0.0) < 0
    assert abs(maps.differ.llr(1.0)) < 0.7
    assert maps.layout.mean < -1.0 > maps.differ.mean
    assert maps.layout.spread < maps.differ.spread
    assert maps.detection == 0.4
    assert maps.lone.slope > 0
    assert maps.fused.slope > 0


def test_maps_that_are_named_are_fitted_and_keep_their_weight_and_all_others_stay(monkeypatch, tmp_path):
    target = tmp_path / "maps.yaml"
    other = "# Of these, later: python -m evals.fit.matcher_maps --maps tracer rule"
    target.write_text(f"# A note.\n# Of these, later: python -m evals.fit.matcher_maps --maps rule\n{other}\n")
    names = ["rule", "lone"]
    monkeypatch.setattr(
        sys, "argv", ["calibration", "--products", "1", "--images", "64", "--out", str(target), "--maps", *names]
    )
    calibration.main()
    notes = [line for line in target.read_text().splitlines() if line.startswith("#")]
    assert notes[:2] == ["# A note.", other]
    assert len(notes) == 3 and notes[2].endswith("--maps rule lone")
    stored, maps = Calibration.of_profile("nano"), Calibration.model_validate(yaml.safe_load(target.read_text()))
    assert [name for name in Calibration.model_fields if getattr(maps, name) != getattr(stored, name)] == names
    assert maps.rule.weight == stored.rule.weight
    assert maps.rule.llr(4.0) > 1.0


def test_looks_that_tell_are_given_worth_and_keep_what_stood_in_the_file(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    right = rng.random(120) < 0.5
    pairs = [(float(rng.normal(2.0 * r, 1.0)), bool(r)) for r in right]
    told = [Answered("zoom", answer, 0.0, r, 0.5) for answer, r in pairs]
    told += [Answered("recount", float(rng.normal()), 0.0, r, 0.5) for _, r in pairs]
    monkeypatch.setattr(looks, "open_world", lambda **_: [])
    monkeypatch.setattr(looks, "collected", lambda _, found, shots: [(State(shots), None)] if found else [])
    monkeypatch.setattr(looks, "answers", lambda *_: iter(told))
    slopes = {4: 0.5, 0: 2.0}
    monkeypatch.setattr(looks, "fused", lambda seen, _: Fused(slope=slopes[len(seen[0][0].product.references)]))
    monkeypatch.setattr(looks, "replace", lambda value, **_: value)
    target = tmp_path / "maps.yaml"
    target.write_text("# Fitted on something\n# Looks and fusion: python -m evals.fit.look_maps --old\ntext: {}\n")
    monkeypatch.setattr(sys, "argv", ["looks", "--shots", "0", "4", "--out", str(target)])
    looks.main()
    lines = target.read_text().splitlines()
    assert lines[0] == "# Fitted on something"
    assert [line for line in lines if "evals.fit.look_maps" in line] == [
        "# Looks and fusion: python -m evals.fit.look_maps --profile nano --products 16 --images 8 --shots 0 4"
    ]
    maps = Calibration.model_validate(yaml.safe_load(target.read_text()))
    assert maps.looks.zoom.gain > maps.looks.recount.gain
    assert maps.looks.ask.gain == 0.0
    assert (maps.fusion(4).slope, maps.fusion(0).slope) == (0.5, 2.0)


class State:
    """A first look at a product with so many references, of which nothing is asked."""

    def __init__(self, references):
        self.product = SimpleNamespace(references=("photo",) * references)


def test_stored_prices_are_measured_and_left_as_they_are_where_no_time_is_given(monkeypatch, capsys):
    from test_part_figures import products

    stored = calibration_file("nano").read_text()
    shown = iter(products())
    monkeypatch.setattr("tools.toolbox.Toolbox.open", lambda *_, **__: SimpleNamespace(discoverer=None))
    monkeypatch.setattr(arranging, "shown", lambda *_: next(shown))
    monkeypatch.setattr(sys, "argv", ["arranging", "--minutes", "0", "--products", "3"])
    arranging.main()
    printed = capsys.readouterr().out
    assert printed.startswith("3 products: AUROC 1.000 singly")
    assert set(yaml.safe_load(printed.split("\n", 1)[1])) == {"parts"}
    assert calibration_file("nano").read_text() == stored


def test_costs_that_were_found_take_the_place_of_those_of_the_profile_and_nothing_else_changes(monkeypatch, tmp_path):
    from test_part_figures import products

    target = tmp_path / "nano.yaml"
    target.write_text(calibration_file("nano").read_text())
    stored = Calibration.of_profile("nano")
    found = replace(stored.assignment_costs, missing=7.0)
    shown = iter(products())
    monkeypatch.setattr("tools.toolbox.Toolbox.open", lambda *_, **__: SimpleNamespace(discoverer=None))
    monkeypatch.setattr(arranging, "shown", lambda *_: next(shown))
    monkeypatch.setattr(arranging, "shown_family", lambda *_: [])
    monkeypatch.setattr(arranging, "searched", lambda *_: found)
    monkeypatch.setattr(arranging, "calibration_file", lambda profile: tmp_path / f"{profile}.yaml")
    for _ in range(2):
        shown = iter(products())
        monkeypatch.setattr(sys, "argv", ["arranging", "--minutes", "1", "--products", "3"])
        arranging.main()
    text = target.read_text()
    assert text.count("# Assignment costs: python -m evals.fit.assignment_costs --products 3 --minutes 1,") == 1
    assert text.count("assignment_costs:") == 1
    assert Calibration.model_validate(yaml.safe_load(text)) == stored.model_copy(update={"assignment_costs": found})
