"""Measures the tracer on photos that it was not trained on, and writes its card."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nano.recipes.cache import EVALUATION_SEED, MEDLEYS, PER_FAMILY, PER_MEDLEY, SIZE, CachedScene, scenes
from nano.recipes.card import Card, write_card
from nano.recipes.check import KEY, figure
from nano.recipes.loop import Run, trained
from nano.recipes.scorer_figures import auroc
from nano.world import HELDOUT, TRAINED
from tools.images import sample_from_array
from tools.loading import load_model
from tools.patches.trace import PhotoTracer
from tools.profiles.spec import ModelSpec

if TYPE_CHECKING:
    from tools.types import Mask

MEASURED = 40
"""Photos of each family that are measured on."""


def report(run: Run) -> None:
    """Measures the folder through the tool that uses it, and writes README.md and metrics.json."""
    tracer = PhotoTracer(load_model(ModelSpec(source=str(run.out)), "tracer", "cpu"))
    figures: dict[str, float] = {}
    for kind, names in (("trained", TRAINED), ("held-out", HELDOUT)):
        rows = [of_family(tracer, name) for name in names]
        for key in rows[0]:
            figures[f"{key}, {kind} families"] = float(np.mean([row[key] for row in rows]))
    figures[KEY] = figure("tracer", run.out)
    write_card(run.out, _card(run, figures))


def of_family(tracer: PhotoTracer, name: str) -> dict[str, float]:
    """AUROC of damaged photos and of damaged pixels against good ones, and of pixels at an edge against the others."""
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
    }


def _damage(scene: CachedScene) -> Mask:
    mask = np.zeros((SIZE, SIZE), dtype=np.bool_)
    for defect in scene.defects:
        mask |= defect.mask
    return mask


def _edges(scene: CachedScene) -> Mask:
    """Pixels at either side of where the smallest part that owns a pixel changes."""
    from skimage.segmentation import find_boundaries

    owner = np.zeros((SIZE, SIZE), dtype=np.int64)
    for number, part in enumerate(sorted(scene.parts, key=lambda p: -int(p.mask.sum())), start=1):
        owner[part.mask] = number
    found: Mask = find_boundaries(owner, mode="thick")
    return found


def _card(run: Run, figures: dict[str, float]) -> Card:
    steps, seconds = trained(run)
    return Card(
        title="LookTwice nano tracer",
        architecture="`Tracer` of `tools/patches/tracer.py`: a U-Net of 3x3 convolutions with 24 to 160 channels at "
        "strides 2 to 32; from a photo of 256 px it says at every second pixel whether it is of a part, at an edge of "
        "one, or damaged. It needs neither words nor references.",
        data=f"{PER_FAMILY * len(TRAINED):,} scenes of the training families ({', '.join(TRAINED)}; seed 1) and "
        f"{MEDLEYS * PER_MEDLEY:,} photos of {MEDLEYS:,} medleys (`nano/world/medley.py`, products that nobody makes), "
        "turned, mirrored, cut, relit, recoloured, with noise. The first 9,500 steps saw 1,500 "
        "plainer medleys, the next 4,000 steps half of these.",
        training=f"{steps} steps of 12 squares of 192 px in {seconds:.0f} s on one shared CPU thread; AdamW at 3e-3, "
        "cosine, bfloat16 autocast, with one warm restart; cross entropy of the four maps, and dice of the damage. The "
        "weights are the mean of those after 13,434 steps (0.3) and of the last (0.7), by `--average`.",
        figures=figures,
        command="python -m nano.recipes.tracer --evaluate-only",
        limits="It knows damage as this world paints it: scratches, cracks, stains, crumbs, holes and the like on "
        "rendered surfaces. On a real photo its damage counts only as far as it stands out from that of good ones. "
        "Held-out families were used for their figures alone.",
    )
