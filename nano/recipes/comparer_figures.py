"""Measures the comparer on products it never saw: which photos of each differ from a few good ones, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from nano.recipes.card import Card, write_card
from nano.recipes.check import KEY, figure
from nano.recipes.comparer import EPISODES, MEDLEYS, QUERIES, normalised
from nano.recipes.comparer_data import BAD, GOOD, LOGICAL, NORMAL, STRUCTURAL, Photos, families, medleys
from nano.recipes.loop import trained
from nano.world import HELDOUT, TRAINED
from tools.patches.comparer import Comparer, Seen

if TYPE_CHECKING:
    from nano.recipes.loop import Run

UNSEEN, UNSEEN_COUNT = 1_000_000, 60
"""Numbers of the medleys that are measured on; training takes the first few thousand."""


def report(run: Run) -> None:
    """Measures what stands in the run's folder and writes its card."""
    model = Comparer.from_pretrained(run.out, dtype=torch.float32).eval()
    data = {
        "unseen medleys": medleys(UNSEEN, UNSEEN_COUNT),
        "trained families": families(TRAINED, seed=2, per_family=40),
        "held-out families": families(HELDOUT, seed=2, per_family=40, evaluation=True),
    }
    figures = {}
    for name, photos in data.items():
        for references in (4, 1):
            for key, value in measured(model, photos, references).items():
                figures[f"{key}, {references} reference{'s' * (references > 1)}, {name}"] = value
    steps, seconds = trained(run)
    card = Card(
        title="LookTwice nano comparer",
        architecture="`Comparer` of `tools/patches/comparer.py`: the first two stages of a ResNet at 160 px, begun as "
        "those of the features model; what attention cannot explain out of the references, forwards and backwards, and "
        "the sums of what lies in a photo beside theirs, feed one judgement (good, structural, logical) and a map of "
        "20x20 cells.",
        data=f"{MEDLEYS} medleys (`nano/world/medley.py`, products that nobody makes: {GOOD} good and {BAD} bad "
        f"photos and the twins of all) and the training families ({', '.join(TRAINED)}), seed 1; each episode turned, "
        "mirrored and recoloured as one.",
        training=f"{steps} steps ({seconds:.0f} s) on two shared CPU threads; {EPISODES} episodes a step of 1 to 4 "
        f"references and {QUERIES} photos, half of them good; AdamW at 2e-3, cosine, bfloat16 autocast.",
        figures={**figures, KEY: figure("comparer", run.out)},
        command="python -m nano.recipes.comparer --evaluate-only",
        limits="Rendered products only: what it makes of a real photo was not learned. It sees 160 px across, so that "
        "what is smaller than two of them is lost, and says what differs only as structural or logical. Held-out "
        "families were used for their figures alone.",
    )
    write_card(run.out, card)


def measured(model: Comparer, photos: Photos, references: int) -> dict[str, float]:
    """Mean over products of the AUROCs, structural and logical, and of cells."""
    rows: dict[str, list[float]] = {"structural AUROC": [], "logical AUROC": [], "cell AUROC": []}
    for product in range(len(photos.images)):
        kinds = np.asarray(photos.kinds[product])
        good = np.flatnonzero(kinds == NORMAL)
        tested = np.setdiff1d(np.arange(len(kinds)), good[:references])
        with torch.inference_mode():
            seen = model.see(normalised(photos.images[product]))
            held = torch.from_numpy(np.tile(good[:references], len(tested)))
            said = model(Seen(*(part[tested] for part in seen)), Seen(*(part[held] for part in seen)))
        score = (said.logits[:, 1:].logsumexp(dim=1) - said.logits[:, NORMAL]).numpy()
        for name, kind in (("structural AUROC", STRUCTURAL), ("logical AUROC", LOGICAL)):
            of = np.isin(kinds[tested], (NORMAL, kind))
            if (kinds[tested] == kind).any():
                rows[name].append(float(roc_auc_score(kinds[tested][of] == kind, score[of])))
        masks = np.stack([photos.masks[product][n] for n in tested]).astype(np.float32)
        wanted, sure = masks > 0.3, (masks > 0.3) | (masks < 0.02)
        rows["cell AUROC"].append(float(roc_auc_score(wanted[sure], said.places.amax(dim=1).numpy()[sure])))
    return {name: float(np.mean(values)) for name, values in rows.items() if values}
