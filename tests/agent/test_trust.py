"""Evidence of the tracer counts less the further the references score from those of its calibration."""

from dataclasses import replace

import pytest

from agent.calibration.levels import ScoreLevels
from agent.calibration.maps import Calibration
from agent.evidence.types import Claim, Evidence
from agent.matchers.base import tracer_share
from agent.matchers.registry import matchers, share_of
from agent.products.spec import MatcherState, Product, ProductSpec
from agent.rules import CountRule

LEVELS = ScoreLevels(mean=-6.0, spread=1.5, log_sd=-0.4, log_sd_spread=1.0)


def test_trust_falls_as_references_score_higher_and_vary_more():
    usual, higher, far = (LEVELS.trust([x, x + 0.5, x - 0.5]) for x in (-6.5, -3.0, 4.0))
    assert usual == 1.0 and 0.5 < higher < 1.0 and far < 1e-6
    assert LEVELS.trust([-16.0, 6.0, -8.0, -5.0]) < LEVELS.trust([-6.0, -5.5, -6.2, -5.8])
    assert LEVELS.trust([]) == 1.0 and LEVELS.trust([-9.0]) == 1.0


def test_a_profile_without_levels_trusts_its_tracer():
    assert Calibration().trust([12.0, 13.0]) == 1.0
    assert Calibration(reference_share=0.25).reference_trust([-6.0]) == 1.0


def test_the_reference_matcher_counts_in_full_unless_a_tracer_is_trusted():
    levels = Calibration(tracer_levels=LEVELS, reference_share=0.25)
    trusted, doubted, unknown = (levels.reference_trust(s) for s in ([-6.0, -6.2], [9.0, 9.5], []))
    assert trusted < 0.5 and doubted == pytest.approx(1.0, abs=1e-3) and unknown == 1.0


def product(*scores, references=None, rules=()):
    """A product whose references score so on the tracer."""
    spec = ProductSpec(name="x", product="x", parts=[{"label": r.part} for r in rules], rules=rules)
    count = len(scores) if references is None else references
    return Product(spec, references=(None,) * count, states={"tracer": MatcherState(scores)})


@pytest.mark.parametrize(
    ("source", "hypothesis", "share"),
    [
        ("tracer", "region 1", "trust"),
        ("differ", "region 1", "trust"),
        ("differ", "layout", "trust"),
        ("parts", "arrangement 1", "trust"),
        ("rule", "count of part A", "trust"),
        ("rule", "count of bolt", 1.0),
        ("reference", "region 1", "reference"),
        ("text", "region 1", 1.0),
        ("vlm", "x", 1.0),
        ("user", "x", 1.0),
    ],
)
def test_what_the_tracer_finds_is_trusted_as_it_is_but_not_what_a_person_stated(source, hypothesis, share):
    calibration = Calibration(tracer_levels=LEVELS, reference_share=0.25)
    rules = (
        CountRule(part="bolt", low=2, high=2, origin="told"),
        CountRule(part="part A", low=1, high=1, origin="induced"),
    )
    doubted = product(-2.0, -1.5, rules=rules)
    trust = calibration.trust(doubted.scores("tracer"))
    assert 0.1 < trust < 0.9
    expected = {"trust": trust, "reference": 1 - 0.75 * trust}.get(share, share)
    item = Evidence("structural", Claim("region_differs", {}), 1.0, source, hypothesis)
    assert share_of(item, doubted, calibration) == pytest.approx(expected)


def test_the_embedded_profile_does_not_trust_its_tracer_on_photos_far_from_its_calibration():
    nano = Calibration.of_profile("nano")
    assert nano.trust([-6.5, -6.9, -6.2, -6.0]) == 1.0
    assert nano.trust([12.0, 12.5, 11.9, 12.2]) < 0.01


def test_a_tracer_that_is_uncertain_on_a_single_reference_hardly_counts_since_its_spread_is_not_known():
    nano = Calibration.of_profile("nano")
    sure, unsure = (replace(product(-6.0), states={"tracer": MatcherState((-6.0,), (u,))}) for u in (0.03, 0.13))
    assert tracer_share(sure, nano) == 1.0
    assert tracer_share(unsure, nano) < 0.05
    several = replace(product(-6.0, -6.2), states={"tracer": MatcherState((-6.0, -6.2), (0.13, 0.13))})
    assert tracer_share(several, nano) == 1.0


def test_of_a_single_reference_only_the_reference_matcher_compares():
    nano = Calibration.of_profile("nano")

    def shares(known, calibration):
        return {m.name: m.share(known, calibration) for m in matchers()}

    one = shares(product(-6.5), nano)
    assert (one["tracer"], one["reference"]) == (1.0, 1.0)
    assert [one[name] for name in ("differ", "layout", "parts", "rule")] == [0.0] * 4
    assert shares(product(-6.5, -6.8), nano)["differ"] == 1.0
    assert set(shares(product(-6.5), Calibration()).values()) == {1.0}
