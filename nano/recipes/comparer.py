"""Trains the comparer on episodes of medleys and of the training families.

Run `python -m nano.recipes.comparer --minutes 60`. It measures itself on products it never saw and writes its card.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from nano.recipes.cache import TRAIN_SEED
from nano.recipes.card import save_folder
from nano.recipes.comparer_data import LOGICAL, NORMAL, STRUCTURAL, Episode, Photos, episode, families, medleys
from nano.recipes.loop import WEIGHTS, Run, arguments, run_of, train
from nano.world import TRAINED
from tools.patches.comparer import Comparer, ComparerConfig, Seen
from tools.patches.comparison import DEVIATION, MEAN

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

MEDLEYS = 2000
EPISODES, QUERIES = 8, 4
"""In a batch, and photos to be told apart in each."""
FROM_MEDLEYS = 0.65
TWINS_ALONE, TWINS_AFTER, FADING = 1500, 0.3, 6000
"""Steps on twins alone, the share of twins in the end, and the step from which it holds."""


@dataclass(frozen=True, eq=False)
class Pool:
    """All that is trained on."""

    medleys: Photos
    families: Photos

    def batch(self, seed: int, step: int) -> list[Episode]:
        """The episodes of one step, all with as many references."""
        rng = np.random.default_rng((seed, step))
        left = (step - TWINS_ALONE) / (FADING - TWINS_ALONE)
        twins = bool(rng.random() > (1 - TWINS_AFTER) * min(max(left, 0.0), 1.0))
        references = QUERIES if twins else int(rng.choice((1, 2, 3, 4, 4)))
        found = []
        for _ in range(EPISODES):
            if twins:
                product = int(rng.integers(len(self.medleys.images)))
                found.append(episode(self.medleys, product, rng, references, QUERIES, twins=True))
                continue
            photos = self.medleys if rng.random() < FROM_MEDLEYS else self.families
            found.append(episode(photos, int(rng.integers(len(photos.images))), rng, references, QUERIES))
        return found


def normalised(images: NDArray[np.uint8]) -> Tensor:
    """Photos (N, S, S, 3) as the network takes them, (N, 3, S, S)."""
    pixels = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
    return (pixels - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(DEVIATION).view(1, 3, 1, 1)


def built() -> Comparer:
    """A new comparer whose backbone starts as the first stages of the features model."""
    from safetensors.torch import load_file

    model = Comparer(ComparerConfig())
    kept = load_file(WEIGHTS / "features" / "model.safetensors")
    own = model.backbone.state_dict()
    own.update({name: value.float() for name, value in kept.items() if name in own and own[name].shape == value.shape})
    model.backbone.load_state_dict(own)
    return model


def loss_of(model: Comparer, episodes: list[Episode], device: str) -> Tensor:
    """Cross entropy over the kinds, and over the cells of the map."""
    references = np.concatenate([e.references for e in episodes])
    each = len(episodes[0].references)
    pixels = normalised(np.concatenate([references, *(e.queries for e in episodes)])).to(device)
    with torch.autocast(device, dtype=torch.bfloat16):
        embedded, sums = model.see(pixels.contiguous(memory_format=torch.channels_last))
        count, sums = len(references), sums.float()
        held = torch.arange(count, device=device).view(len(episodes), 1, each).expand(-1, QUERIES, -1).flatten()
        said = model(Seen(embedded[count:], sums[count:]), Seen(embedded[held], sums[held]))
    logits, places = said.logits.float(), said.places.float()
    kinds = torch.from_numpy(np.concatenate([e.kinds for e in episodes])).long().to(device)
    masks = torch.from_numpy(np.concatenate([e.masks for e in episodes])).to(device)
    of = torch.stack([kinds == STRUCTURAL, kinds == LOGICAL], dim=1)[:, :, None, None]
    wanted = (masks > 0.3).float()[:, None] * of
    sure = ((masks > 0.3) | (masks < 0.02)).float()[:, None].expand_as(wanted)
    weight = sure * (1 + 4 * wanted)
    whole = functional.cross_entropy(logits, kinds)
    both = torch.stack([logits[:, NORMAL], logits[:, 1:].logsumexp(dim=1)], dim=1)
    bad = functional.cross_entropy(both, (kinds != NORMAL).long())
    cells = functional.binary_cross_entropy_with_logits(places, wanted, weight=weight, reduction="sum")
    return whole + bad + 2 * cells / weight.sum()


def main() -> None:
    """Trains, measures, saves and writes the card."""
    run = run_of("comparer", arguments("comparer", 60).parse_args())
    if not run.evaluate_only:
        train_and_save(run)
    from nano.recipes.comparer_figures import report

    report(run)


def train_and_save(run: Run) -> None:
    """Trains until the minutes are over."""
    pool = Pool(medleys(0, MEDLEYS), families(TRAINED, seed=TRAIN_SEED, per_family=1200))
    model = built().to(run.device, memory_format=torch.channels_last)
    train(run, model, lambda step: loss_of(model, pool.batch(run.seed, step), run.device), rate=2e-3)
    save_folder(model, run.out)


if __name__ == "__main__":
    main()
