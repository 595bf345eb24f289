"""Measures the tracer on photos that it was not trained on, and writes its card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import skimage

from nano.recipes.cache import EVALUATION_SEED, SIZE, CachedScene, scenes
from nano.recipes.check import KEY, figure
from nano.recipes.scorer.evaluate import auroc
from nano.recipes.tracer.data import FAMILIES, FIRST, GOOD, GROUP, Groups, family_group, medley_group
from nano.recipes.training import Card, TrainingRun, write_card
from nano.world import HELDOUT, TRAINED
from nano.world.medley import CROWDED, VARIED
from tools.anomaly.damage import PhotoTracer
from tools.images import sample_from_array
from tools.models.loading import load_model
from tools.parts.masks import items
from tools.profiles.specification import ModelSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tools.anomaly.damage import Traces
    from tools.types import Mask

VISIBLE = 12
"""Places of a part from which on it is compared with others."""
CUT = 0.6
"""Intersection over union from which on a part is cut out well."""

MEASURED = 40
"""Photos of each family that are measured on."""
UNSEEN, PRODUCTS = 1_000_000, 30
"""Of each band of medleys, the first that are measured on, above those that are trained on, and how many they are."""
GROUPS, REFERENCES = 4, 4
"""Groups of each family, and the good photos of a group that its others are shown beside."""


def report(run: TrainingRun) -> None:
    """Measures the folder through the tool that uses it, and writes README.md and metrics.json."""
    tracer = PhotoTracer(load_model(ModelSpec(source=str(run.out)), "tracer", run.device))
    figures: dict[str, float] = {}
    for kind, names in (("trained families", TRAINED), ("held-out families", HELDOUT)):
        rows = [of_family(tracer, name) for name in names]
        for key in dict.fromkeys(key for row in rows for key in row):
            figures[f"{key}, {kind}"] = float(np.mean([row[key] for row in rows if key in row]))
    medleys = {
        "unseen medleys": 0,
        "unseen medleys of unseen forms": VARIED,
        "unseen crowded medleys": CROWDED,
    }
    for kind, first in medleys.items():
        rows = [beside(tracer, [medley_group(first + UNSEEN + n)]) for n in range(PRODUCTS)]
        for key in dict.fromkeys(key for row in rows for key in row):
            figures[f"{key}, {kind}"] = float(np.mean([row[key] for row in rows if key in row]))
    figures[KEY] = figure("tracer", run.out)
    write_card(run.out, _card(run, figures))


def of_family(tracer: PhotoTracer, name: str) -> dict[str, float]:
    """AUROC of damaged photos and of damaged pixels against good ones, of pixels at an edge, and beside good photos."""
    found = scenes([name], seed=EVALUATION_SEED, per_family=MEASURED, evaluation=True)
    plain = [scene for scene in found if not scene.defects or scene.defects[0].kind == "structural"]
    traced = tracer.trace([sample_from_array(np.array(scene.image)) for scene in plain])
    damage = [_damage(scene) for scene in plain]
    edges = np.stack([_edges(scene) for scene in plain])
    thin = (slice(None), slice(None, None, 2), slice(None, None, 2))
    return {
        "damaged photo, AUROC": auroc([t.flaws.own_score for t in traced], [bool(mask.any()) for mask in damage]),
        "damaged pixels, AUROC": auroc(
            np.stack([t.flaws.values for t in traced])[thin].ravel(), np.stack(damage)[thin].ravel()
        ),
        "edges of parts, AUROC": auroc(np.stack([t.edges for t in traced])[thin].ravel(), edges[thin].ravel()),
        **beside(tracer, [family_group(name, GROUP * n, EVALUATION_SEED) for n in range(GROUPS)]),
    }


def beside(tracer: PhotoTracer, groups: Sequence[Groups]) -> dict[str, float]:
    """AUROC of logically and of structurally anomalous photos against good ones, each beside four of its group.

    And of pairs of parts on two good photos, of one kind or not, by how alike they are; and the share of parts
    that are cut out well.
    """
    scores: dict[int, list[tuple[float, float]]] = {0: [], 1: [], 2: []}
    alike, found_well = [], []
    for group in groups:
        samples = [sample_from_array(image) for image in group.images]
        traced = tracer.trace(samples)
        alike.append(_alike(group, traced))
        found_well += _found_well(group, traced)
        tokens = [t.tokens for t in traced]
        good = tokens[:REFERENCES]
        for photo, label in zip(tokens[REFERENCES:], group.labels[REFERENCES:].tolist(), strict=True):
            said = tracer.beside(photo, good, (SIZE, SIZE))
            scores.setdefault(label, []).append((said.logical.own_score, said.structural.own_score))
    found = {}
    for at, label, kind in ((0, 2, "logical"), (1, 1, "structural")):
        if scores[label]:
            both = [s[at] for s in (*scores[0], *scores[label])]
            bad = [False] * len(scores[0]) + [True] * len(scores[label])
            found[f"{kind} anomaly beside 4 good photos, AUROC"] = auroc(both, bad)
    kinds = [pairs for pairs in alike if pairs[1].any() and not pairs[1].all()]
    if kinds:
        found["parts of one kind, AUROC"] = float(np.mean([auroc(likeness, same) for likeness, same in kinds]))
    if found_well:
        found["parts cut out, IoU above 0.6"] = float(np.mean(found_well))
    return found


def _found_well(group: Groups, traced: Sequence[Traces]) -> list[bool]:
    """Of each part of the good photos that holds no other, whether one of the things that are cut out is it."""
    found = []
    for n in np.flatnonzero(group.labels == 0).tolist():
        things = [thing[::2, ::2] for thing in items(traced[n])]
        owners = np.where(group.items[n] > 0, group.owners[n], 0)
        for number in np.unique(owners[owners > 0]).tolist():
            part = owners == number
            overlaps = [np.count_nonzero(part & t) / np.count_nonzero(part | t) for t in things]
            found.append(max(overlaps, default=0.0) > CUT)
    return found


def _alike(group: Groups, traced: Sequence[Traces]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """How alike any two parts on two good photos are, and whether they are of one kind."""
    parts, told = [], []
    for n in np.flatnonzero(group.labels == 0).tolist():
        for number in np.flatnonzero(group.kinds[n]):
            here = group.owners[n] == number
            if here.sum() >= VISIBLE:
                total = traced[n].kinds[:, here].mean(axis=1)
                parts.append(total / np.linalg.norm(total))
                told.append((n, group.kinds[n, number], group.shades[n, number]))
    photo, kind, shade = np.array(told).T
    likeness, same = np.stack(parts) @ np.stack(parts).T, kind[:, None] == kind[None]
    clear = (photo[:, None] < photo[None]) & ~(same & (shade[:, None] != shade[None]))
    return likeness[clear], same[clear]


def _damage(scene: CachedScene) -> Mask:
    mask = np.zeros((SIZE, SIZE), dtype=np.bool_)
    for defect in scene.defects:
        mask |= defect.mask
    return mask


def _edges(scene: CachedScene) -> Mask:
    """Pixels at either side of where the smallest part that owns a pixel changes."""
    owner = np.zeros((SIZE, SIZE), dtype=np.int64)
    for number, part in enumerate(sorted(scene.parts, key=lambda p: -int(p.mask.sum())), start=1):
        owner[part.mask] = number
    found: Mask = skimage.segmentation.find_boundaries(owner, mode="thick")
    return found


def _card(run: TrainingRun, figures: dict[str, float]) -> Card:
    return Card(
        title="LookTwice nano tracer",
        architecture="`Tracer` of `tools/models/tracer.py`: a U-Net of 3x3 convolutions with 32 to 208 channels at "
        "strides 2 to 32; from a photo, traced at 320 px, it says at every second pixel whether it is of a part, at an "
        "edge of one, or damaged, what kind of part it is of (24 numbers, alike on parts of one kind), and how far "
        "away the middle of that part lies. Its differ "
        "(`tools/anomaly/comparison.py`), a transformer of four layers of width 128 over 32x32 places and, a quarter "
        "nearer, 40x40, tells whether and where a photo is unlike one to five good ones of the same product, in its "
        "parts or in its surfaces. 4.2 million parameters, fp16.",
        data=f"Groups of {GROUP} photos of one product each, {GOOD} of them good, rendered while it learned and seen "
        f"three to four times: every {FAMILIES}th group of a training family ({', '.join(TRAINED)}; seed 1, photos "
        f"from {FIRST:,} on), the others medleys (`nano/world/medley.py`, products that nobody makes); in a later run "
        "two of three with forms that no other product has, in the last all with such forms and two of three crowded: "
        "parts that are strewn or nearly touch. Turned by any angle, mirrored, nearer or farther, relit, recoloured, "
        "with noise; in the last run at 256 or 320 px, before at 256.",
        training="8,000 steps of 8 groups in 750 s on one NVIDIA H200 while 15 processor cores rendered 17,500 groups "
        "(`python -m nano.recipes.tracer.train --minutes 8.6`, then `--minutes 3.9 --seed 7` on them), no "
        "middles told; then, from those weights on and with middles, 3,450 steps in 432 s on one NVIDIA H100 while 15 "
        "cores rendered 6,070 groups (`--minutes 7.2 --seed 11 --start FOLDER`); then, from those on, 5,350 steps in "
        "720 s on one NVIDIA H200 while 15 cores rendered 13,300 groups (`--minutes 7.6 --seed 13 --start FOLDER`, and "
        "`--minutes 4.4 --seed 17` on the same checkpoints). AdamW at 1e-3, a cosine for each of the five calls, "
        "bfloat16 autocast; cross entropy of the maps and of the differ's verdicts and places, dice of the damage, "
        "supervised contrast of parts (one that is like no good one of its product is of a kind of its own), and how "
        "far from the middle of their part places point to.",
        figures=figures,
        command="python -m nano.recipes.tracer.train --evaluate-only",
        limits="It knows damage and parts as this world paints them. What is missing, extra or misplaced it tells less "
        "well than damage, on products that it was not trained on above all. Leather and a nut that fills its photo it "
        "cuts out as no part at all, which halves the held-out mean. On a real photo what it reads counts only as far "
        "as it stands out from good ones. Held-out families were used for their figures alone.",
    )
