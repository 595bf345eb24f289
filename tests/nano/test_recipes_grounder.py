"""The grounder's recipe: boxes follow their crops, phrases name what is there, and a few steps lower the loss."""

import base64

import numpy as np
import pytest
import torch

from nano.recipes.cache import CachedScene, Thing
from nano.recipes.grounder.train import PATCH, QUERIES, SIDE, Examples, _responsible, augmented, build, loss_of
from nano.world import render
from tools.types import Box


@pytest.fixture(scope="module")
def scenes():
    found = []
    for name in ("tray", "blister"):
        drawn = render(name, seed=5, index=0)
        parts = []
        for part in drawn.parts:
            x0, y0, x1, y1 = (int(v) for v in part.box)
            bits = base64.b64encode(np.packbits(part.mask[y0:y1, x0:x1]).tobytes()).decode("ascii")
            parts.append(
                Thing(part.noun, f"{part.attributes['colour']} {part.noun}", Box(x0, y0, x1, y1), "part", bits)
            )
        found.append(CachedScene(drawn.image, name, drawn.product, 0, tuple(parts), (), ()))
    return found


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    torch.manual_seed(0)
    return build(tmp_path_factory.mktemp("grounder"))


def test_boxes_stay_in_the_photo_and_belong_to_the_parts_that_are_still_there(scenes):
    for seed in range(6):
        pixels, boxes, kept = augmented(scenes[0], np.random.default_rng(seed))
        assert pixels.shape == (3, SIDE, SIDE)
        assert len(boxes) == len(kept)
        corners = torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], dim=1)
        assert corners.min() >= -1e-4
        assert corners.max() <= 1 + 1e-4


def test_a_box_is_named_by_its_noun_and_its_coloured_noun_alone(scenes, fresh):
    examples = Examples(scenes, fresh[1].tokenizer, seed=1)
    _, ids, _, truth = examples.batch(0)
    assert len(ids) == len(truth) * QUERIES
    assert all(named.shape == (len(boxes), QUERIES) for boxes, named in truth)
    assert all(named.any() for _, named in truth)
    assert not any(named.all(dim=1).any() for _, named in truth)


def test_the_seed_and_the_step_alone_decide_a_batch(scenes, fresh):
    one, same, other = (Examples(scenes, fresh[1].tokenizer, seed=1).batch(step)[0] for step in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_patch_of_the_centre_answers_for_a_small_box_and_neighbours_help_with_a_large_one():
    grid = SIDE // PATCH
    centre = torch.tensor([0.5 + 0.1 / grid, 0.5 + 0.1 / grid, 0.0, 0.0])
    assert _responsible(centre + torch.tensor([0, 0, 1 / grid, 1 / grid])) == [grid // 2 * grid + grid // 2]
    assert len(_responsible(centre + torch.tensor([0, 0, 5 / grid, 5 / grid]))) == 3


def test_a_few_steps_lower_the_loss(scenes, fresh):
    model, processor = fresh
    examples = Examples(scenes, processor.tokenizer, seed=1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=6e-4)
    losses = []
    for _ in range(20):
        loss = loss_of(model, examples, 0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert min(losses[-3:]) < 0.8 * losses[0]
