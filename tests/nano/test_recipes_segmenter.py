"""The segmenter's recipe: what it is taught, and what it is measured by."""

from __future__ import annotations

import numpy as np
import pytest

from nano.recipes.cache import CachedScene, Thing
from nano.recipes.segmenter.data import (
    COARSE,
    FINE,
    IMAGES,
    PROMPTS,
    SIDE,
    Data,
    deepest,
    edges_of,
    owners_of,
    ownership,
    shares,
    things_of,
)
from nano.recipes.segmenter.evaluate import mean_iou
from nano.recipes.segmenter.train import SegmenterWithHeads, new_model
from nano.world import render
from tools.types import Box

torch = pytest.importorskip("torch")


def _thing(name: str, kind: str, mask: np.ndarray) -> Thing:
    import base64

    ys, xs = np.nonzero(mask)
    box = Box(int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)
    bits = np.packbits(mask[box.y0 : box.y1, box.x0 : box.x1]).tobytes()
    return Thing(name, name, box, kind, base64.b64encode(bits).decode("ascii"))


@pytest.fixture(scope="module")
def scene() -> CachedScene:
    drawn = render("metal", seed=5, index=0, defect="scratch")
    parts = tuple(_thing(p.noun, "part", p.mask) for p in drawn.parts)
    defects = tuple(_thing(d.name, d.kind, d.mask) for d in drawn.defects)
    return CachedScene(drawn.image, "metal", drawn.product, 0, parts, defects, ())


def test_the_deepest_pixel_of_a_target_lies_inside_it(scene: CachedScene) -> None:
    for thing in things_of(scene):
        x, y = deepest(thing.mask)
        assert thing.mask[y, x]


def test_logical_defects_are_not_taught(scene: CachedScene) -> None:
    blamed = _thing("missing part", "logical", scene.parts[0].mask)
    with_blame = CachedScene(scene.image, scene.family, scene.product, 0, scene.parts, (blamed,), ())
    assert blamed not in things_of(with_blame)


def test_the_step_alone_decides_the_batch(scene: CachedScene) -> None:
    data = Data([scene], seed=3, device="cpu")
    first, again, other = data.batch(7), data.batch(7), data.batch(8)
    assert torch.equal(first.pixels, again.pixels) and torch.equal(first.points, again.points)
    assert not torch.equal(first.pixels, other.pixels)


def test_prompts_follow_the_picture_when_it_is_turned(scene: CachedScene) -> None:
    for step in range(4):
        batch = Data([scene], seed=1, device="cpu").batch(step)
        half = PROMPTS // 2
        for image in range(IMAGES):
            for n in range(half):
                x, y = batch.points[image, n, 0].int().tolist()
                assert batch.masks[image, half + n, y // FINE, x // FINE] > 0
                mask = batch.masks[image, n] > 0
                xs = torch.nonzero(mask.any(dim=0))
                assert abs(FINE * xs[0].item() - batch.boxes[image, n, 0].item()) < 0.07 * SIDE + FINE


def test_shrinking_keeps_the_area() -> None:
    mask = np.zeros((SIDE, SIDE), dtype=np.bool_)
    mask[3:10, 5:8] = True
    assert shares(mask).sum() * FINE**2 == pytest.approx(21)


def test_the_smaller_of_two_masks_owns_a_pixel_and_its_edge_is_seen() -> None:
    large, small = (np.zeros((SIDE, SIDE), dtype=np.bool_) for _ in range(2))
    large[:64, :128], small[16:48, 16:48] = True, True
    drawn = ownership([small, large])
    assert drawn[20, 20] == 1 and drawn[2, 2] == 2 and drawn[100, 100] == 0
    inside, edge = edges_of(drawn)
    assert inside.sum() * FINE**2 == 64 * 128
    assert edge[20 // FINE, 16 // FINE] == 1 and edge[20 // FINE, 30 // FINE] == 0


def test_a_patch_knows_how_far_the_middle_of_its_part_is_and_how_large_it_is() -> None:
    mask = np.zeros((SIDE, SIDE), dtype=np.bool_)
    mask[16:48, 16:80] = True
    told = owners_of(ownership([mask]))
    row, column = 20 // COARSE, 20 // COARSE
    assert told[0].sum() * COARSE**2 == mask.sum()
    assert told[:, row, column] == pytest.approx([1, (48 - 20) / 64, (32 - 20) / 64, 0, np.log(0.5)])


def test_a_few_steps_lower_the_loss_and_single_masks_can_be_asked(scene: CachedScene) -> None:
    torch.manual_seed(0)
    learner = SegmenterWithHeads(new_model())
    batch = Data([scene], seed=1, device="cpu").batch(0)
    optimiser = torch.optim.AdamW(learner.parameters(), lr=3e-4)
    losses = []
    for _ in range(5):
        loss = learner(batch, 0)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < losses[0]
    assert torch.isfinite(learner(batch, 7, blind=True))


def test_a_perfect_mask_measures_one_and_an_empty_one_nothing(scene: CachedScene) -> None:
    assert mean_iou([(scene, scene.parts)], lambda _, things: [t.mask for t in things]) == 1.0
    assert mean_iou([(scene, scene.parts)], lambda _, things: [np.zeros_like(t.mask) for t in things]) == 0.0
