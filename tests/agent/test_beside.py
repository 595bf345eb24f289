"""What the differ says of a photo beside good ones: of its surfaces place by place, of its layout as a whole."""

from dataclasses import replace

import pytest
from langgraph.runtime import Runtime
from scripted import Toolbox, context, parts, photo

from agent.calibration.maps import MatcherMap
from agent.evidence.fusion import WHOLE
from agent.evidence.types import SURE
from agent.graph import build_graph
from agent.products.learn import learn
from agent.state import InspectionState, Request
from agent.steps.conclusion import explain
from tools.types import Box

SPOT = Box(8, 40, 16, 48)
"""Where the scripted photo is unlike good ones."""


def inspect(toolbox, references=3, shared=None):
    request = Request(photo(99), references=tuple(photo(n) for n in range(references)))
    shared = shared or context(toolbox, looks=0)
    return InspectionState(**build_graph().invoke(request, context=shared))


def beside(**more):
    return Toolbox(traced=(-4.0, -4.0), **more)


def of_layout(state):
    return [e for e in state.evidence if e.hypothesis == WHOLE]


def told(state):
    return " ".join(s.text for s in state.explanation)


def test_parts_laid_out_unlike_the_good_ones_are_a_logical_anomaly_told_with_its_place():
    state = inspect(beside(differs=(12.0, 0.0)))
    (whole,) = of_layout(state)
    assert state.verdict.kinds == ("logical",)
    assert (whole.claim.key, whole.source, whole.region.box) == ("layout_differs", "differ", SPOT)
    assert state.verdict.confidence > SURE
    assert told(state).startswith("Probably anomalous")
    assert "Possibly: layout unlike the references, mostly lower left." in told(state)
    assert "(inferred)" not in told(state)
    assert "mostly lower left" in told(state)


def test_parts_laid_out_as_on_the_good_ones_speak_for_good_and_count_as_a_rule_that_holds():
    state = inspect(beside(differs=(-3.0, 0.0)))
    (whole,) = of_layout(state)
    assert whole.claim.key == "layout_as_expected"
    assert whole.llr < 0
    assert not state.verdict.anomalous
    sure = replace(state, verdict=replace(state.verdict, score=0.01, confidence=0.99))
    said = explain(sure, Runtime(context=context(beside(differs=(-3.0, 0.0)), looks=0)))["explanation"]
    assert said[1].text == "No defect found; surface and parts match the 3 reference photos."
    assert whole.id in said[1].cites


def test_a_surface_unlike_the_good_ones_is_a_structural_anomaly_where_it_is():
    state, like = (inspect(Toolbox(traced=(-4.0, 4.0), differs=(0.0, score))) for score in (60.0, 0.0))
    unlike = next(e for e in state.evidence if e.claim.key == "surface_unlike")
    assert state.verdict.kinds == ("structural",)
    assert not like.verdict.anomalous
    assert (unlike.kind, unlike.source, unlike.region.box) == ("structural", "differ", SPOT)
    assert "None of the 3 reference photos shows this." in told(state)
    assert of_layout(state)[0].claim.key == "layout_as_expected"


def test_of_one_good_photo_it_is_not_said_what_good_photos_are_to_one_another():
    state = inspect(Toolbox(traced=(-4.0, 4.0), differs=(4.0, 60.0)), references=1)
    assert {"surface_unlike", "layout_differs"} <= {e.claim.key for e in state.evidence}
    assert "reference photos" not in told(state)
    assert "the good photos are to one another" not in told(state)
    assert "1 good photos" not in told(state)


def test_a_photo_is_weighed_by_its_likeness_to_the_good_ones():
    worse = [of_layout(inspect(beside(differs=(score, 0.0))))[0].llr for score in (0.0, 2.0, 6.0, 30.0)]
    assert worse == sorted(set(worse))


class Unlike(Toolbox):
    """Good photos that are as unlike one another as the photo is unlike them."""

    def _left_out(self, tokens):
        return (self.differs,) * len(tokens)


@pytest.mark.parametrize(("differs", "kind"), [((12.0, 0.0), "logical"), ((0.0, 12.0), "structural")])
def test_good_photos_that_are_as_unlike_one_another_take_the_blame_off(differs, kind):
    steady = inspect(beside(differs=differs))
    unsteady = inspect(Unlike(traced=(-4.0, -4.0), differs=differs))
    assert unsteady.verdict.score < steady.verdict.score
    most = [max(e.llr for e in s.evidence if e.source == "differ" and e.kind == kind) for s in (steady, unsteady)]
    assert most[0] > 1
    assert most[1] < 0


def test_without_references_there_is_nothing_to_lay_a_photo_beside():
    state = inspect(beside(differs=(12.0, 12.0)), references=0)
    assert "layout" not in state.glance.scores
    assert {e.source for e in state.evidence} == {"text", "tracer"}


def test_a_profile_without_a_tracer_learns_and_inspects():
    toolbox = Toolbox(differs=(12.0, 12.0))
    product = learn(toolbox, "tray", [photo(0), photo(1)])
    assert set(product.states) == {"content", "reference", "text"}
    state = inspect(toolbox)
    assert "layout" not in state.glance.scores
    assert {e.source for e in state.evidence} == {"text", "reference"}


def test_good_photos_are_learned_beside_one_another():
    product = learn(beside(differs=(0.0, 0.0)), "tray", [photo(0), photo(1)])
    assert product.states["differ"].data == (photo(0).digest, photo(1).digest)
    assert product.scores("differ") == product.scores("layout") == (0.0, 0.0)
    assert learn(beside(), "tray", [photo(0)]).scores("layout") == ()


def test_a_layout_of_which_nobody_knows_what_it_is_worth_is_neither_weighed_nor_told():
    bolts = {"usual": parts("bolt", 0.97, 0.97), "named": '["bolt"]'}
    toolbox = beside(differs=(12.0, 0.0), **bolts)
    shared = context(toolbox, looks=0)
    unknown = {"layout": MatcherMap(slope=0.0), "tracer": MatcherMap(slope=0.0), "differ": MatcherMap(slope=0.0)}
    shared = replace(shared, calibration=shared.calibration.model_copy(update=unknown))
    found = inspect(toolbox, shared=shared)
    assert of_layout(found) == []
    assert "layout" not in told(found)
    assert found.verdict.score == pytest.approx(inspect(Toolbox(**bolts)).verdict.score)
