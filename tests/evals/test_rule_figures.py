"""Figures of rules: true ones are known, false ones counted, pointing at a defect told from pointing elsewhere."""

from dataclasses import replace

import numpy as np

from agent.rules import CountRule, MeasuredParts, SameRule
from evals.run.ground_truth import measured_truth, nouns_of
from evals.studies.rule_quality import _points_at, _says, _share_false, as_learned, measure_family
from nano.world import render


def test_a_rule_is_true_only_with_the_true_number():
    truth = {"kind": "count", "part": "bolt", "min": 2, "max": 2}
    assert _says(CountRule(part="bolt", low=2, high=2), truth)
    assert not _says(CountRule(part="bolt", low=1, high=2), truth)
    assert _says(SameRule(part="bolt", others=("nut",)), {"kind": "attribute", "attribute": "colour", "part": "nut"})


def test_a_rule_that_good_photos_break_is_false():
    good = [measured_truth(render("fastener_bag", seed=5, index=n, defect=None)) for n in range(3)]
    rules = [CountRule(part="bolt", low=2, high=2), CountRule(part="bolt", low=3, high=3)]
    assert _share_false(rules, good) == 0.5


def test_pointing_elsewhere_is_not_pointing_at_the_defect():
    scene = render("tray", seed=5, index=3, defect="wrong colour")
    rule = CountRule(part="cap", low=2, high=2)
    outcome = rule.evaluate(measured_truth(scene))
    assert _points_at(outcome, scene.anomaly_mask)
    assert not _points_at(outcome, np.zeros_like(scene.anomaly_mask))
    assert not _points_at(rule.evaluate(MeasuredParts(())), scene.anomaly_mask)


def test_a_family_is_measured_and_shown_as_learned():
    found = measure_family("blister", shots=2, sight=measured_truth, images=4, repeats=1, words=False, measuring=None)
    assert set(found.by_defect) == {"missing part", "swapped parts", "wrong colour", "wrong orientation"}
    assert 0 <= found.false_kept <= 1
    assert "part: capsule" in as_learned("blister", shots=2, sight=measured_truth, measuring=None)


def test_discovered_kinds_are_held_against_the_nouns_that_they_show():
    scenes = [render("tray", seed=5, index=n, defect=None) for n in range(3)]
    truth = [measured_truth(scene) for scene in scenes]

    def kind(label, noun, most=None):
        return [[replace(part, label=label) for part in m.of(noun)[:most]] for m in truth]

    kinds = [kind("part A", "nut"), kind("part B", "nut", most=1), kind("part C", "bolt"), kind("part D", "cap")]
    seen = [MeasuredParts(tuple(part for some in photo for part in some)) for photo in zip(*kinds, strict=True)]
    named = nouns_of(["part A", "part B", "part C", "part D"], scenes, seen, taken=["cap"])
    assert named == {"part A": "nut", "part C": "bolt"}
