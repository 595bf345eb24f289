"""Recipes read training families only, repeat themselves from a seed, and teach what the tools ask."""

import ast
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

from nano.recipes import cache, training
from nano.recipes.scorer.data import CaptionFacts, captions, fits
from nano.recipes.scorer.data import batch_of as scorer_batch
from nano.recipes.vlm.data import GRID, ScenePool, batch_of, compared, picture, reference, shares, square
from nano.recipes.vocabulary import kept_tokenizer
from nano.world import HELDOUT, TRAINED
from tools.types import Box

RECIPES = sorted((Path(__file__).parents[2] / "nano" / "recipes").glob("*.py"))


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    kept, cache.ROOT = cache.ROOT, tmp_path_factory.mktemp("cache")
    for name in ("gear", "blister"):
        cache._render_family(name, 1, 12)
    yield ScenePool(cache.scenes(("gear", "blister"), seed=1, per_family=12))
    cache.ROOT = kept


def same(one, other):
    return all(
        a.turns == b.turns and all(torch.equal(p, q) for p, q in zip(a.pictures, b.pictures, strict=True))
        for a, b in zip(one, other, strict=True)
    )


def test_a_held_out_family_cannot_be_trained_on():
    with pytest.raises(ValueError, match="never trained on"):
        cache.scenes((TRAINED[0], HELDOUT[0]), seed=1, per_family=400)


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_only_figures_speak_of_held_out_families(path):
    names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
    assert "HELDOUT" not in names or path.stem == "cache" or path.stem.endswith("_figures")


def test_half_of_the_cached_scenes_are_good_and_masks_survive_packing(pool):
    assert [bool(s.defects) for s in pool.scenes[:4]] == [False, True, False, True]
    for scene in pool.scenes:
        for thing in (*scene.parts, *scene.defects):
            x0, y0, x1, y1 = (int(v) for v in thing.box)
            assert thing.mask.sum() == thing.mask[y0:y1, x0:x1].sum() > 0


def test_a_seed_and_a_step_fix_the_batch(pool):
    for step in (0, 1):
        assert same(batch_of(pool, 6, 1, step), batch_of(pool, 6, 1, step))
        assert not same(batch_of(pool, 6, 1, step), batch_of(pool, 6, 2, step))
    one, other = scorer_batch(pool, 6, 1, 0), scorer_batch(pool, 6, 1, 0)
    assert all(torch.equal(a.pixels, b.pixels) for a, b in zip(one, other, strict=True))


def test_crops_stay_inside_the_photo():
    rng = np.random.default_rng(0)
    for _ in range(200):
        x, y = rng.uniform(0, 250, 2)
        box = square(Box(x, y, x + rng.uniform(1, 256 - x), y + rng.uniform(1, 256 - y)), rng)
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= 256 and box.y1 <= 256 and box.width >= 64


def test_the_reference_is_good_and_another_photo(pool):
    rng = np.random.default_rng(0)
    for scene in pool.scenes[:12]:
        other = reference(pool, scene, Box(64, 64, 160, 160), rng)
        assert not other.defects
        assert other is not scene
        assert other.family == scene.family


def test_a_defect_is_marked_on_its_patches_and_mirrored_with_them(pool):
    scene = next(s for s in pool.scenes if s.defects)
    whole = Box(0, 0, 256, 256)
    grid, mirrored = shares(scene, whole), shares(scene, whole, mirror=True)
    assert grid.shape == (GRID, GRID)
    assert grid.max() > 0
    assert torch.equal(grid.flip(1), mirrored)
    assert torch.equal(picture(scene, whole).flip(2), picture(scene, whole, mirror=True))


@pytest.mark.parametrize("yes", [True, False])
def test_both_polarities_of_a_comparison_agree_on_the_truth(pool, yes):
    rng = np.random.default_rng(3)
    for _ in range(12):
        example = compared(pool, "gear", yes, rng)
        question, answer = example.turns[0]
        assert answer == ("Yes" if yes != ("as good as" in question) else "No")
        assert (example.defects[0].max() > 0) == yes


def test_a_caption_fits_only_what_it_says(pool):
    crops = scorer_batch(pool, 24, 1, 0)
    said = captions(crops, 1, 0)
    assert all(any(fits(s, c) for c in crops) or s.damaged is not None for s in said)
    crop = next(c for c in crops if c.damaged)
    assert fits(CaptionFacts("", crop.subject, None, True, None), crop)
    assert not fits(CaptionFacts("", crop.subject, None, False, None), crop)
    assert not fits(CaptionFacts("", "another thing", None, None, None), crop)


def test_a_resumed_training_keeps_its_vocabulary(tmp_path, monkeypatch):
    first = kept_tokenizer(tmp_path, 16, frame=True)
    monkeypatch.setattr("nano.recipes.vocabulary.texts", lambda: iter(["entirely other words"]))
    assert kept_tokenizer(tmp_path, 16, frame=True).get_vocab() == first.get_vocab()


def test_a_training_that_begins_with_a_finished_checkpoint_takes_over_its_vocabulary(tmp_path, monkeypatch):
    finished = kept_tokenizer(tmp_path / "first", 16, frame=True)
    monkeypatch.setattr("nano.recipes.vocabulary.texts", lambda: iter(["entirely other words"]))
    begun = kept_tokenizer(tmp_path / "second", 16, frame=True, start=tmp_path / "first" / "tokenizer")
    assert begun.get_vocab() == finished.get_vocab()


def test_scenes_of_medleys_are_good_or_damaged_and_know_their_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "ROOT", tmp_path)
    found = cache.medley_scenes(3, 2, per_medley=3)
    assert [bool(scene.defects) for scene in found] == [False, True, True] * 2
    for scene in found:
        assert scene.parts and scene.image.shape == (cache.SIZE, cache.SIZE, 3)
        assert all(part.mask.any() for part in (*scene.parts, *scene.defects))
        assert all(defect.kind == "structural" for defect in scene.defects)


def test_half_of_the_scorers_crops_show_medleys_where_there_are_any(pool, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "ROOT", tmp_path)
    both = ScenePool([*pool.scenes, *cache.medley_scenes(3, 2, per_medley=3)])
    subjects = [crop.subject for step in range(3) for crop in scorer_batch(both, 20, 1, step)]
    own = {part.name for scene in pool.scenes for part in scene.parts} | {scene.product for scene in pool.scenes}
    assert 0.25 < sum(subject not in own for subject in subjects) / len(subjects) < 0.75


def test_training_resumes_from_its_last_checkpoint(tmp_path):
    options = Namespace(
        device="cpu", checkpoints=tmp_path / "kept", minutes=0.002, seed=1, out=tmp_path / "out", evaluate_only=False
    )
    run = training.run_of("scorer", options)

    def fit():
        model = torch.nn.Linear(2, 1)
        return training.train(run, model, lambda step: model(torch.ones(1, 2)).pow(2).sum(), rate=1e-2), model

    (steps, seconds), first = fit()
    (more, longer), second = fit()
    assert more > steps > 0
    assert longer > seconds
    assert training.trained(run)[0] == more
    assert second(torch.ones(1, 2)).abs() <= first(torch.ones(1, 2)).abs() + 1e-3
