"""Second looks: priced by what they are worth, aimed at one place, and told in the report."""

import json
from dataclasses import replace

import numpy as np
import pytest
from langgraph.runtime import Runtime
from scripted import GOOD, SIZE, Toolbox, context, photo

from agent.calibration.maps import LookMap, Looks
from agent.crops import aligned, crop_box, crop_pair
from agent.events import StepEvent
from agent.evidence.types import Hypothesis, Option
from agent.graph import build_first_look, build_graph, build_loop, run_steps
from agent.looks import choose
from agent.state import InspectionState, Request
from agent.steps.second_look import suspect
from tools.images import sample_from_array
from tools.types import Box, Region


def run(toolbox, shared, references=3):
    request = Request(photo(99), references=tuple(photo(n) for n in range(references)))
    return InspectionState(**build_graph().invoke(request, context=shared))


def worth(**looks):
    made = {name: LookMap(slope=1.0, sure=sure, seconds=seconds) for name, (sure, seconds) in looks.items()}
    return Looks(**made)


def calibrated(toolbox, maps, **budget):
    shared = context(toolbox, **budget)
    fitted = shared.calibration.model_copy(update={"looks": maps})
    return replace(shared, calibration=fitted)


def test_an_answer_that_says_nothing_is_never_asked_for():
    toolbox = Toolbox(distance=1.8 * GOOD)
    assert run(toolbox, calibrated(toolbox, Looks(), looks=3)).looks == []


def test_of_two_ways_to_look_the_one_that_moves_more_for_its_time_is_taken():
    toolbox = Toolbox(distance=2.1 * GOOD, traced=(-4.0, -4.0))
    quick = worth(zoom=(0.7, 0.1), compare=(0.9, 10.0))
    thorough = worth(zoom=(0.7, 1.0), compare=(0.9, 1.0))
    assert run(toolbox, calibrated(toolbox, quick, looks=1)).looks[0].action == "zoom"
    assert run(toolbox, calibrated(toolbox, thorough, looks=1)).looks[0].action == "compare"


def test_no_look_is_taken_by_the_policy_that_takes_none():
    toolbox = Toolbox(distance=1.8 * GOOD)
    shared = replace(context(toolbox, looks=3), policy="none")
    assert run(toolbox, shared).looks == []


def test_other_views_that_show_no_damage_take_back_what_one_view_showed():
    toolbox = Toolbox(traced=(-4.0, 6.0))
    maps = worth(zoom=(0.9, 0.1))
    once = run(toolbox, calibrated(toolbox, maps, looks=0))
    twice = run(toolbox, calibrated(toolbox, maps, looks=1, decided=50.0))
    assert twice.looks[0].action == "zoom"
    assert twice.verdict.score < once.verdict.score
    assert any(e.look == twice.looks[0].id for e in twice.evidence)


def test_the_vlms_choice_is_read_from_likelihoods_beside_a_grey_image():
    class Chooser:
        def choose(self, images, turns, options, per_token=False):
            grey = (images[0] == 128).all()
            return {o: 0.5 if grey else p for o, p in zip(options, (0.1, 0.9), strict=True)}

    menu = (Option("zoom", 0.3), Option("compare", 0.2))
    aimed = Hypothesis("region 1", "structural", Region(Box(0, 0, 9, 9), 0.5), 0.1, "zoom", 0.3, menu=menu)
    chosen = choose(Chooser(), aimed, photo(0), "tray")
    assert (chosen.action, chosen.value) == ("compare", 0.2)
    assert chosen.menu[1].p == pytest.approx(0.9)


def test_the_same_place_on_a_reference_that_lies_elsewhere_is_found():
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
    image = np.kron(coarse, np.ones((8, 8, 1), dtype=np.uint8))
    moved = np.roll(image, (6, 4), axis=(0, 1))
    box = Box(40, 40, 88, 88)
    found = aligned(image[40:88, 40:88], sample_from_array(moved), box)
    assert abs(found.x0 - 44) <= 2
    assert abs(found.y0 - 46) <= 2


def test_a_reference_is_shown_aligned_and_the_most_alike_first():
    sample, others = photo(0), (photo(1), photo(0))
    pair = crop_pair(sample, crop_box(Box(20, 20, 30, 30), sample), others)
    assert (pair.reference == pair.crop).all()
    assert len(pair.good) == 2


def test_the_first_look_and_the_loop_together_are_the_inspection():
    toolbox = Toolbox(distance=1.8 * GOOD)
    request = Request(photo(99), references=tuple(photo(n) for n in range(3)))
    first = InspectionState(**build_first_look().invoke(request, context=context(toolbox, looks=2)))
    assert first.evidence and first.verdict is None
    whole = run(toolbox, context(toolbox, looks=2))
    later = InspectionState(**build_loop().invoke(first, context=context(toolbox, looks=2)))
    assert later.verdict == whole.verdict
    assert [e.id for e in later.evidence] == [e.id for e in whole.evidence]


def test_every_step_can_be_traced_with_what_it_chose_and_found():
    toolbox = Toolbox(distance=1.8 * GOOD, says_yes=0.9)
    request = Request(photo(99), references=tuple(photo(n) for n in range(3)))
    steps = run_steps(build_graph(), request, context(toolbox, looks=1))
    events = [StepEvent.of(name, update) for name, update, _ in steps]
    names = [event.step for event in events]
    assert names == ["intake", "propose", "glance", "match", "suspect", "look_again", "suspect", "judge", "explain"]
    (look,) = events[5].looks
    assert look.action == "compare" and look.calls == 4 and look.question
    assert events[4].suspected.menu[0].action == "compare" and events[6].suspected is None
    assert all(event.in_a_line().startswith(event.step) for event in events)
    assert events[0].size == (SIZE, SIZE)
    assert all(json.loads(json.dumps(event.as_record())) == event.as_record() for event in events)
    assert all(finding["mask"] is None for finding in events[3].model_dump()["evidence"])


def test_a_vlm_that_does_not_know_the_product_is_not_asked_about_it():
    for named, asked in (('["product"]', 1), ('["cable"]', 0), ("[]", 0)):
        toolbox = Toolbox(distance=1.8 * GOOD, named=named)
        assert len(run(toolbox, context(toolbox, looks=1)).looks) == asked


def test_no_second_look_is_refused_for_time_unless_a_budget_was_asked_for():
    toolbox = Toolbox(distance=2.1 * GOOD, says_yes=0.5)
    free = inspected_after(toolbox, {"glance": 1e6, "propose": 1e6, "look_again": 1e6})
    assert free["hypothesis"] is not None and not free.get("looks_ended")


def test_a_budget_of_seconds_counts_looks_alone_and_the_report_says_that_it_ended_them():
    toolbox = Toolbox(distance=2.1 * GOOD, says_yes=0.5)
    assert inspected_after(toolbox, {"glance": 1e6, "propose": 1e6}, seconds=5)["hypothesis"] is not None
    ended = inspected_after(toolbox, {"look_again": 6.0}, seconds=5)
    assert ended["hypothesis"] is None and ended["looks_ended"]
    state = InspectionState(
        **build_graph().invoke(
            Request(photo(99), references=tuple(photo(n) for n in range(3))), context=context(toolbox, seconds=0.0)
        )
    )
    assert [s.text for s in state.explanation if s.role == "limit"] == ["Second looks ended after 0 seconds, as asked."]


def test_a_decided_verdict_is_not_said_to_have_been_ended_by_time():
    state = inspected_after(Toolbox(distance=2.1 * GOOD), {"look_again": 6.0}, seconds=5, decided=0.0)
    assert not state.get("looks_ended")


def inspected_after(toolbox, taken, **budget):
    """What `suspect` decides after a first look, when steps have taken so many seconds."""
    shared = context(toolbox, **budget)
    request = Request(photo(99), references=tuple(photo(n) for n in range(3)))
    state = InspectionState(**build_first_look().invoke(request, context=shared))
    return suspect(replace(state, seconds=taken), Runtime(context=shared))
