"""Lanes take turns, forwards that are alike are run as one, and a fault stays with the lane that it is of."""

import threading
import time
from functools import partial

import numpy as np
import pytest
import torch
from checkpoints import plate

from tools.calls import clocked, model_call
from tools.images import sample_from_array
from tools.parts import Grounder, Segmenter
from tools.patches import PatchMemory, PatchScorer
from tools.patches.trace import PhotoTracer
from tools.together import Together, aside, forward, lanes, own_seconds
from tools.types import Box

WAIT = 20
"""Seconds after which a test takes lanes for stuck."""


class Network:
    """Adds one, and remembers what it was given."""

    def __init__(self):
        self.seen = []

    def __call__(self, values):
        self.seen.append(values[:, 0].tolist())
        if (values < 0).any():
            raise ValueError("a negative number")
        return [values + 1, values.sum(dim=1)]


@pytest.fixture
def network():
    return Network()


def asked(network, number, width=2, rows=1, name="net"):
    """The first output of a network for rows of one number, as plain numbers."""
    values = torch.full((rows, width), float(number))
    return forward(name, network, values, alike=id(network))[0][:, 0].tolist()


def together(*tasks, number=None):
    """What each task gives or raises, and how forwards were joined."""
    made = Together(number or len(tasks))
    futures = made.start(tasks)
    found = [future.exception(WAIT) or future.result(WAIT) for future in futures]
    made.close()
    return found, made.joined


def test_forwards_that_are_alike_are_one_in_the_order_of_lanes(network):
    found, joined = together(*(partial(asked, network, n, rows=n) for n in (3, 1, 2)))
    assert found == [[4.0] * 3, [2.0], [3.0] * 2]
    assert network.seen == [[3.0, 3.0, 3.0, 1.0, 2.0, 2.0]]
    assert (joined["net"].asked, joined["net"].run, joined["net"].mean) == (3, 1, 3.0)


def test_the_largest_group_goes_first_and_of_two_that_of_the_lowest_lane(network):
    together(*(partial(asked, network, n, width=w) for n, w in enumerate([5, 2, 3, 2, 3])))
    assert network.seen == [[1.0, 3.0], [2.0, 4.0], [0.0]]


def test_other_networks_shapes_types_and_settings_are_not_joined(network):
    other = Network()
    ones = torch.ones(1, 2)
    together(
        lambda: forward("net", network, ones, alike=1),
        lambda: forward("net", network, ones, alike=2),
        lambda: forward("net", network, ones.double(), alike=1),
        lambda: forward("net", network, ones[:, :1], alike=1),
        lambda: forward("other", other, ones, alike=1),
    )
    assert len(network.seen) == 4
    assert len(other.seen) == 1


def test_what_is_joined_does_not_hang_on_timing():
    def seen(seed):
        pauses, network = np.random.default_rng(seed).uniform(0, 0.01, (4, 8)), Network()

        def lane(number):
            for step in range(4 + number):
                time.sleep(pauses[number, step])
                asked(network, 10 * number + step, width=2 + (number * step) % 2)

        together(*(partial(lane, n) for n in range(4)))
        return network.seen

    assert max(len(rows) for rows in seen(0)) == 4
    assert seen(0) == seen(1) == seen(2)


def test_only_one_lane_runs_at_a_time(network):
    running, most = [], []

    def lane(number):
        for step in range(3):
            running.append(number)
            most.append(len(running))
            time.sleep(0.002)
            running.remove(number)
            asked(network, step)

    together(*(partial(lane, n) for n in range(3)))
    assert max(most) == 1


def test_lanes_that_end_early_or_raise_leave_the_others_to_go_on(network):
    def raising():
        asked(network, 1)
        raise KeyError("mine")

    def long():
        return [asked(network, n)[0] for n in range(3)]

    (nothing, error, first, second), _ = together(lambda: None, raising, long, long)
    assert nothing is None
    assert isinstance(error, KeyError)
    assert first == second == [1.0, 2.0, 3.0]
    assert network.seen == [[1.0, 0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]


def test_a_fault_in_a_joint_forward_stays_with_its_lane(network):
    (good, error, other), joined = together(*(partial(asked, network, n) for n in (1, -1, 2)))
    assert (good, other) == ([2.0], [3.0])
    assert isinstance(error, ValueError)
    assert network.seen == [[1.0, -1.0, 2.0], [1.0], [-1.0], [2.0]]
    assert (joined["net"].asked, joined["net"].run) == (2, 2)


def test_where_memory_runs_out_fewer_are_joined_from_then_on():
    seen = []

    def network(values):
        seen.append(len(values))
        if len(values) > 2:
            raise MemoryError
        return [values]

    def lane(number):
        for _ in range(2):
            forward("net", network, torch.full((1, 2), float(number)))
        return number

    found, _ = together(*(partial(lane, n) for n in range(4)))
    assert found == [0, 1, 2, 3]
    assert seen == [4, 1, 1, 1, 1, 2, 2]


def test_outside_of_lanes_a_forward_is_the_call_itself():
    values = torch.ones(1, 2)
    (same,) = forward("net", lambda x: [x], values)
    assert same is values
    assert lanes() == 1


def test_what_a_lane_keeps_does_not_hold_what_the_others_got():
    def lane():
        (kept,) = forward("net", lambda x: [x * 2], torch.ones(1, 4))
        return kept.untyped_storage().nbytes()

    assert together(lane, lane, lane)[0] == [16, 16, 16]


def test_lanes_are_used_again_and_may_be_more_than_the_tasks(network):
    made = Together(3)
    for _ in range(3):
        assert [f.result(WAIT) for f in made.start([partial(asked, network, 1), partial(asked, network, 2)])]
    assert [f.result(WAIT) for f in made.start([lanes])] == [3]
    made.close()
    assert network.seen == [[1.0, 2.0]] * 3


def test_another_machine_is_asked_by_all_lanes_at_once_and_turns_go_on_in_their_order(network):
    barrier, order = threading.Barrier(3), []

    def lane(number):
        aside(lambda: (time.sleep(0.01 * (3 - number)), barrier.wait(WAIT)))
        order.append(number)
        return asked(network, number)

    found, _ = together(*(partial(lane, n) for n in range(3)))
    assert found == [[1.0], [2.0], [3.0]]
    assert order == [0, 1, 2]


def test_a_machine_that_does_not_answer_is_the_fault_of_its_lane(network):
    def refused():
        raise ConnectionError

    (error, answer), _ = together(lambda: aside(refused), lambda: aside(lambda: asked(network, 1)))
    assert isinstance(error, ConnectionError)
    assert answer == [2.0]


def test_a_lane_counts_its_own_time_and_its_share_of_a_joint_forward():
    def slow(values):
        time.sleep(0.2)
        return [values]

    def lane(pause):
        @model_call
        def call():
            forward("net", slow, torch.ones(1, 1))

        begun = own_seconds()
        with clocked() as clock:
            time.sleep(pause)
            call()
        return own_seconds() - begun, clock.seconds["model"], clock.calls["model"]

    ((first, in_model, calls), (second, *_)), _ = together(partial(lane, 0.0), partial(lane, 0.3))
    assert calls == 1
    assert 0.1 <= in_model < 0.16
    assert 0.1 <= first < 0.16
    assert 0.4 <= second < 0.5


@pytest.fixture
def photos():
    return [sample_from_array(plate(n)) for n in range(3)]


def alike(verb, photos):
    """What a tool gives for each photo alone, and for three of them together; how forwards were joined."""
    alone = [verb(photo) for photo in photos]
    found, joined = together(*(partial(verb, photo) for photo in photos))
    return alone, found, joined


@pytest.mark.parametrize("kind", ["dino", "mm_dino", "owl", "owlv2"])
def test_detectors_find_the_same_boxes_for_several_photos(loaded, photos, kind):
    tool = Grounder(loaded(kind))
    alone, found, joined = alike(lambda photo: tool.ground(photo, ["hex nut", "bolt"], 0.0), photos)
    assert joined["grounder"].mean == 3
    for one, other in zip(alone, found, strict=True):
        assert [part.label for part in one] == [part.label for part in other]
        np.testing.assert_allclose([p.region.score for p in one], [p.region.score for p in other], atol=1e-5)
        np.testing.assert_allclose([p.region.box for p in one], [p.region.box for p in other], atol=1e-3)


@pytest.mark.parametrize("kind", ["sam", "sam2", "sam2_film"])
def test_segmenters_draw_the_same_masks_for_several_photos_of_other_numbers_of_boxes(loaded, photos, kind):
    tool = Segmenter(loaded(kind))
    boxes = {photo.digest: [Box(5.0 * n, 5, 40, 50) for n in range(5 + k)] for k, photo in enumerate(photos)}
    alone, found, joined = alike(lambda photo: tool.segment(tool.encode(photo), boxes[photo.digest]), photos)
    assert joined["segmenter"].mean == joined["segmenter's masks"].mean == 3
    for one, other in zip(alone, found, strict=True):
        assert len(one) == len(other)
        np.testing.assert_allclose([r.iou for r in one], [r.iou for r in other], atol=1e-5)
        assert all((a.mask != b.mask).mean() < 0.001 for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("kind", ["vit_clip", "resnet_clip", "siglip"])
def test_scorers_and_memories_see_the_same_in_several_photos(loaded, photos, kind):
    scorer, memory = PatchScorer(loaded(kind)), PatchMemory(loaded(kind))
    for verb, name in (
        (lambda photo: scorer.encode([photo]).patches, "scorer"),
        (lambda photo: memory.encode([photo]), "memory"),
    ):
        alone, found, joined = alike(verb, photos)
        assert joined[name].mean == 3
        torch.testing.assert_close(found, alone, atol=1e-5, rtol=1e-4)


def test_windows_are_read_alike_in_several_photos(loaded, photos):
    scorer = PatchScorer(loaded("vit_clip"), path="windows")
    alone, found, joined = alike(lambda photo: scorer.encode([photo]).windows, photos)
    assert joined["scorer's windows"].mean == 3
    torch.testing.assert_close(found, alone, atol=1e-5, rtol=1e-4)


def test_tracers_trace_and_compare_alike_in_several_photos(loaded, photos):
    first, second = PhotoTracer(loaded("tracer")), PhotoTracer(loaded("tracer"))
    shown = [sample_from_array(plate(n)) for n in (7, 8)]
    good = [traces.tokens for traces in first.trace(shown)]

    def verb(tool, photo):
        (traces,) = tool.trace([photo])
        beside = tool.beside(traces.tokens, good, photo.size)
        return traces.flaws.values, traces.kinds, beside.logical.values, beside.structural.values

    alone = [verb(first, photo) for photo in photos]
    found, joined = together(*(partial(verb, second, photo) for photo in photos))
    assert joined["tracer"].mean == joined["tracer's tokens"].mean == joined["differ"].mean == 3
    for one, other in zip(alone, found, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)


def test_traces_of_as_many_photos_are_kept_as_there_are_lanes(loaded, photos):
    tool = PhotoTracer(loaded("tracer"))

    def lane(photo):
        for turn in range(5):
            tool.trace([sample_from_array(np.ascontiguousarray(np.rot90(photo.image, turn % 4)) ^ (turn // 4))])
        tool.trace([photo])

    _, joined = together(*(partial(lane, photo) for photo in photos))
    assert joined["tracer"].asked == 5 * 3
