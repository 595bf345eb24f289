"""Trains the tracer on the training families and on medleys: edges of parts, and damage, at every place.

Run `python -m nano.recipes.tracer --minutes 45`. It measures itself on held-out photos and writes its card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from nano.recipes.cache import MEDLEYS, TRAIN_SEED, CachedScene, Thing, medley_scenes, scenes
from nano.recipes.card import save_folder
from nano.recipes.loop import Run, arguments, run_of, train
from nano.recipes.segmenter_data import SIDE, View, edges_of, normalised, ownership, relit, shares
from nano.world import TRAINED
from tools.patches.tracer import Tracer, TracerConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

BATCH = 12
OLD_SHARE = 0.3
"""Of an earlier checkpoint's weights in the mean with later ones."""
HOLDS = 0.5
"""A part holds another whose box has less than this share of its own box's area."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Tensors of one step."""

    pixels: Tensor
    """(B, 3, SIDE, SIDE), normalised."""
    edges: Tensor
    """(B, 2, SIDE / 2, SIDE / 2): whether a cell is of any part, and whether it is at the edge of one."""
    flaws: Tensor
    """(B, SIDE / 2, SIDE / 2): the share of each cell that is damaged."""
    items: Tensor
    """(B, SIDE / 2, SIDE / 2): whether a cell is of a part that no other lies on."""


class Data:
    """Batches that the step alone decides."""

    def __init__(self, found: Sequence[CachedScene], seed: int, device: str) -> None:
        self._scenes, self._seed, self._device = found, seed, device

    def batch(self, step: int) -> Batch:
        """Squares of random scenes, turned, relit and recoloured."""
        random = np.random.default_rng([self._seed, step])
        rows = [self._row(random) for _ in range(BATCH)]
        pixels, *maps = (torch.from_numpy(np.stack(x)).to(self._device) for x in zip(*rows, strict=True))
        return Batch(pixels.contiguous(memory_format=torch.channels_last), *maps)

    def _row(self, random: np.random.Generator) -> tuple[NDArray[np.float32], ...]:
        scene = self._scenes[int(random.integers(len(self._scenes)))]
        view = View.random(random)
        image = relit(view.image(scene.image), random)
        if random.random() < 0.3:
            image = image[..., random.permutation(3)]
        if random.random() < 0.3:
            image = np.clip(image + random.normal(0, random.uniform(0.005, 0.03), image.shape), 0, 1).astype(np.float32)
        flawed = np.zeros((SIDE, SIDE), dtype=np.bool_)
        for defect in scene.defects:
            if defect.kind == "structural":
                flawed |= view.mask(defect.mask)
        drawn = ownership([view.mask(part.mask) for part in scene.parts])
        top = ownership([view.mask(part.mask) for part in leaves(scene.parts)])
        return normalised(image), edges_of(drawn), shares(flawed), edges_of(top)[0]


def leaves(parts: Sequence[Thing]) -> list[Thing]:
    """The parts within whose box no much smaller part lies: what is held, not what holds."""
    boxes = [part.box for part in parts]
    return [
        part
        for part, box in zip(parts, boxes, strict=True)
        if not any(
            other.area < HOLDS * box.area and box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1
            for other in boxes
            for x, y in [other.centre]
        )
    ]


def loss_of(model: Tracer, batch: Batch) -> Tensor:
    """Cross entropy of each of the four maps, rare places weighing more, and dice over the flaws of a batch."""
    said = model(batch.pixels)
    part, edge = batch.edges[:, 0], batch.edges[:, 1]
    cross = functional.binary_cross_entropy_with_logits
    flaws = said.flaws.float()
    damaged = (batch.flaws > 0.25).float()
    unsure = ((batch.flaws > 0) & (batch.flaws <= 0.25)).float()
    p = flaws.sigmoid() * (1 - unsure)
    dice = 1 - (2 * (p * damaged).sum() + 1) / (p.sum() + damaged.sum() + 1)
    total: Tensor = (
        0.5 * cross(said.parts.float(), part)
        + cross(said.items.float(), batch.items, weight=1 + batch.items)
        + cross(said.edges.float(), edge, weight=1 + 2 * edge)
        + 4 * cross(flaws, damaged, weight=(1 + 4 * damaged) * (1 - unsure))
        + 0.5 * dice
    )
    return total


def fit(run: Run, per_family: int) -> Tracer:
    """A tracer trained until the minutes are over."""
    torch.manual_seed(run.seed)
    model: Tracer = Tracer(TracerConfig()).to(run.device, memory_format=torch.channels_last)
    found = [*scenes(TRAINED, seed=TRAIN_SEED, per_family=per_family), *medley_scenes(0, MEDLEYS)]
    data = Data(found, run.seed, run.device)

    def loss(step: int) -> Tensor:
        with torch.autocast(run.device, dtype=torch.bfloat16):
            return loss_of(model, data.batch(step))

    train(run, model, loss, rate=3e-3)
    return model


def averaged(new: Tracer, old: Path) -> Tracer:
    """Weights between those of an earlier checkpoint and those of the training that went on from it.

    Such a mean is often better on new data than either end (model soups, Wortsman et al. 2022, section 3).
    """
    before = Tracer.from_pretrained(old).to(next(new.parameters()).device).state_dict()
    mean = {
        name: (OLD_SHARE * before[name] + (1 - OLD_SHARE) * value).to(value.dtype)
        for name, value in new.state_dict().items()
    }
    new.load_state_dict(mean)
    return new


def main() -> None:
    """Trains, saves, measures and writes the card."""
    from nano.recipes.tracer_figures import report

    parser = arguments("tracer", 45)
    parser.add_argument("--average", type=Path, help="earlier checkpoint whose weights make up 0.3 of the result")
    options = parser.parse_args()
    run = run_of("tracer", options)
    if not run.evaluate_only:
        model = fit(run, options.per_family)
        save_folder(averaged(model, options.average) if options.average else model, run.out)
    report(run)


if __name__ == "__main__":
    main()
