"""Traces have the photo's size and depend on it alone; beside good photos it is told where one is unlike them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from checkpoints import plate

from nano.recipes.tracer.data import leaves
from nano.world import render
from nano.world.medley import medley
from nano.world.medley_photo import photo
from tools.anomaly.damage import KEPT, SHOWN, PhotoTracer
from tools.anomaly.memory_bank import laid
from tools.errors import ModelError
from tools.images import sample_from_array
from tools.models.loading import load_model
from tools.parts.masks import items
from tools.profiles import load_profile


@pytest.fixture
def tracer(loaded):
    return PhotoTracer(loaded("tracer"))


def test_maps_have_the_photos_size_and_hold_probabilities(tracer):
    (found,) = tracer.trace([sample_from_array(plate(1, (90, 140)))])
    for values in (found.edges, found.parts, found.items, found.flaws.values):
        assert values.shape == (90, 140)
        assert values.dtype == np.float32
        assert 0 <= values.min() <= values.max() <= 1


def test_photos_are_traced_alike_alone_and_together(tracer):
    one, other = sample_from_array(plate(1)), sample_from_array(plate(2, (64, 200)))
    together, alone = tracer.trace([one, other]), tracer.trace([other])
    np.testing.assert_allclose(together[1].flaws.raw, alone[0].flaws.raw, atol=1e-5)


@pytest.fixture
def counted(tracer, monkeypatch):
    """The digests of what the model was shown, one after the other."""
    shown, said = [], tracer._said
    monkeypatch.setattr(tracer, "_said", lambda sample: shown.append(sample.digest) or said(sample))
    return shown


def test_photos_that_were_traced_last_are_not_traced_again(tracer, counted):
    photos = [sample_from_array(plate(n)) for n in range(KEPT + 1)]
    first, again = tracer.trace(photos[:KEPT]), tracer.trace(photos[:KEPT])
    assert all(one is other for one, other in zip(first, again, strict=True))
    assert len(counted) == KEPT
    tracer.trace([photos[KEPT], photos[KEPT - 1], photos[0]])
    assert counted[KEPT:] == [photos[KEPT].digest, photos[0].digest]


def test_the_photos_score_is_the_mean_log_odds_where_it_looks_worst(tracer):
    (found,) = tracer.trace([sample_from_array(plate(3))])
    flaws = found.flaws
    assert flaws.source == "tracer"
    assert flaws.raw.mean() < flaws.raw_score <= flaws.raw.max() + 1e-4
    assert flaws.image_score == pytest.approx(1 / (1 + np.exp(-flaws.raw_score)), abs=1e-5)


@pytest.fixture
def spoiled(loaded):
    """A tracer of which one layer, by name, says what is no number."""

    def spoil(layer):
        sound = loaded("tracer")
        model = type(sound.model)(sound.model.config).eval()
        torch.nn.init.constant_(model.get_submodule(layer).bias, float("nan"))
        return PhotoTracer(replace(sound, model=model))

    return spoil


@pytest.mark.parametrize("layer", ["read_out", "kinds"])
def test_traces_that_are_no_numbers_are_refused(spoiled, layer):
    with pytest.raises(ModelError, match="not finite"):
        spoiled(layer).trace([sample_from_array(plate(1))])


@pytest.mark.parametrize("layer", ["differ.enter", "differ.per_photo", "differ.per_place"])
def test_differences_that_are_no_numbers_are_refused(spoiled, layer):
    damaged = spoiled(layer)
    one, other = tokens_of(damaged, plate(0), plate(1))
    with pytest.raises(ModelError, match="not finite"):
        damaged.beside(one, [other], (96, 128))
    with pytest.raises(ModelError, match="not finite"):
        damaged.left_out([one, other])


@pytest.mark.parametrize("axis", [0, 1])
def test_a_mirrored_photo_has_mirrored_traces(tracer, axis):
    photo = plate(4, (96, 128))
    (plain,), (mirrored,) = (tracer.trace([sample_from_array(p)]) for p in (photo, np.flip(photo, axis).copy()))
    np.testing.assert_allclose(np.flip(mirrored.items, axis), plain.items, atol=1e-4)
    np.testing.assert_allclose(np.flip(mirrored.flaws.raw, axis), plain.flaws.raw, atol=1e-3)
    np.testing.assert_allclose(np.flip(mirrored.kinds, axis + 1), plain.kinds, atol=1e-3)
    middles = np.flip(mirrored.middles, axis + 1).copy()
    middles[1 - axis] = photo.shape[axis] - 1 - middles[1 - axis]
    np.testing.assert_allclose(middles, plain.middles, atol=0.05)


def test_of_a_large_photo_damage_is_told_at_its_own_size_and_parts_at_the_working_size(tracer):
    (found,) = tracer.trace([sample_from_array(plate(1, (300, 512)))])
    assert found.flaws.raw.shape == (300, 512)
    assert found.edges.shape == found.parts.shape == found.items.shape == (150, 256)
    assert found.middles.shape == (2, 150, 256)
    # Nothing of the photo's own size is kept, so that as many large photos are as small ones.
    assert found.damage.numel() < 300 * 512 / 2


def test_damage_alone_is_what_the_trace_says_of_it(tracer):
    sample = sample_from_array(plate(2, (96, 128)))
    np.testing.assert_allclose(tracer.damage(sample), tracer.trace([sample])[0].flaws.raw, atol=1e-5)


def tokens_of(tracer, *photos):
    samples = [sample_from_array(p) for p in photos]
    return [traces.tokens for traces in tracer.trace(samples)]


def test_a_photo_is_compared_with_good_ones_of_other_shapes_and_told_at_its_own(tracer):
    photo, *good = tokens_of(tracer, plate(1, (64, 128)), plate(2, (128, 64)), plate(3, (96, 96)))
    found = tracer.beside(photo, good, (128, 64))
    for said in (found.logical, found.structural):
        assert said.source == "differ"
        assert said.values.shape == said.raw.shape == (64, 128)
        assert 0 <= said.values.min() <= said.values.max() <= 1
        assert said.image_score == pytest.approx(1 / (1 + np.exp(-said.raw_score)), abs=1e-5)


def test_a_good_photo_that_is_left_out_is_scored_as_any_other_beside_the_rest(tracer):
    good = tokens_of(tracer, *(plate(n) for n in range(3)))
    found = tracer.beside(good[1], [good[0], good[2]], (96, 128))
    assert tracer.left_out(good)[1] == pytest.approx((found.logical.own_score, found.structural.own_score))
    assert len(tracer.left_out(good)) == 3


def test_of_a_single_good_photo_none_is_left_out(tracer):
    assert tracer.left_out(tokens_of(tracer, plate(1))) == tracer.left_out([]) == ()


def test_no_more_good_photos_are_looked_at_than_it_learned_with(tracer):
    photo, *good = tokens_of(tracer, *(plate(n) for n in range(SHOWN + 3)))
    few, many, fewer = (tracer.beside(photo, good[:n], (96, 128)) for n in (SHOWN, SHOWN + 2, SHOWN - 1))
    assert few.logical.own_score == many.logical.own_score != fewer.logical.own_score
    assert few.structural.own_score == many.structural.own_score != fewer.structural.own_score


@pytest.fixture(scope="module")
def shipped():
    return PhotoTracer(load_model(load_profile("nano").role("tracer"), "tracer", "cpu"))


def test_the_photo_and_its_quarter_turn_say_what_all_eight_ways_to_lay_it_say(shipped):
    image = rendered("nut", 1, "crack").image[:, :224]
    views = [shipped.damage(sample_from_array(view)) for view in laid(image, 8)]
    back = [np.rot90(view, -(n % 4))[:, :: -1 if n >= 4 else 1] for n, view in enumerate(views)]
    two = (views[0] + np.rot90(views[1], -1)) / 2
    assert np.abs(np.mean(back, axis=0) - two).max() < 1e-3
    assert np.abs(views[0] - two).max() > 0.1


def test_what_is_compared_is_an_eighth_of_the_models_size(shipped):
    (tokens,) = tokens_of(shipped, plate(1, (192, 256)))
    assert tokens.size == (24, 32)
    assert len(tokens.values) == 24 * 32


SEED, SHOTS = 77, 4
"""Of rendered photos that the shipped weights have not seen, and how many good ones they are shown beside."""


def rendered(name, index, defect=None):
    return render(name, seed=SEED, index=index, defect=defect, size=256)


@pytest.fixture(scope="module")
def judged(shipped):
    """What the shipped tracer says of a rendered photo of a family beside good ones."""
    shown = {}

    def judge(name, defect=None):
        if name not in shown:
            shown[name] = tokens_of(shipped, *(rendered(name, n).image for n in range(SHOTS)))
        (photo,) = tokens_of(shipped, rendered(name, SHOTS, defect).image)
        return shipped.beside(photo, shown[name], (256, 256))

    return judge


@pytest.mark.parametrize(
    ("name", "defect"),
    [("pin_grid", "missing part"), ("blister", "missing part"), ("connector", "extra part"), ("bottle", "wrong place")],
)
def test_a_part_that_is_not_as_on_the_good_ones_raises_the_logical_score_alone(judged, name, defect):
    good, bad = judged(name), judged(name, defect)
    assert bad.logical.own_score > good.logical.own_score + 2
    assert bad.structural.own_score < good.structural.own_score + 1


@pytest.mark.parametrize(("name", "defect"), [("nut", "crack"), ("pin_grid", "crack"), ("fabric", "stain")])
def test_a_damaged_surface_raises_the_structural_score_alone_most_where_it_is(judged, name, defect):
    good, bad = judged(name), judged(name, defect)
    assert bad.structural.own_score > good.structural.own_score + 2
    assert bad.logical.own_score < good.logical.own_score + 1
    struck = rendered(name, SHOTS, defect).anomaly_mask
    assert bad.structural.raw[struck].mean() > bad.structural.raw[~struck].mean() + 2


@pytest.mark.parametrize("name", ["tray", "blister"])
def test_places_of_a_part_point_to_its_middle(shipped, name):
    scene = rendered(name, 3)
    (traces,) = shipped.trace([sample_from_array(scene.image)])
    for part in leaves(scene.parts):
        rows, columns = np.nonzero(part.mask)
        x, y = np.median(traces.middles[:, part.mask], axis=1)
        assert np.hypot(x - columns.mean(), y - rows.mean()) < 0.25 * np.sqrt(len(rows)), part.noun


def test_small_parts_that_lie_close_are_cut_out_each_by_itself(shipped):
    """Of a made-up product whose parts are a few pixels apart, at the model's own size one of five."""
    found = []
    for index in range(3):
        shot = photo(medley(7022), index, size=256)
        (traces,) = shipped.trace([sample_from_array(shot.image)])
        things = items(traces)
        for part in leaves(shot.parts):
            found.append(max(np.sum(part.mask & t) / np.sum(part.mask | t) for t in things))
    assert len(found) > 40
    assert np.mean(np.array(found) > 0.6) > 0.7


def test_parts_of_one_kind_look_alike_to_the_shipped_tracer_across_photos_and_others_do_not(shipped):
    means, nouns = [], []
    for index in range(2):
        scene = rendered("tray", index)
        (traces,) = shipped.trace([sample_from_array(scene.image)])
        for part in scene.parts:
            mean = traces.kinds[:, part.mask[::2, ::2]].mean(axis=1)
            means.append(mean / np.linalg.norm(mean))
            nouns.append(part.noun)
    like = np.array(means) @ np.array(means).T
    same = np.array(nouns)[:, None] == np.array(nouns)[None]
    apart = ~np.eye(len(nouns), dtype=bool)
    assert len(set(nouns)) > 2
    assert like[same & apart].mean() > like[~same].mean() + 0.3
