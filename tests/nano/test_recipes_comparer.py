"""The comparer learns: episodes keep good and bad apart, masks follow their photos, a few steps teach something."""

import numpy as np
import pytest
import torch

from nano.recipes.comparer import Pool, loss_of
from nano.recipes.comparer_data import CELLS, LOGICAL, NORMAL, SIDE, STRUCTURAL, Photos, _chosen, cells, episode
from tools.patches.comparer import Comparer, ComparerConfig


@pytest.fixture(scope="module")
def photos():
    """Two products, grey with a dark bar; a bad photo has a bright square in one cell; then eight twins."""
    rng = np.random.default_rng(0)
    images = rng.integers(90, 110, (2, 16, SIDE, SIDE, 3), dtype=np.uint8)
    images[0, :, 60:80] = 20
    images[1, :, :, 60:80] = 20
    kinds = np.array([[NORMAL] * 5 + [STRUCTURAL, LOGICAL, STRUCTURAL] + [NORMAL] * 8] * 2, np.uint8)
    masks = np.zeros((2, 16, CELLS, CELLS), np.float16)
    for product in range(2):
        for n in range(5, 8):
            row, column = 2 * n, 3 + product
            images[product, n, row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] = 250
            masks[product, n, row, column] = 1
    return Photos(images, kinds, masks, twins=8)


def test_references_are_good_and_half_of_the_queries_are(photos):
    found = episode(photos, 0, np.random.default_rng(1), references=3, queries=4)
    assert found.references.shape == (3, SIDE, SIDE, 3)
    assert sorted(found.kinds == NORMAL) == [False, False, True, True]


def test_references_may_be_twins_of_good_and_bad_queries_alike(photos):
    kinds = photos.kinds[0]
    rng = np.random.default_rng(4)
    chosen = _chosen(photos, kinds, rng, references=4, queries=4, twins=True)
    assert sorted(chosen[:4] - 8) == sorted(chosen[4:])
    assert sorted(kinds[chosen[4:]] == NORMAL) == [False, False, True, True]


def test_masks_follow_the_photos_when_an_episode_is_turned(photos):
    for seed in range(8):
        found = episode(photos, 1, np.random.default_rng(seed), references=2, queries=4)
        for image, mask, kind in zip(found.queries, found.masks, found.kinds, strict=True):
            if kind != NORMAL:
                brightest = image.sum(axis=2).reshape(CELLS, 8, CELLS, 8).mean(axis=(1, 3))
                assert brightest.argmax() == mask.argmax()


def test_the_seed_and_the_step_alone_decide_a_batch(photos):
    pool = Pool(photos, photos)
    first, again, other = (pool.batch(1, step) for step in (5, 5, 6))
    assert all(np.array_equal(a.queries, b.queries) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a.queries, b.queries) for a, b in zip(first, other, strict=True))


def test_a_small_mask_still_marks_its_cell():
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[8:12, 16:20] = True
    assert cells(mask)[1, 2] == 1
    assert cells(mask).sum() == 1


def test_a_few_steps_lower_the_loss(photos):
    torch.manual_seed(0)
    model = Comparer(ComparerConfig(widths=(8, 16), depths=(1, 1), embedding=16, value=8, sums=8, hidden=8)).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    episodes = [episode(photos, n, np.random.default_rng(n), 2, 4) for n in (0, 1)]
    losses = []
    for _ in range(25):
        loss = loss_of(model, episodes, "cpu")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-3:]) < 0.7 * losses[0]
