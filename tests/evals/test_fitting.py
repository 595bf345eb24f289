"""Maps, spreads, weights and figures that are fitted: what is in the data is found, what is not is worth nothing."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from layouts import SORTS, layout, product

from agent.calibration.maps import MatcherMap
from agent.evidence.fusion import WHOLE
from evals.fit import part_tolerances
from evals.fit.matcher_maps import MatcherScores, _fused, _scores, fitted_map
from evals.fit.part_similarity import Labelled, fitted, nouns_of
from evals.run.ground_truth import measured_truth
from evals.studies import rule_quality
from tools.parts.descriptors import Comparer, scale_of

PLAIN = MatcherMap(slope=1.0, offset=0.0, share=1.0)


def drawn(apart, seed=0, count=80):
    rng = np.random.default_rng(seed)
    return MatcherScores(rng.normal(0, 1, count).tolist(), rng.normal(apart, 1, count).tolist())


def test_a_matcher_that_tells_good_from_bad_gets_a_map_that_does_and_one_that_does_not_gets_none():
    telling, silent = (fitted_map(PLAIN, drawn(apart), limit=6.0) for apart in (3.0, 0.0))
    assert telling.llr(3.5) > 1.5
    assert telling.llr(-1.0) < 0
    assert abs(silent.llr(2.0)) < 0.5
    assert telling.llr(0.0) < telling.llr(1.5) < telling.llr(4.0)


def test_a_matcher_that_is_wrong_is_worth_nothing_rather_than_turned_round():
    assert fitted_map(PLAIN, drawn(-3.0), limit=6.0).slope == 0.0


def test_a_matcher_of_which_little_was_seen_is_worth_nothing():
    assert fitted_map(PLAIN, drawn(3.0, count=9), limit=6.0).llr(5.0) == 0.0


def test_of_anomalies_half_of_which_a_matcher_cannot_see_a_low_score_says_little():
    rng = np.random.default_rng(1)
    half = MatcherScores(
        rng.normal(0, 1, 120).tolist(), [*rng.normal(0, 1, 60).tolist(), *rng.normal(6, 1, 60).tolist()]
    )
    found = fitted_map(PLAIN, half, limit=6.0)
    assert 0.3 < found.share < 0.8
    assert found.llr(-3.0) > -1.6
    assert found.llr(6.0) > 1.5


def item(source, llr, look=None, hypothesis="region 1"):
    return SimpleNamespace(source=source, llr=llr, look=look, hypothesis=hypothesis)


def test_a_matcher_is_judged_by_its_strongest_first_evidence_on_photos_that_it_can_see_something_on():
    report = SimpleNamespace(
        evidence=[item("reference", 1.0), item("reference", 2.0), item("rule", 0.5), item("tracer", 9.0, look="L1")]
    )
    assert dict(_scores(report, SimpleNamespace(label="good"))) == {"reference": 2.0, "rule": 0.5}
    assert dict(_scores(report, SimpleNamespace(label="logical"))) == {"rule": 0.5}
    assert dict(_scores(report, SimpleNamespace(label="structural"))) == {"reference": 2.0}


def test_what_the_differ_says_of_surfaces_and_of_the_layout_are_two_matchers_each_judged_on_what_it_can_see():
    report = SimpleNamespace(evidence=[item("differ", 1.0), item("differ", 3.0, hypothesis=WHOLE)])
    assert dict(_scores(report, SimpleNamespace(label="good"))) == {"differ": 1.0, "layout": 3.0}
    assert dict(_scores(report, SimpleNamespace(label="logical"))) == {"layout": 3.0}
    assert dict(_scores(report, SimpleNamespace(label="structural"))) == {"differ": 1.0}


class Judge:
    """An inspector whose log-odds are what the photo is."""

    def inspect(self, photo, product):
        del product
        return SimpleNamespace(verdict=SimpleNamespace(score=1 / (1 + np.exp(-photo))))


def test_what_a_fused_ratio_amounts_to_shrinks_what_is_overstated():
    rng = np.random.default_rng(2)

    def cases(shout):
        return [
            (None, SimpleNamespace(photo=lambda v=v: v, label=label))
            for label, middle in (("good", -1.0), ("logical", 1.0))
            for v in (shout * rng.normal(middle, 1.0, 150)).tolist()
        ]

    quiet, loud = _fused(Judge(), cases(1.0)), _fused(Judge(), cases(3.0))
    # Two normal distributions of deviation 1 about -1 and 1 have log-odds of twice the value.
    assert quiet.slope == pytest.approx(2.0, abs=0.5)
    assert loud.slope == pytest.approx(quiet.slope / 3, rel=0.3)
    assert loud.mean == pytest.approx(quiet.mean, abs=0.6)
    assert quiet.mean < 0


def jittered(by):
    """The truth, with places that are measured badly."""

    def sight(scene):
        rng = np.random.default_rng(scene.image.astype(np.int64).sum())
        moved = []
        for part in measured_truth(scene).parts:
            x, y = part.measures.place
            dx, dy = rng.normal(0, by, 2)
            moved.append(replace(part, measures=replace(part.measures, place=(x + dx, y + dy))))
        return part_tolerances.MeasuredParts(tuple(moved))

    return sight


def test_places_that_are_measured_badly_show_as_a_wider_spread_of_places_and_of_nothing_else():
    sharp, blurred = (
        part_tolerances.fitted(["bottle"], lambda _, by=by: jittered(by), images=10) for by in (0.0, 0.06)
    )
    assert blurred.place > 2 * sharp.place
    assert blurred.area == pytest.approx(sharp.area, rel=0.2)


def test_spreads_are_fitted_and_printed_for_a_calibration_file(monkeypatch, capsys):
    import yaml

    monkeypatch.setattr(part_tolerances, "TRAINED", ("pin_grid",))
    monkeypatch.setattr(sys, "argv", ["measuring", "--images", "8"])
    part_tolerances.main()
    found = part_tolerances.Measuring.model_validate(yaml.safe_load(capsys.readouterr().out)["measuring"])
    assert 0 < found.place < 0.2


def labelled(seed):
    places, sorts = product(3)
    described = layout(places, sorts, seed).described
    return Labelled(described, np.array([f"sort {s}" for s in sorts]), np.eye(len(sorts)))


def test_what_differs_between_kinds_and_not_within_them_makes_segments_unlike():
    photos = [labelled(n) for n in range(4)]
    weights = fitted([photos])
    assert all(w <= 0 for linear in (weights.across, weights.within) for w in linear.weights.values())
    one, other = photos[0], photos[1]
    odds = Comparer(weights, scale_of([p.described for p in photos])).across(one.described, other.described)
    same = one.nouns[:, None] == other.nouns[None]
    assert odds[same].min() > odds[~same].max()
    assert len(set(one.nouns.tolist())) == SORTS


def test_a_segment_is_named_by_the_part_that_it_overlaps_most_if_by_enough():
    def square(x0, x1):
        mask = np.zeros((10, 10), bool)
        mask[2:8, x0:x1] = True
        return mask

    parts = [("bolt", square(0, 5)), ("nut", square(5, 9))]
    assert nouns_of([square(0, 4), square(4, 9), square(3, 7)], parts).tolist() == ["bolt", "nut", ""]


def test_rules_are_measured_family_by_family_and_their_mean_is_told(monkeypatch, capsys):
    command = "rules --sight truth --family pin_grid --shots 3 --images 6 --repeats 1"
    monkeypatch.setattr(sys, "argv", command.split())
    rule_quality.main()
    first, *means = capsys.readouterr().out.splitlines()
    import json

    found = json.loads(first)
    assert found["family"] == "pin_grid"
    assert found["logical_auroc"] > 0.9
    assert f"mean logical_auroc: {found['logical_auroc']:.3f}" in means
    assert set(found["by_defect"]) and all(0 <= v <= 1 for v in found["by_defect"].values())


def test_a_product_file_as_learned_is_shown_and_can_be_read(monkeypatch, capsys, tmp_path):
    from agent.products.spec import ProductSpec

    monkeypatch.setattr(sys, "argv", ["rules", "--show", "--family", "pin_grid", "--shots", "3"])
    rule_quality.main()
    (tmp_path / "shown.yaml").write_text(capsys.readouterr().out)
    spec = ProductSpec.load(tmp_path / "shown.yaml")
    assert spec.name == "pin_grid"
    assert any(rule.kind == "count" for rule in spec.rules)
    assert len(spec.good_scores) == 3
