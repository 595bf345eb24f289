"""Features for matching against references: a small ResNet that imitates an ImageNet teacher's dense features.

`python -m nano.recipes.features --teacher FOLDER --photos FOLDER` distils stages 2 and 3 of the teacher, reduced by
principal components, on photos that may be trained on, on world renders, and on crops of both. A ResNet's stages end in
a ReLU, so the student is taught the positive and the negative part of each component side by side.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from nano.recipes.cache import TRAIN_SEED, scenes
from nano.recipes.card import save_folder
from nano.recipes.loop import Run, arguments, run_of, train
from nano.recipes.teacher import MEAN, STD, load_teacher
from nano.world import TRAINED
from tools.types import RGB

if TYPE_CHECKING:
    from torch import Tensor, nn

SIDE = 256
COMPONENTS = (64, 112)
"""Principal components kept of the teacher's stages 2 and 3; a map has twice as many channels."""
CROPS = 2600
"""Training pictures: half crops of photos, half of renders."""
BATCH = 16


@dataclass(frozen=True, eq=False)
class Targets:
    """Pictures and what the student should say of them."""

    pictures: NDArray[np.uint8]
    """(N, SIDE, SIDE, 3)."""
    maps: tuple[NDArray[np.float16], NDArray[np.float16]]
    """(N, C, SIDE / 8, SIDE / 8) and (N, C, SIDE / 16, SIDE / 16)."""


def build_student() -> nn.Module:
    """A ResNet backbone whose stages 2 and 3 have as many channels as the targets."""
    from transformers import ResNetBackbone, ResNetConfig

    config = ResNetConfig(
        embedding_size=32,
        hidden_sizes=[48, *(2 * count for count in COMPONENTS)],
        depths=[1, 2, 2],
        layer_type="basic",
        out_features=["stage2", "stage3"],
    )
    student: nn.Module = ResNetBackbone(config)
    return student.to(memory_format=torch.channels_last)


def normalised(pictures: NDArray[np.uint8]) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) as ImageNet's models want it."""
    scaled = torch.from_numpy(np.ascontiguousarray(pictures)).float().permute(0, 3, 1, 2) / 255
    return (scaled - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def crops(photos: Path, count: int, seed: int) -> NDArray[np.uint8]:
    """Random squares of photos and of renders, half each, some of them rotated, darkened or tinted."""
    rng = np.random.default_rng(seed)
    files = sorted(p for p in photos.rglob("*") if p.suffix.lower() in (".jpg", ".png"))
    opened = [np.asarray(Image.open(p).convert("RGB")) for p in files]
    rendered = scenes(TRAINED, seed=TRAIN_SEED, per_family=400)
    out = np.empty((count, SIDE, SIDE, 3), dtype=np.uint8)
    for n in range(count):
        photo = opened[int(rng.integers(len(opened)))] if n % 2 and opened else None
        source = np.asarray(rendered[int(rng.integers(len(rendered)))].image) if photo is None else photo
        out[n] = _crop(source, rng)
    return out


def _crop(source: RGB, rng: np.random.Generator) -> RGB:
    short = min(source.shape[:2])
    side = int(rng.uniform(0.35, 1.0) * short)
    y, x = (int(rng.integers(0, size - side + 1)) for size in source.shape[:2])
    picture = Image.fromarray(source[y : y + side, x : x + side]).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    turned = np.rot90(np.asarray(picture), int(rng.integers(4)))
    light = rng.uniform(0.7, 1.25) * rng.uniform(0.9, 1.1, size=3)
    return np.clip(turned * light, 0, 255).astype(np.uint8)


def targets(teacher: nn.Module, pictures: NDArray[np.uint8]) -> Targets:
    """The teacher's two maps of unit length, centred, on their principal components (fitted on a tenth)."""
    bases = _bases(teacher, pictures[:: max(1, len(pictures) // 256)])
    kept: tuple[list[NDArray[np.float16]], list[NDArray[np.float16]]] = ([], [])
    for start in range(0, len(pictures), 8):
        with torch.inference_mode():
            maps = teacher(normalised(pictures[start : start + 8]))
            for out, stage, (mean, basis) in zip(kept, maps, bases, strict=True):
                centred = functional.normalize(stage, dim=1) - mean.view(1, -1, 1, 1)
                out.append(torch.einsum("nchw,ck->nkhw", centred, basis).half().numpy())
        if start % 400 == 0:
            sys.stderr.write(f"features: teacher at {start} of {len(pictures)}\n")
    return Targets(pictures, (np.concatenate(kept[0]), np.concatenate(kept[1])))


def _bases(teacher: nn.Module, pictures: NDArray[np.uint8]) -> list[tuple[Tensor, Tensor]]:
    """(mean, components) of both stages."""
    gathered: list[list[Tensor]] = [[], []]
    for picture in pictures:
        with torch.inference_mode():
            for rows, stage in zip(gathered, teacher(normalised(picture[None])), strict=True):
                unit = functional.normalize(stage, dim=1)[0].flatten(1).T
                rows.append(unit[:: max(1, len(unit) // 64)])
    bases = []
    for rows, width in zip(gathered, COMPONENTS, strict=True):
        every = torch.cat(rows)
        mean = every.mean(dim=0)
        _, _, components = torch.pca_lowrank(every - mean, q=width, center=False, niter=4)
        bases.append((mean, components))
    return bases


def loss_of(student: nn.Module, data: Targets, seed: int, step: int) -> Tensor:
    """1 - cosine between the student's and the teacher's features, over both maps, on mirrored pictures too."""
    rng = np.random.default_rng([seed, step])
    chosen = np.sort(rng.integers(len(data.pictures), size=BATCH))
    mirrored = bool(rng.integers(2))
    pixels = normalised(data.pictures[chosen]).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        said = student(pixels.flip(-1) if mirrored else pixels).feature_maps
    total = torch.zeros(())
    for stage, maps in zip(said, data.maps, strict=True):
        signed = torch.from_numpy(maps[chosen]).float()
        wanted = torch.cat([signed.relu(), (-signed).relu()], dim=1)
        wanted = wanted.flip(-1) if mirrored else wanted
        total = total + (1 - functional.cosine_similarity(stage.float(), wanted, dim=1)).mean()
    return total


def prepared(run: Run, teacher: str, photos: Path) -> Targets:
    """Pictures and targets, made once."""
    paths = [run.folder / name for name in ("pictures.npy", "fine.npy", "coarse.npy")]
    if not all(p.exists() for p in paths):
        made = targets(load_teacher(teacher), crops(photos, CROPS, run.seed))
        np.save(paths[0], made.pictures, allow_pickle=False)
        for path, array in zip(paths[1:], made.maps, strict=True):
            np.save(path, array, allow_pickle=False)
    pictures, fine, coarse = (np.load(p, mmap_mode="r", allow_pickle=False) for p in paths)
    return Targets(pictures, (fine, coarse))


def main() -> None:
    """Trains, then saves the backbone."""
    parser = arguments("features", minutes=25)
    parser.add_argument("--teacher", required=True, help="folder of ResNet50-v2 arrays, or the name of a timm model")
    parser.add_argument("--photos", type=Path, required=True, help="photos that may be trained on")
    parser.add_argument("--real", type=Path, nargs="*", default=[], help="folders of real photos to measure on")
    options = parser.parse_args()
    run = run_of("features", options)
    if not run.evaluate_only:
        torch.manual_seed(run.seed)
        student = build_student()
        data = prepared(run, options.teacher, options.photos)
        train(run, student, lambda step: loss_of(student, data, run.seed, step), rate=2e-3)
        save_folder(student, run.out)
        _write_preprocessor(run.out)
    from nano.recipes.features_figures import report

    report(run, options.real)


def _write_preprocessor(folder: Path) -> None:
    from transformers import ConvNextImageProcessor

    processor = ConvNextImageProcessor(
        size={"shortest_edge": SIDE}, crop_pct=1.0, image_mean=list(MEAN), image_std=list(STD)
    )
    processor.save_pretrained(folder)


if __name__ == "__main__":
    main()
