"""Measures the features on photos that they were not distilled on, and writes their card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from nano.recipes.cache import EVALUATION_SEED, CachedScene, scenes
from nano.recipes.check import KEY, figure
from nano.recipes.features.train import BATCH, COMPONENTS, KEPT
from nano.recipes.scorer.evaluate import auroc
from nano.recipes.training import Card, TrainingRun, trained, write_card
from nano.world import HELDOUT, TRAINED
from tools.anomaly import Bank, PatchMemory
from tools.image_files import FORMATS, find_images
from tools.images import load_sample, sample_from_array
from tools.models.loading import load_model
from tools.profiles.specification import ModelSpec
from tools.types import Mask, Sample

PER_FAMILY = 40
REFERENCES = 8
PLAIN = "image AUROC by the farthest patch"


def report(run: TrainingRun, real: Sequence[Path]) -> None:
    """Measures the folder through the tool that uses it, and writes README.md and metrics.json.

    Args:
        run: what was trained.
        real: folders of real photos, in the layout of MVTec AD (train/good, test, ground_truth) or with the folders
            normal and abnormal; measured only.
    """
    memory = PatchMemory(load_model(ModelSpec(source=str(run.out)), "features", "cpu"))
    figures: dict[str, float] = {}
    for kind, names in (("trained", TRAINED), ("held-out", HELDOUT)):
        found = [of_family(memory, name) for name in names]
        for key in found[0]:
            figures[f"structural {key}, {kind} families, {REFERENCES} references"] = float(
                np.mean([f[key] for f in found])
            )
    for folder in real:
        for key, value in of_folder(memory, folder).items():
            figures[f"{folder.name}, {key}, {REFERENCES} references"] = value
    figures[KEY] = figure("features", run.out)
    write_card(run.out, _card(run, figures))


def of_family(memory: PatchMemory, name: str) -> dict[str, float]:
    """Image and pixel AUROC of a family's structural defects."""
    photos = scenes([name], seed=EVALUATION_SEED, per_family=PER_FAMILY, evaluation=True)
    good = [s for s in photos if not s.defects]
    bad = [s for s in photos if s.defects and s.defects[0].kind == "structural"]
    cases = [(_sample(s), _truth(s)) for s in [*good[REFERENCES:], *bad]]
    return measured(memory, [_sample(s) for s in good[:REFERENCES]], cases)


def of_folder(memory: PatchMemory, folder: Path) -> dict[str, float]:
    """Image AUROC of real photos, and pixel AUROC where there are masks; references are the first by name."""
    if (folder / "train" / "good").is_dir():
        references = find_images(folder / "train" / "good")[:REFERENCES]
        photos = [p for kind in sorted((folder / "test").iterdir()) for p in find_images(kind)]
        masks = [folder / "ground_truth" / p.parent.name / f"{p.stem}_mask.png" for p in photos]
        cases = [(load_sample(p), _mask(m, load_sample(p))) for p, m in zip(photos, masks, strict=True)]
        return measured(memory, [load_sample(p) for p in references], cases)
    normal, abnormal = find_images(folder / "normal"), find_images(folder / "abnormal")
    plain = [(load_sample(p), False) for p in normal[REFERENCES : REFERENCES + 40]]
    plain += [(load_sample(p), True) for p in abnormal[:40]]
    bank = memory.bank([load_sample(p) for p in normal[:REFERENCES]])
    truths = [truth for _, truth in plain]
    return {
        "image AUROC": auroc([memory.score(s, bank).own_score for s, _ in plain], truths),
        PLAIN: auroc([farthest(memory, s, bank) for s, _ in plain], truths),
    }


def measured(
    memory: PatchMemory, references: Sequence[Sample], cases: Sequence[tuple[Sample, Mask]]
) -> dict[str, float]:
    """Image AUROC by the raw score, pixel AUROC by the map as it is shown."""
    bank = memory.bank(references)
    maps = [memory.score(sample, bank) for sample, _ in cases]
    truly = [bool(truth.any()) for _, truth in cases]
    by_image = auroc([m.own_score for m in maps], truly)
    by_farthest = auroc([farthest(memory, sample, bank) for sample, _ in cases], truly)
    raw = np.concatenate([np.asarray(m.values)[::2, ::2].ravel() for m in maps])
    truths = np.concatenate([truth[::2, ::2].ravel() for _, truth in cases])
    return {"image AUROC": by_image, PLAIN: by_farthest, "pixel AUROC": auroc(raw, truths)}


def farthest(memory: PatchMemory, sample: Sample, bank: Bank) -> float:
    """The largest cosine distance of a patch to its nearest neighbour: the features alone, without the tool's rule."""
    patches = memory.encode([sample]).flatten(0, 2)
    return float((1 - (patches @ bank.features.flatten(0, 2).T).amax(dim=1)).max())


def _sample(scene: CachedScene) -> Sample:
    return sample_from_array(np.array(scene.image))


def _truth(scene: CachedScene) -> Mask:
    mask = np.zeros(scene.image.shape[:2], dtype=np.bool_)
    for defect in scene.defects:
        mask |= defect.mask
    return mask


def _mask(path: Path, sample: Sample) -> Mask:
    if not path.exists():
        return np.zeros(sample.image.shape[:2], dtype=np.bool_)
    with Image.open(path, formats=FORMATS) as image:
        return np.asarray(image.convert("L")) > 0


def _card(run: TrainingRun, figures: dict[str, float]) -> Card:
    steps, seconds = trained(run)
    return Card(
        title="nano features",
        architecture=(
            "`PreActResNet` of `tools/models/preact_resnet.py`: stages 1 and 2 of a ResNet50-v2 and a stage 3 of "
            f"{len(KEPT)} blocks instead of 6; stages 2 and 3 (strides 8 and 16 at 256 px) are read out on "
            f"{COMPONENTS[0]} and {COMPONENTS[1]} principal directions of the teacher's features."
        ),
        data=(
            f"{steps * BATCH:,} squares of 256 px, each seen once: half cut from the world's training families, half "
            "from photos of a robot arm's cubes (open-edge-platform/anomalib, Apache-2.0), relit, recoloured, and a "
            "quarter of them with a piece of another set in. Teacher: ImageNet ResNet50-v2 (GluonCV, ONNX model zoo, "
            "Apache-2.0), stages 2 and 3."
        ),
        training=(
            "Stem and stages 1 and 2 are the teacher's own weights; blocks 1, 2 and 6 of its stage 3 were where the "
            f"student's stage 3 began, which learned for {steps} steps of {BATCH} squares, {seconds / 60:.0f} minutes "
            "on one shared CPU thread (`python -m nano.recipes.features.train --teacher DIR --photos DIR`): one minus "
            "cosine to the teacher's whole stage 3."
        ),
        figures=figures,
        command="python -m nano.recipes.features.train --evaluate-only --teacher DIR --photos DIR --real DIR...",
        limits=(
            "The cubes were among the photos it was distilled on (unlabelled); the hazelnuts were not. It sees what an "
            "ImageNet network of 2016 sees at 256 px: a larger profile's features are better on real products."
        ),
    )
