"""A matcher is one class and its registration: here is one, and what it says stands in the report of an inspection."""

from typing import ClassVar

import numpy as np
import pytest
from scripted import GOOD, Toolbox, context, photo

from agent import Inspector
from agent.calibration.maps import MatcherMap
from agent.evidence.claims import say, say_briefly
from agent.evidence.types import Claim, Evidence
from agent.graph import build_graph
from agent.matchers.base import Matcher
from agent.matchers.places import PlaceMatcher
from agent.matchers.registry import matchers, register, registered
from agent.products.spec import MatcherState
from agent.state import InspectionState, Request
from nano.world import render
from tools.images import sample_from_array
from tools.types import AnomalyMap

MAP = MatcherMap(slope=2.0, offset=-1.0, limit=8.0, weight=0.5)


class MeanColour(Matcher):
    """Compares the mean colour of a photo, whatever its light, with that of the references."""

    name = "mean_colour"
    kind = "structural"
    default_map = MAP
    sentences: ClassVar = {
        "en": {
            "mean_colour": {
                "short": "mean colour {sd} sd from the references",
                "long": "The mean colour is {sd} standard deviations from that of {references} references.",
            }
        },
        "zh": {"mean_colour": {"short": "平均颜色偏差 {sd}", "long": "平均颜色与参考照片相差 {sd} 个标准差。"}},
    }

    def fit(self, references):
        means = np.stack([mean_of(s) for s in references.samples])
        apart = np.linalg.norm(means[:, None] - means[None], axis=2) + np.diag([np.inf] * len(means))
        return MatcherState(tuple(apart.min(axis=1).tolist()) if len(means) > 1 else (), means)

    def score(self, photo, state):
        return None if state is None else float(np.linalg.norm(state.data - mean_of(photo.sample), axis=1).min())

    def evidence(self, match):
        score = match.glance.scores.get(self.name)
        if score is None:
            return
        deviation, llr = self.weigh(score, match.product, match.calibration)
        claim = Claim("mean_colour", {"sd": round(deviation, 1), "references": len(match.product.references)})
        yield Evidence("structural", claim, llr, self.source, "mean colour")

    def share(self, product, calibration, hypothesis=""):
        return 0.5


def mean_of(sample):
    mean = sample.image.reshape(-1, 3).mean(axis=0)
    return 100 * mean / mean.sum()


def wood(index, tint=0):
    image = render("wood", seed=5, index=index, defect=None).image.astype(int)
    return sample_from_array(np.clip(image + np.array([tint, 0, -tint]), 0, 255).astype(np.uint8))


def test_its_evidence_sentence_and_weight_stand_in_the_report_of_an_inspection():
    inspector = Inspector("nano", looks=0)
    references, tinted = [wood(n) for n in range(3)], wood(9, tint=60)
    without = inspector.inspect(tinted, product=inspector.learn("board", references))
    with registered(MeanColour()):
        product = inspector.learn("board", references)
        report = inspector.inspect(tinted, product=product)
        said = [say(e.claim, "zh") for e in report.state.evidence if e.source == "mean_colour"]
    (found,) = [e for e in report.evidence if e.source == "mean_colour"]
    deviation = MAP.standardise(report.glance.scores["mean_colour"], product.scores("mean_colour"))
    assert found.llr == pytest.approx(0.5 * MAP.llr(deviation), abs=1e-4)
    assert found.llr > 1
    assert found.what == f"mean colour {deviation:.1f} sd from the references"
    told = [s.text for s in report.explanation if found.id in s.cites and "mean colour" in s.text]
    assert told == [f"Possibly: {found.what}."]
    assert said == [f"平均颜色与参考照片相差 {deviation:.1f} 个标准差。"]
    assert report.verdict.score > without.verdict.score
    assert {e.source for e in report.evidence} - {e.source for e in without.evidence} == {"mean_colour"}


def inspected(calibration=None, toolbox=None, references=3):
    known = context(toolbox or Toolbox(), looks=0)
    if calibration is not None:
        known.calibration.matchers.update(calibration)
    request = Request(photo(99), references=tuple(photo(n) for n in range(references)))
    return InspectionState(**build_graph().invoke(request, context=known))


def test_the_calibration_says_what_its_scores_are_worth_where_it_has_a_map_of_that_name():
    with registered(MeanColour()):
        own, stored = (inspected(maps) for maps in (None, {"mean_colour": MatcherMap(slope=0.0, offset=3.0)}))
    llrs = [next(e.llr for e in state.evidence if e.source == "mean_colour") for state in (own, stored)]
    assert llrs[1] == pytest.approx(0.5 * MatcherMap(slope=0.0, offset=3.0).llr(0.0))
    assert llrs[0] != llrs[1]


class Redness(PlaceMatcher):
    """Maps how red a place is."""

    name = "redness"
    within, beyond = "redness_usual", "redness_high"
    default_map = MatcherMap(mean=0.5, spread=0.05, slope=1.0)
    sentences: ClassVar = {
        "en": {key: {"short": "red", "long": "It is red."} for key in ("redness_usual", "redness_high")}
    }

    def score(self, photo, state):
        red = photo.sample.image[..., 0].astype(np.float32) / 255
        return AnomalyMap(red, float(red.max()), "redness")


def test_one_that_maps_places_has_its_say_on_every_place_and_its_part_in_the_map():
    toolbox = Toolbox(distance=5 * GOOD)
    plain = inspected(toolbox=toolbox)
    with registered(Redness()):
        state = inspected(toolbox=toolbox)
    places = {e.hypothesis for e in state.evidence if e.hypothesis.startswith("region")}
    assert {e.hypothesis for e in state.evidence if e.source == "redness"} == places
    with registered(Redness()):
        assert {say_briefly(e.claim) for e in state.evidence if e.source == "redness"} == {"red"}
    assert not np.array_equal(state.glance.map.values, plain.glance.map.values)


def test_it_is_gone_afterwards_and_a_name_is_given_once():
    with registered(MeanColour()):
        assert "mean_colour" in [m.name for m in matchers()]
        with pytest.raises(ValueError, match="'mean_colour' already"):
            register(MeanColour())
    assert "mean_colour" not in [m.name for m in matchers()]
    with pytest.raises(KeyError):
        say(Claim("mean_colour", {"sd": 1.0, "references": 1}))


@pytest.mark.parametrize("references", [0, 1, 2])
def test_every_matcher_can_do_with_any_number_of_references(references):
    state = inspected(toolbox=Toolbox(traced=(-4.0, -4.0), differs=(1.0, 1.0)), references=references)
    assert {e.source for e in state.evidence} <= {m.source for m in matchers()}
    assert all(len(known.scores) in (0, references) for known in state.product.states.values())
