"""Measures the scorer on photos that it was not trained on, and writes its card."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import roc_auc_score

from nano.recipes.cache import EVALUATION_SEED, SIZE, CachedScene, scenes
from nano.recipes.cache import PER_FAMILY as SCENES
from nano.recipes.check import KEY, cut, figure
from nano.recipes.scorer.data import structural
from nano.recipes.training import Card, TrainingRun, trained, write_card
from nano.recipes.vlm.data import ScenePool, square, suspect
from nano.world import HELDOUT, TRAINED, family
from tools.anomaly import PatchScorer
from tools.images import sample_from_array
from tools.models.loading import load_model
from tools.profiles.specification import ModelSpec

PER_FAMILY = 40
PARTS = 8
"""At most so many parts of a photo are named."""


def report(run: TrainingRun) -> None:
    """Measures the folder through the tool that uses it, and writes README.md and metrics.json."""
    scorer = PatchScorer(load_model(ModelSpec(source=str(run.out)), "scorer", "cpu"), batch=32)
    figures: dict[str, float] = {}
    for kind, names in (("trained", TRAINED), ("held-out", HELDOUT)):
        pool = ScenePool(scenes(names, seed=EVALUATION_SEED, per_family=PER_FAMILY, evaluation=True))
        figures[f"part naming among its family's nouns, {kind} families"] = named(scorer, pool.scenes)
        crops, whole, pixels = [], [], []
        for name in names:
            crops.append(crop_auroc(scorer, pool, name))
            image, pixel = photo_auroc(scorer, pool, name)
            whole.append(image)
            pixels.append(pixel)
        figures[f"good or damaged crop, AUROC, {kind} families"] = float(np.mean(crops))
        figures[f"good or damaged photo, AUROC, {kind} families"] = float(np.mean(whole))
        figures[f"defective pixels, AUROC, {kind} families"] = float(np.mean(pixels))
    figures[KEY] = figure("scorer", run.out)
    write_card(run.out, _card(run, figures))


def named(scorer: PatchScorer, found: Sequence[CachedScene]) -> float:
    """Share of part crops whose own noun is the most similar of its family's nouns."""
    right = count = 0
    for scene in found:
        nouns = list(family(scene.family).nouns)
        parts = scene.parts[:PARTS]
        if not parts:
            continue
        crops = [sample_from_array(cut(np.asarray(scene.image), p.box, 1.3)) for p in parts]
        best = np.asarray(scorer.similarity(crops, [f"a photo of a {n}." for n in nouns])).argmax(axis=1).tolist()
        right += sum(nouns[b] == p.name for b, p in zip(best, parts, strict=True))
        count += len(parts)
    return right / count


def crop_auroc(scorer: PatchScorer, pool: ScenePool, name: str) -> float:
    """Image score of crops about structural defects against crops of good parts at such places."""
    rng = np.random.default_rng(EVALUATION_SEED)
    samples, truth = [], []
    for n in pool.bad[name]:
        if structural(pool.scenes[n]) is not None:
            box = square(pool.scenes[n].defects[0].box, rng, 0)
            good, where = suspect(pool, name, False, rng, 0)
            for index, place, bad in ((n, box, True), (good, where, False)):
                samples.append(sample_from_array(cut(np.asarray(pool.scenes[index].image), place, 1.0)))
                truth.append(bad)
    maps = scorer.score(scorer.encode(samples), family(name).product)
    return auroc([m.image_score for m in maps], truth)


def photo_auroc(scorer: PatchScorer, pool: ScenePool, name: str) -> tuple[float, float]:
    """Image and pixel AUROC of whole photos, good ones against structural defects."""
    chosen = [
        n for n in (*pool.good[name], *pool.bad[name]) if structural(pool.scenes[n]) or not pool.scenes[n].defects
    ]
    samples = [sample_from_array(np.asarray(pool.scenes[n].image)) for n in chosen]
    maps = scorer.score(scorer.encode(samples), family(name).product)
    masks = []
    for n in chosen:
        defect = structural(pool.scenes[n])
        masks.append(np.zeros((SIZE, SIZE), bool) if defect is None else defect.mask)
    image = auroc([m.image_score for m in maps], [bool(m.any()) for m in masks])
    thin = (slice(2, None, 4), slice(2, None, 4))
    values = np.concatenate([m.values[thin].ravel() for m in maps])
    return image, auroc(values, np.concatenate([m[thin].ravel() for m in masks]))


def auroc(scores: Sequence[float] | np.ndarray, truth: Sequence[bool] | np.ndarray) -> float:
    """Area under the ROC curve; ties count half."""
    return float(roc_auc_score(np.asarray(truth, dtype=np.int64), np.asarray(scores)))


def _card(run: TrainingRun, figures: dict[str, float]) -> Card:
    steps, seconds = trained(run)
    return Card(
        title="LookTwice nano scorer",
        architecture=(
            "An open_clip folder: CLIP's modified ResNet (one block a stage, width 32, 128 px, 4x4 patches) and a "
            "two-layer text transformer of width 128 over a byte-level BPE, in a space of 192 dimensions. "
            "6.0 million parameters, fp16."
        ),
        data=(
            f"Crops of parts and of places, and whole photos, of {SCENES * len(TRAINED):,} rendered scenes of "
            f"{len(TRAINED)} families ({', '.join(TRAINED)}; seed 1), with captions made of nouns, colours, defects "
            "and the states and templates of prompts/. Nothing outside this repository."
        ),
        training=(
            f"{steps} steps of 56 crops in {seconds:.0f} seconds on one shared CPU thread (AdamW, 1e-3, cosine, "
            "bfloat16 autocast): symmetric cross entropy over all captions that are true of a crop, and the state of "
            "a crop and of each of its patches as the patch scorer computes it."
        ),
        figures=figures,
        command="python -m nano.recipes.scorer.train --evaluate-only",
        limits=(
            "It knows the nouns of this world and little else, and sees defects of rendered surfaces; its patches "
            "are a quarter of a photo wide. On photographs of other products its words mean little: use references."
        ),
    )
