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
CROPS = 7000
"""Training pictures: half crops of photos, half of renders."""
FITTED = 256
"""Of them, the first so many are what the principal components are fitted on."""
BATCH = 16
FILES = ("pictures.npy", "fine.npy", "coarse.npy")


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


class Cropper:
    """Random squares of photos and of renders, turned and relit; a number alone decides what is on each."""

    def __init__(self, photos: Path, per_family: int, seed: int) -> None:
        files = sorted(p for p in photos.rglob("*") if p.suffix.lower() in (".jpg", ".png"))
        self._photos = [np.asarray(Image.open(p).convert("RGB")) for p in files]
        self._rendered = scenes(TRAINED, seed=TRAIN_SEED, per_family=per_family)
        self._seed = seed

    def __getitem__(self, number: int) -> NDArray[np.uint8]:
        """(SIDE, SIDE, 3); every fourth is one square set into another, for edges that no scene has."""
        rng = np.random.default_rng([self._seed, number])
        picture = _relit(_square(self._source(number % 2 == 1, rng), rng), rng)
        if number % 4 == 3:
            other = _relit(_square(self._source(rng.random() < 0.5, rng), rng), rng)
            h, w = (int(v) for v in rng.integers(SIDE // 8, SIDE // 2, size=2))
            y, x = int(rng.integers(SIDE - h)), int(rng.integers(SIDE - w))
            picture[y : y + h, x : x + w] = other[y : y + h, x : x + w]
        return picture

    def _source(self, photo: bool, rng: np.random.Generator) -> RGB:
        if photo and self._photos:
            return self._photos[int(rng.integers(len(self._photos)))]
        return np.asarray(self._rendered[int(rng.integers(len(self._rendered)))].image)


def _square(source: RGB, rng: np.random.Generator) -> RGB:
    side = int(rng.uniform(0.3, 1.0) * min(source.shape[:2]))
    y, x = (int(rng.integers(0, size - side + 1)) for size in source.shape[:2])
    picture = Image.fromarray(source[y : y + side, x : x + side]).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.rot90(np.asarray(picture), int(rng.integers(4)))


def _relit(picture: RGB, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Other light, tint, contrast and sometimes other colours altogether."""
    value = picture.astype(np.float32)
    if rng.random() < 0.3:
        value = value[..., rng.permutation(3)]
    middle = float(value.mean())
    value = middle + (value - middle) * np.float32(rng.uniform(0.6, 1.5))
    value = value * (rng.uniform(0.6, 1.3) * rng.uniform(0.85, 1.15, size=3)).astype(np.float32)
    return np.clip(value, 0, 255).astype(np.uint8)


Bases = list[tuple["Tensor", "Tensor"]]
"""(mean (C,), components (C, K)) of stages 2 and 3."""


def targets(teacher: nn.Module, bases: Bases, pictures: NDArray[np.uint8]) -> list[NDArray[np.float16]]:
    """The teacher's two maps of unit length, centred, on principal components."""
    kept: list[list[NDArray[np.float16]]] = [[], []]
    for start in range(0, len(pictures), 8):
        with torch.inference_mode():
            maps = teacher(normalised(pictures[start : start + 8]))
            for out, stage, (mean, basis) in zip(kept, maps, bases, strict=True):
                centred = functional.normalize(stage, dim=1) - mean.view(1, -1, 1, 1)
                out.append(torch.einsum("nchw,ck->nkhw", centred, basis).half().numpy())
        if start % 400 == 0:
            sys.stderr.write(f"features: teacher at {start} of {len(pictures)}\n")
    return [np.concatenate(out) for out in kept]


def fitted(teacher: nn.Module, pictures: NDArray[np.uint8]) -> Bases:
    """The principal components of a teacher's features of some pictures."""
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


def loss_of(student: nn.Module, data: Targets, seed: int, step: int, device: str = "cpu") -> Tensor:
    """1 - cosine between the student's and the teacher's features, over both maps, on mirrored pictures too."""
    rng = np.random.default_rng([seed, step])
    chosen = np.sort(rng.integers(len(data.pictures), size=BATCH))
    mirrored = bool(rng.integers(2))
    pixels = normalised(data.pictures[chosen]).to(device).contiguous(memory_format=torch.channels_last)
    with torch.autocast(device, dtype=torch.bfloat16):
        said = student(pixels.flip(-1) if mirrored else pixels).feature_maps
    total = torch.zeros((), device=device)
    for stage, maps in zip(said, data.maps, strict=True):
        signed = torch.from_numpy(maps[chosen]).to(device).float()
        wanted = torch.cat([signed.relu(), (-signed).relu()], dim=1)
        wanted = wanted.flip(-1) if mirrored else wanted
        total = total + (1 - functional.cosine_similarity(stage.float(), wanted, dim=1)).mean()
    return total


def prepared(run: Run, source: str, photos: Path, count: int, per_family: int) -> Targets:
    """Pictures and targets, made once; where fewer are kept than asked for, the missing ones are added."""
    paths = [run.folder / name for name in FILES]
    kept = [np.load(p, allow_pickle=False) for p in paths] if all(p.exists() for p in paths) else []
    missing = range(len(kept[0]) if kept else 0, count)
    if missing:
        teacher, cropper = load_teacher(source), Cropper(photos, per_family, run.seed)
        fresh = np.stack([cropper[n] for n in missing])
        bases = _kept_bases(run.folder / "bases.safetensors", teacher, fresh[:FITTED])
        made = [fresh, *targets(teacher, bases, fresh)]
        kept = [np.concatenate([old, new]) for old, new in zip(kept, made, strict=True)] if kept else made
        for path, array in zip(paths, kept, strict=True):
            np.save(path, array, allow_pickle=False)
    return Targets(kept[0], (kept[1], kept[2]))


def _kept_bases(path: Path, teacher: nn.Module, pictures: NDArray[np.uint8]) -> Bases:
    """The components of the first run: pictures that are added later must be told of in the same terms."""
    from safetensors.torch import load_file, save_file

    if not path.exists():
        names = ("mean", "components", "coarse_mean", "coarse_components")
        flat = [tensor.contiguous() for pair in fitted(teacher, pictures) for tensor in pair]
        save_file(dict(zip(names, flat, strict=True)), path)
    read = load_file(path)
    return [(read["mean"], read["components"]), (read["coarse_mean"], read["coarse_components"])]


def main() -> None:
    """Trains, then saves the backbone."""
    parser = arguments("features", minutes=25)
    parser.add_argument("--teacher", required=True, help="folder of ResNet50-v2 arrays, or the name of a timm model")
    parser.add_argument("--photos", type=Path, required=True, help="photos that may be trained on")
    parser.add_argument("--crops", type=int, default=CROPS, help="training pictures that the teacher describes")
    parser.add_argument("--real", type=Path, nargs="*", default=[], help="folders of real photos to measure on")
    options = parser.parse_args()
    run = run_of("features", options)
    if not run.evaluate_only:
        torch.manual_seed(run.seed)
        student = build_student().to(run.device)
        data = prepared(run, options.teacher, options.photos, options.crops, options.per_family)
        train(run, student, lambda step: loss_of(student, data, run.seed, step, run.device), rate=2e-3)
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
