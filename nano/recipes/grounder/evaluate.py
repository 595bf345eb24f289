"""Measures the grounder on photos that it was not trained on, and writes its card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nano.recipes.cache import EVALUATION_SEED, CachedScene, scenes
from nano.recipes.check import KEY, figure
from nano.recipes.training import Card, TrainingRun, trained, write_card
from nano.world import HELDOUT, TRAINED, family
from tools.images import sample_from_array
from tools.models.loading import load_model
from tools.parts import Grounder
from tools.profiles.specification import ModelSpec

if TYPE_CHECKING:
    from tools.types import Part

PER_FAMILY = 40
SURE = 0.3
"""Detections from this score on are counted."""
FAINT = 0.02


def report(run: TrainingRun) -> None:
    """Measures the folder through the tool that uses it, and writes README.md and metrics.json."""
    grounder = Grounder(load_model(ModelSpec(source=str(run.out)), "grounder", "cpu"))
    figures: dict[str, float] = {}
    for kind, names in (("trained", TRAINED), ("held-out", HELDOUT)):
        found = [measured(grounder, name) for name in names]
        for key in found[0]:
            figures[f"{key}, {kind} families"] = float(np.mean([f[key] for f in found]))
    figures[KEY] = figure("grounder", run.out)
    write_card(run.out, _card(run, figures))


def measured(grounder: Grounder, name: str) -> dict[str, float]:
    """Mean over a family's nouns of AP50, and the share of (photo, noun) pairs whose count is exact."""
    photos = scenes([name], seed=EVALUATION_SEED, per_family=PER_FAMILY, evaluation=True)
    nouns = family(name).nouns
    found = [grounder.ground(sample_from_array(np.array(s.image)), nouns, threshold=FAINT) for s in photos]
    exact = [
        sum(p.label == noun and p.region.score >= SURE for p in parts) == sum(t.name == noun for t in scene.parts)
        for scene, parts in zip(photos, found, strict=True)
        for noun in nouns
    ]
    precisions = [average_precision(photos, found, noun) for noun in nouns]
    return {"AP50": float(np.mean(precisions)), "exact count": float(np.mean(exact))}


def average_precision(photos: Sequence[CachedScene], found: Sequence[tuple[Part, ...]], noun: str) -> float:
    """Area under the precision-recall curve (every point, precision made monotone) at IoU 0.5."""
    truth = [[t.box for t in scene.parts if t.name == noun] for scene in photos]
    ranked = sorted(
        ((p.region.score, n, p.region.box) for n, parts in enumerate(found) for p in parts if p.label == noun),
        key=lambda item: -item[0],
    )
    taken: set[tuple[int, int]] = set()
    hits = np.zeros(len(ranked))
    for rank, (_, n, box) in enumerate(ranked):
        overlaps = [(box.iou(true), k) for k, true in enumerate(truth[n]) if (n, k) not in taken]
        best = max(overlaps, default=(0.0, -1))
        if best[0] >= 0.5:
            taken.add((n, best[1]))
            hits[rank] = 1
    total = sum(len(boxes) for boxes in truth)
    if not total or not len(hits):
        return 0.0
    recall = np.cumsum(hits) / total
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    best_after = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * best_after))


def _card(run: TrainingRun, figures: dict[str, float]) -> Card:
    steps, seconds = trained(run)
    return Card(
        title="nano grounder",
        architecture=(
            "`OwlViTForObjectDetection`: six layers of width 192 over 16 x 16 patches of a 192 px photo, two text "
            "layers of width 128, a byte-level vocabulary of 2,048. Zero-shot boxes for a noun or a coloured noun."
        ),
        data=(
            "Parts of the world's training families (seed 1; the first 2,525 steps on 400 photos each, the rest on "
            "1,200), cropped, mirrored and relit."
        ),
        training=(
            f"{steps} steps of 12 photos, {seconds / 60:.0f} minutes on one CPU thread shared with other work "
            "(`python -m nano.recipes.grounder.train`). Focal, L1 and GIoU; the patch at a part's centre predicts it."
        ),
        figures=figures,
        command="python -m nano.recipes.grounder.train --evaluate-only",
        limits=(
            "Knows the nouns and looks of its training families only: on the held-out families most boxes are wrong, "
            "and on real photos they mean nothing."
        ),
    )
