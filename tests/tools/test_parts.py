"""Parts: found by words, masked by boxes, measured, and assigned so that what is missing is paid for."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from checkpoints import plate

from tools.errors import InputError, ModelError
from tools.images import sample_from_array
from tools.parts import Grounder, Segmenter, assign, calibrated_price, explained, measure
from tools.parts.assignment import Price
from tools.parts.measurement import colour_name
from tools.types import Box, Part, Region

SIZE = (200, 100)


def part(label, x, y, side=20.0, colour=None):
    box = Box(x, y, x + side, y + side)
    measures = None
    if colour is not None:
        image = np.full((4, 4, 3), colour, np.uint8)
        measures = measure(image, np.ones((4, 4), bool))
    return Part(label, Region(box, 0.9), measures)


@pytest.fixture(params=["owl", "dino"], scope="module")
def grounder(request, loaded):
    return Grounder(loaded(request.param))


@pytest.fixture(scope="module")
def photo():
    return sample_from_array(plate(3, (90, 120)))


def test_a_label_is_the_phrase_as_it_was_given(grounder, photo):
    found = grounder.ground(photo, ["Red nut. ", "bolt"], threshold=0.0)
    assert found
    assert {p.label for p in found} <= {"Red nut. ", "bolt"}


def test_boxes_lie_inside_the_photo_surest_first(grounder, photo):
    found = grounder.ground(photo, ["bolt", "nut", "metal tray"], threshold=0.0)
    for p in found:
        x0, y0, x1, y1 = p.region.box
        assert 0 <= x0 < x1 <= 120
        assert 0 <= y0 < y1 <= 90
    scores = [p.region.score for p in found]
    assert scores == sorted(scores, reverse=True)


def test_no_two_boxes_of_one_phrase_overlap_much(grounder, photo):
    found = grounder.ground(photo, ["bolt", "nut"], threshold=0.0)
    for label in ("bolt", "nut"):
        boxes = [p.region.box for p in found if p.label == label]
        assert all(a.iou(b) <= 0.5 for n, a in enumerate(boxes) for b in boxes[n + 1 :])


def test_a_threshold_drops_what_is_less_sure(grounder, photo):
    every = grounder.ground(photo, ["bolt"], threshold=0.0)
    least = every[len(every) // 2].region.score
    assert all(p.region.score >= least for p in grounder.ground(photo, ["bolt"], threshold=least))
    assert grounder.ground(photo, ["bolt"], threshold=1.1) == ()


@pytest.mark.parametrize("phrases", [[], [""], [" . "]])
def test_no_phrase_finds_nothing(grounder, photo, phrases):
    assert grounder.ground(photo, phrases) == ()


def test_a_hundred_phrases_are_split_to_what_the_model_reads(grounder, photo):
    phrases = [f"{n} metal washer screw" for n in range(100)]
    found = grounder.ground(photo, phrases, threshold=0.0)
    assert {p.label for p in found} <= set(phrases)
    if grounder._reads_sentences:
        chunks = list(grounder._chunks(phrases))
        assert len(chunks) > 1
        assert [text for chunk in chunks for text in chunk] == phrases
        assert all(grounder._length(chunk) <= 256 for chunk in chunks)


@pytest.mark.parametrize("phrase", ["螺栓", "nut M2.5", "a" * 400])
def test_an_odd_phrase_is_carried_through(grounder, photo, phrase):
    assert {p.label for p in grounder.ground(photo, [phrase], threshold=0.0)} <= {phrase}


def test_a_box_goes_to_the_phrase_that_the_model_says(loaded, photo, monkeypatch):
    """Three queries that answer: one certain of phrase 1, one of phrase 0, one of nothing."""
    model = loaded("owl").model
    logits = torch.full((1, 3, 2), -9.0)
    logits[0, 0, 1] = logits[0, 1, 0] = 3.0
    boxes = torch.tensor([[[0.25, 0.25, 0.1, 0.2], [0.75, 0.5, 0.2, 0.2], [0.5, 0.5, 1.0, 1.0]]])
    monkeypatch.setattr(model, "forward", lambda **_: SimpleNamespace(logits=logits, pred_boxes=boxes))
    found = {p.label: p.region for p in Grounder(loaded("owl")).ground(photo, ["bolt", "nut"])}
    assert set(found) == {"bolt", "nut"}
    assert found["nut"].score == pytest.approx(torch.sigmoid(torch.tensor(3.0)).item(), abs=1e-4)
    assert found["bolt"].box.centre[0] > found["nut"].box.centre[0]


def test_a_model_that_cannot_ground_is_refused(loaded):
    with pytest.raises(ModelError, match="cannot ground"):
        Grounder(loaded("sam"))


@pytest.fixture(scope="module")
def segmenter(loaded):
    return Segmenter(loaded("sam"))


def test_the_photo_is_encoded_once_however_many_boxes(segmenter, loaded, photo, monkeypatch):
    seen = []
    encoder = loaded("sam").model.vision_encoder
    whole = encoder.forward
    monkeypatch.setattr(encoder, "forward", lambda *a, **k: (seen.append(1), whole(*a, **k))[1])
    encoded = segmenter.encode(photo)
    results = segmenter.segment(encoded, [Box(n, n, n + 30, n + 20) for n in range(40)])
    assert len(seen) == 1
    assert len(results) == 40
    assert all(r.mask.shape == (90, 120) and r.mask.dtype == bool and 0 <= r.iou <= 1 for r in results)


def test_many_boxes_give_what_each_gives_alone(segmenter, photo):
    encoded = segmenter.encode(photo)
    boxes = [Box(5, 5, 50, 40), Box(60, 20, 110, 80)]
    points = [(20.0, 20.0), None]
    together = segmenter.segment(encoded, boxes, points)
    alone = [segmenter.segment(encoded, [b], [p or b.centre])[0] for b, p in zip(boxes, points, strict=True)]
    for a, b in zip(together, alone, strict=True):
        assert np.array_equal(a.mask, b.mask)
        assert a.iou == pytest.approx(b.iou, abs=1e-4)


def test_of_the_offered_masks_the_one_that_fits_the_box_is_taken(segmenter, loaded, photo, monkeypatch):
    """Equal expected overlap; the second mask fills the box, the others the left edge and everything."""
    logits = torch.full((1, 1, 3, 16, 16), -5.0)
    # The photo is 120 x 90 and lies in the upper 12 rows of the 16 x 16 grid.
    logits[0, 0, 0, :12, :2] = 5
    logits[0, 0, 1, 4:8, 8:12] = 5
    logits[0, 0, 2] = 5
    output = SimpleNamespace(pred_masks=logits, iou_scores=torch.full((1, 1, 3), 0.8))
    encoded = segmenter.encode(photo)
    monkeypatch.setattr(loaded("sam").model, "forward", lambda **_: output)
    (result,) = segmenter.segment(encoded, [Box(60, 30, 90, 60)])
    rows, columns = np.nonzero(result.mask)
    assert Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1).iou(Box(60, 30, 90, 60)) > 0.8
    assert result.iou == pytest.approx(0.8)


def test_parts_get_masks_and_measures_and_keep_their_labels(segmenter, photo):
    parts = [part("bolt", 10, 10, 40), part("nut", 60, 30, 40)]
    masked = segmenter.with_masks(segmenter.encode(photo), parts)
    assert [p.label for p in masked] == ["bolt", "nut"]
    for before, after in zip(parts, masked, strict=True):
        assert after.region.box == before.region.box
        assert (after.region.mask is None) == (after.measures is None)
        if after.region.mask is not None:
            assert after.measures.area == after.region.mask.sum()


def test_no_box_gives_no_mask_and_boxes_outside_are_cut(segmenter, photo):
    encoded = segmenter.encode(photo)
    assert segmenter.segment(encoded, []) == ()
    assert segmenter.with_masks(encoded, []) == ()
    assert len(segmenter.segment(encoded, [Box(-50, -50, 500, 500)])) == 1


def test_a_background_point_is_given_to_every_box(segmenter, loaded, photo, monkeypatch):
    seen = {}
    model = loaded("sam").model
    whole = model.forward
    monkeypatch.setattr(model, "forward", lambda **k: (seen.update(k), whole(**k))[1])
    encoded = segmenter.encode(photo)
    segmenter.segment(encoded, [Box(5, 5, 50, 40), Box(60, 20, 110, 80)], [(20.0, 20.0), None], [(2.0, 2.0)])
    assert seen["input_points"].shape == (1, 2, 2, 2)
    assert seen["input_labels"].tolist() == [[[1, 0], [1, 0]]]


def test_everything_is_bounded_differs_and_fits_the_photo(segmenter, photo):
    encoded = segmenter.encode(photo)
    points = [(x, y) for x in range(10, 120, 20) for y in range(10, 90, 20)]
    found = segmenter.everything(encoded, points, most=5)
    assert 0 < len(found) <= 5
    assert all(r.mask.shape == (90, 120) and r.mask.any() and 0 <= r.stability <= 1 and r.votes >= 1 for r in found)
    assert segmenter.everything(encoded, []) == ()
    assert segmenter.everything(encoded, points, size=(60, 45), most=1)[0].mask.shape == (45, 60)


def test_points_must_be_as_many_as_boxes(segmenter, photo):
    with pytest.raises(InputError, match="1 points were given for 2 boxes"):
        segmenter.segment(segmenter.encode(photo), [Box(0, 0, 9, 9)] * 2, [(1.0, 1.0)])


def test_a_model_that_cannot_segment_is_refused(loaded):
    with pytest.raises(ModelError, match="cannot segment"):
        Segmenter(loaded("owl"))


def test_a_rectangle_measures_as_it_was_drawn():
    image = np.full((100, 200, 3), (30, 30, 200), np.uint8)
    mask = np.zeros((100, 200), bool)
    mask[40:50, 20:100] = True
    found = measure(image, mask)
    assert found.area == 800
    assert found.length == pytest.approx(80)
    assert found.width == pytest.approx(10)
    assert found.angle == pytest.approx(0)
    assert found.centroid == pytest.approx((60, 45))
    assert found.colour == "blue"


@pytest.mark.parametrize("degrees", [-60, -20, 30, 75])
def test_a_turned_bar_has_its_length_and_angle(degrees):
    ys, xs = np.mgrid[:200, :200] - 100.0
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    along, across = xs * c - ys * s, xs * s + ys * c
    found = measure(np.zeros((200, 200, 3), np.uint8), (abs(along) <= 60) & (abs(across) <= 8))
    assert found.angle == pytest.approx(degrees, abs=1)
    assert found.length == pytest.approx(121, rel=0.03)
    assert found.width == pytest.approx(17, rel=0.12)


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((200, 30, 30), "red"),
        ((40, 160, 60), "green"),
        ((30, 60, 200), "blue"),
        ((240, 220, 40), "yellow"),
        ((10, 10, 12), "black"),
        ((250, 250, 250), "white"),
        ((128, 128, 130), "grey"),
        ((120, 72, 40), "brown"),
    ],
)
def test_plain_colours_get_their_names(rgb, name):
    image = np.full((4, 4, 3), rgb, np.uint8)
    assert colour_name(measure(image, np.ones((4, 4), bool)).lab) == name


def test_a_mask_without_a_pixel_or_of_another_size_is_refused():
    image = np.zeros((10, 10, 3), np.uint8)
    with pytest.raises(InputError, match="empty"):
        measure(image, np.zeros((10, 10), bool))
    with pytest.raises(InputError, match="both must agree"):
        measure(image, np.ones((5, 10), bool))


def prices(query, reference):
    return assign(query, reference, SIZE, missing_price=1.0, extra_price=0.7)


def test_the_same_parts_cost_nothing_in_any_order():
    parts = [part("bolt", 10, 10), part("bolt", 100, 50), part("nut", 150, 10)]
    found = prices(parts[::-1], parts)
    assert found.cost == pytest.approx(0)
    assert found.pairs == ((0, 2), (1, 1), (2, 0))


def test_a_missing_part_is_paid_for_and_named():
    parts = [part("bolt", 10, 10), part("bolt", 100, 50)]
    found = prices(parts[:1], parts)
    assert (found.missing, found.extra) == ((1,), ())
    assert found.cost == pytest.approx(1.0)


def test_an_extra_part_is_paid_for_and_named():
    parts = [part("bolt", 10, 10), part("bolt", 100, 50)]
    found = prices(parts, parts[1:])
    assert (found.missing, found.extra) == ((), (0,))
    assert found.cost == pytest.approx(0.7)


def test_with_nothing_there_everything_is_missing():
    parts = [part("bolt", 10, 10), part("nut", 100, 50)]
    assert prices([], parts).missing == (0, 1)
    assert prices([], parts).cost == pytest.approx(2.0)
    assert prices(parts, []).cost == pytest.approx(1.4)
    assert prices([], []).cost == 0


def test_a_pair_dearer_than_both_prices_is_not_made():
    found = prices([part("bolt", 0, 0, side=4)], [part("nut", 180, 80, side=20)])
    assert (found.pairs, found.missing, found.extra) == ((), (0,), (0,))


def test_colours_tell_apart_parts_that_are_otherwise_alike():
    red, blue = (200, 20, 20), (20, 20, 200)
    reference = [part("wire", 50, 20, colour=red), part("wire", 60, 20, colour=blue)]
    query = [part("wire", 50, 20, colour=blue), part("wire", 60, 20, colour=red)]
    assert prices(query, reference).pairs == ((0, 1), (1, 0))


def test_photos_of_another_size_are_compared_by_relative_place():
    small, large = [part("nut", 10, 10, 10)], [part("nut", 20, 20, 20)]
    found = assign(small, large, (100, 50), missing_price=1, extra_price=1, reference_size=(200, 100))
    assert found.cost == pytest.approx(0)


def test_the_price_is_set_by_how_alike_good_ones_are():
    tidy = [[part("nut", 50 + n, 20), part("bolt", 120, 50 - n)] for n in range(3)]
    untidy = [[part("nut", 50 + 40 * n, 20), part("bolt", 120, 60 - 25 * n)] for n in range(3)]
    prices = [calibrated_price(shown, [SIZE] * 3) for shown in (tidy, untidy)]
    assert 0 < prices[0].lost <= prices[1].lost
    assert prices[0].usual <= prices[1].usual
    assert calibrated_price([], []) == Price(1.0)


@pytest.mark.parametrize("seed", range(8))
def test_a_photo_that_lacks_a_part_or_has_one_too_many_costs_more_than_any_good_one(seed):
    random = np.random.default_rng(seed)

    def shown(*places):
        return [part("nut", *(at + random.normal(0, 3, 2))) for at in places]

    homes = [np.array([x, y]) for x in (30.0, 90.0, 150.0) for y in (20.0, 60.0)]
    good = [shown(*homes) for _ in range(4)]
    price = calibrated_price(good, [SIZE] * 4)

    def cost(query):
        return explained(query, good, SIZE, [SIZE] * 4, price)[1].cost

    usual = max(cost(shown(*homes)) for _ in range(4))
    assert cost(shown(*homes[1:])) > usual
    assert cost(shown(*homes, np.array([60.0, 40.0]))) > usual


def test_the_cheapest_reference_explains_the_photo():
    two, three = [part("nut", 20, 20), part("nut", 60, 20)], [part("nut", 20 + 40 * n, 20) for n in range(3)]
    which, found = explained(three, [two, three], SIZE, [SIZE, SIZE], Price(1.0))
    assert (which, found.missing, found.extra) == (1, (), ())
    assert explained(three, [], SIZE, [], Price(1.0)) is None


def test_prices_must_be_prices():
    with pytest.raises(InputError, match="0 or more"):
        assign([], [], SIZE, missing_price=-1, extra_price=1)


def test_parts_are_values(segmenter, photo):
    before = part("bolt", 10, 10, 40)
    segmenter.with_masks(segmenter.encode(photo), [before])
    assert before.region.mask is None
    assert replace(before, label="nut").region is before.region
