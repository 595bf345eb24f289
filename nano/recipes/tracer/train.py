"""Trains the tracer and its differ on groups of photos of one product each, most of them products that nobody makes.

Run `python -m nano.recipes.tracer.train --minutes 45`; on a GPU with many processor cores ten minutes do. It measures
itself on held-out photos and writes its card.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional

from nano.recipes.cache import SIZE
from nano.recipes.tracer.data import GROUP, HIDDEN, PARTS, GroupPool, TracerBatch, augmented
from nano.recipes.tracer.evaluate import report
from nano.recipes.training import TrainingRun, arguments, run_of, save_folder, train
from tools.anomaly.damage import STRIDE
from tools.models.tracer import Tracer, TracerConfig

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from tools.models.tracer import Traced

ROOM = 3000
"""Groups that are kept on a GPU; a processor keeps a fiftieth."""
REFERENCES = (1, 2, 3, 4, 4, 4, 5)
"""Numbers of good photos that the others are shown beside."""
SIDES = (SIZE, SIZE * 5 // 4)
"""Photos of a step are brought to one of these sides, since they are traced at either."""
SURE, FAINT = 0.25, 0.04
"""Of a place that the differ looks at, this share is defective at least, or at most where it counts as sound."""
COLD = 0.1
"""Temperature of likeness."""
VISIBLE = 3
"""Places of a part from which on its kind can be told."""


def loss_of(model: Tracer, batch: TracerBatch, references: int) -> dict[str, Tensor]:
    """What each head gets wrong."""
    said = model(batch.pixels)
    labels = batch.labels.flatten()
    return {
        "maps": _maps(said, batch, labels),
        "kinds": _kinds(said.kinds, batch),
        "votes": 0.5 * _votes(said.votes, batch),
        **_differences(model, model.differ.tokens(said.features), batch, references),
    }


def _maps(said: Traced, batch: TracerBatch, labels: Tensor) -> Tensor:
    """Cross entropy of the four maps, rare places weighing more, and dice over the flaws of a batch."""
    part, edge = batch.edges[:, 0], batch.edges[:, 1]
    cross = functional.binary_cross_entropy_with_logits
    flaws = said.flaws.float()
    struck = batch.defects * (labels == 1)[:, None, None]
    damaged = (struck > SURE).float()
    unsure = ((struck > 0) & (struck <= SURE)).float()
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


def _votes(votes: Tensor, batch: TracerBatch) -> Tensor:
    """How far votes of places of items miss the middle of their part, for its size; every part weighs alike."""
    slots = torch.arange(1, PARTS + 1, device=votes.device)
    counted = batch.inside & (batch.items > 0.5)
    owned = ((batch.owners * counted).flatten(1)[:, None] == slots[:, None]).float()
    side = votes.shape[-1]
    steps = torch.arange(side, device=votes.device, dtype=torch.float32)
    places = torch.stack([steps.repeat(side), steps.repeat_interleave(side)])
    areas = owned.sum(dim=2)
    with torch.autocast(votes.device.type, enabled=False):
        middles = (owned @ places.T) / areas.clamp(min=1)[..., None]
    owner = (batch.owners - 1).clamp(min=0).flatten(1)
    truth = torch.stack([middles[..., k].gather(1, owner) for k in (0, 1)], dim=1) - places
    area = areas.gather(1, owner).clamp(min=1)
    missed = (STRIDE * votes.float().flatten(2) - truth).abs().sum(dim=1) / (2 + 0.2 * area.sqrt())
    share = counted.flatten(1) / area
    return (missed * share).sum() / share.sum().clamp(min=1)


def _kinds(kinds: Tensor, batch: TracerBatch) -> Tensor:
    """Parts of one kind on photos of one product are more alike than others there (Khosla et al. 2020)."""
    slots = torch.arange(PARTS + 1, device=kinds.device)
    owned = (batch.owners.flatten(1)[:, None] == slots[:, None]).to(kinds.dtype)
    total = torch.bmm(owned, kinds.flatten(2).transpose(1, 2)).float().flatten(0, 1)
    places = owned.float().sum(dim=2).flatten()
    told, shade = batch.kinds.flatten().long(), batch.shades.flatten().long()
    known = torch.nonzero((told > 0) & (places >= VISIBLE)).squeeze(1)
    if len(known) < 2:
        return kinds.sum() * 0
    unit = functional.normalize(total[known], dim=1)
    group = known // (len(slots) * GROUP)
    told, shade = told[known], shade[known]
    like = unit @ unit.T / COLD
    one_product = group[:, None] == group[None]
    one_kind = told[:, None] == told[None]
    doubtful = one_kind & (shade[:, None] != shade[None])
    itself = torch.eye(len(known), dtype=torch.bool, device=kinds.device)
    others = one_product & ~itself & ~doubtful
    right = others & one_kind
    logs = like - like.masked_fill(~others, -torch.inf).logsumexp(dim=1, keepdim=True)
    each = -(logs * right).nan_to_num(0, 0, 0).sum(dim=1) / right.sum(dim=1).clamp(min=1)
    counted = right.any(dim=1)
    return each[counted].mean() if bool(counted.any()) else kinds.sum() * 0


def _differences(model: Tracer, tokens: Tensor, batch: TracerBatch, references: int) -> dict[str, Tensor]:
    """Cross entropy of what the differ says of the photos beside some of the good ones, and of their places."""
    tokens = tokens.reshape(-1, GROUP, *tokens.shape[1:])
    side = round(tokens.shape[2] ** 0.5)
    good, others = tokens[:, :references].flatten(1, 2), tokens[:, references:]
    said = model.differ(others, (side, side), good, model.differ.places(side, side).repeat(references, 1))
    labels = batch.labels[:, references:]
    truth = torch.stack([labels == 2, labels == 1], dim=-1).float()
    visible = (labels != HIDDEN).float()[..., None].expand_as(truth)
    cross = functional.binary_cross_entropy_with_logits
    share = functional.adaptive_avg_pool2d(batch.defects, side).reshape(-1, GROUP, side, side)[:, references:]
    share = share[:, :, None] * truth[..., None, None]
    wrong = (share > SURE).float()
    clear = ((share > SURE) | (share <= FAINT)).float()
    return {
        "photos": cross(said.photos, truth, weight=visible),
        "places": 2 * cross(said.places, wrong, weight=(1 + 4 * wrong) * clear),
    }


def fit(run: TrainingRun, start: Path | None = None, workers: int | None = None) -> Tracer:
    """A tracer trained until the minutes are over, from the finished one in `start` where there is one."""
    torch.manual_seed(run.seed)
    gpu = run.device == "cuda"
    model: Tracer = Tracer(TracerConfig())
    if start is not None:
        # What an earlier tracer did not have yet starts anew.
        model.load_state_dict(load_file(start / "model.safetensors"), strict=False)
    model.to(run.device, memory_format=torch.channels_last)
    pool = GroupPool(run.device, run.seed, room=ROOM if gpu else ROOM // 50, workers=workers)
    groups = 8 if gpu else 1
    sums: dict[str, float] = {}

    def loss(step: int) -> Tensor:
        random = np.random.default_rng([run.seed, step])
        batch = augmented(pool.sample(groups, random), int(random.choice(SIDES)))
        with torch.autocast(run.device, dtype=torch.bfloat16):
            parts = loss_of(model, batch, int(random.choice(REFERENCES)))
        if step % 100 == 0:
            _tell(run, step, pool.seen, {name: float(value.detach()) for name, value in parts.items()}, sums)
        return torch.stack(list(parts.values())).sum()

    try:
        train(run, model, loss, rate=1e-3)
    finally:
        pool.close()
    return model


def _tell(run: TrainingRun, step: int, seen: int, parts: dict[str, float], sums: dict[str, float]) -> None:
    """One line of what each head gets wrong, as a running mean."""
    for name, value in parts.items():
        sums[name] = 0.8 * sums.get(name, value) + 0.2 * value
    told = ", ".join(f"{name} {value:.3f}" for name, value in sums.items())
    sys.stderr.write(f"{run.role}: step {step}, {seen} groups, {told}\n")


def main() -> None:
    """Trains, saves, measures and writes the card."""
    parser = arguments("tracer", 45)
    parser.add_argument("--workers", type=int, help="processes that render; by default one fewer than processors")
    parser.add_argument("--no-report", action="store_true", help="save the weights alone")
    options = parser.parse_args()
    run = run_of("tracer", options)
    if not run.evaluate_only:
        save_folder(fit(run, options.start, options.workers), run.out)
    if not options.no_report:
        report(run)


if __name__ == "__main__":
    main()
