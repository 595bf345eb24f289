"""Features for matching against references: a ResNet that keeps a teacher's first stages and distils the rest.

`python -m nano.recipes.features.train --teacher FOLDER --photos FOLDER` distils stages 2 and 3 of the teacher, read out
on their principal components, on photos that may be trained on, on world renders, and on crops of both. Where the
teacher is ImageNet's ResNet50-v2 the student begins as the teacher less some blocks of stage 3, as DistilBERT begins as
every other layer of BERT (Sanh et al. 2019), and only stage 3 is trained; of a timm teacher it learns everything.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional
from transformers import ConvNextImageProcessor

from nano.recipes.cache import TRAIN_SEED, scenes
from nano.recipes.features.teacher import MEAN, STD, ResNet50V2, load_teacher
from nano.recipes.training import TrainingRun, arguments, run_of, save_folder, train
from nano.world import TRAINED
from tools.image_files import FORMATS
from tools.models.preact_resnet import PreActResNet, PreActResNetConfig, unit
from tools.types import RGB

if TYPE_CHECKING:
    from torch import Tensor, nn

SIDE = 256
COMPONENTS = (192, 256)
"""Principal directions kept of the teacher's stages 2 and 3."""
KEPT = (0, 1, 5)
"""Blocks of the teacher's stage 3, of six, that the student's begins as."""
FITTED = 192
"""Pictures that the principal directions are fitted on."""
BATCH = 12


def begun(teacher: nn.Module, bases: list[Tensor]) -> PreActResNet:
    """A student that reads out on `bases` (C, K), begun as a ResNet50-v2 teacher with fewer blocks in stage 3."""
    student = PreActResNet(PreActResNetConfig(depths=(3, 4, len(KEPT)), components=COMPONENTS))
    if isinstance(teacher, ResNet50V2):
        own = teacher.net.state_dict()
        names = {f"stages.2.{old}.": f"stages.2.{new}." for new, old in enumerate(KEPT)}
        mine = {name: value for name, value in own.items() if not name.startswith("stages.2.")}
        for old, new in names.items():
            mine |= {new + name.removeprefix(old): value for name, value in own.items() if name.startswith(old)}
        student.load_state_dict(mine, strict=False)
        for head, basis in zip(student.heads, bases, strict=True):
            head.weight.data.copy_(basis.T[:, :, None, None])  # type: ignore[operator]
    return student


def normalised(pictures: NDArray[np.uint8]) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) as ImageNet's models want it."""
    scaled = torch.from_numpy(np.ascontiguousarray(pictures)).float().permute(0, 3, 1, 2) / 255
    return (scaled - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


class Cropper:
    """Random squares of photos and of renders, turned and relit; a number alone decides what is on each."""

    def __init__(self, photos: Path, per_family: int, seed: int) -> None:
        files = sorted(p for p in photos.rglob("*") if p.suffix.lower() in (".jpg", ".png"))
        self._photos = [np.asarray(Image.open(p, formats=FORMATS).convert("RGB")) for p in files]
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


def principal(teacher: nn.Module, pictures: NDArray[np.uint8]) -> list[Tensor]:
    """Principal directions (C, K) of a teacher's unit vectors about the origin, so that cosines are kept."""
    gathered: list[list[Tensor]] = [[], []]
    for picture in pictures:
        with torch.inference_mode():
            for rows, stage in zip(gathered, teacher(normalised(picture[None])), strict=True):
                vectors = unit(stage)[0].flatten(1).T
                rows.append(vectors[:: max(1, len(vectors) // 64)])
    bases = []
    for rows, width in zip(gathered, COMPONENTS, strict=True):
        every = torch.cat(rows).clone()
        _, _, directions = torch.pca_lowrank(every, q=width, center=False, niter=4)
        bases.append(directions)
    return bases


class Distillation:
    """A student beside its teacher: how far its features are from the teacher's on the same directions."""

    def __init__(self, student: PreActResNet, teacher: nn.Module, bases: list[Tensor], cropper: Cropper) -> None:
        self.student, self._teacher, self._bases, self._cropper = student, teacher, bases, cropper
        self._inherits = isinstance(teacher, ResNet50V2)
        if self._inherits:
            for name, weight in student.named_parameters():
                weight.requires_grad_(name.startswith(("stages.2.", "heads.1.")))

    def loss(self, step: int, device: str) -> Tensor:
        """1 - cosine over both maps; the step alone decides the pictures."""
        pictures = np.stack([self._cropper[step * BATCH + n] for n in range(BATCH)])
        pixels = normalised(pictures).to(device).contiguous(memory_format=torch.channels_last)
        # Statistics stay the teacher's: twelve pictures say less about them than ImageNet did.
        self.student.train(not self._inherits)
        with torch.autocast(device, dtype=torch.bfloat16):
            wanted, said = self._both(pixels)
        total = torch.zeros((), device=device)
        for stage, teaching, basis in zip(said, wanted, self._bases, strict=True):
            projected = torch.einsum("nchw,ck->nkhw", teaching.float(), basis.to(device))
            total = total + (1 - functional.cosine_similarity(unit(stage.float()), unit(projected), dim=1)).mean()
        return total

    def _both(self, pixels: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Maps of the teacher and of the student; what they share is computed once."""
        if not isinstance(self._teacher, ResNet50V2):
            with torch.no_grad():
                wanted = self._teacher(pixels)
            return wanted, self.student(pixels).feature_maps
        with torch.no_grad():
            fine = self._teacher.net.fine(pixels)
            wanted = fine, self._teacher.net.stages[2](fine)
        return wanted, self.student.read_out(fine, self.student.stages[2](fine))


def main() -> None:
    """Trains, then saves the backbone."""
    from nano.recipes.features.evaluate import report

    parser = arguments("features", minutes=25)
    parser.add_argument("--teacher", required=True, help="folder of ResNet50-v2 arrays, or the name of a timm model")
    parser.add_argument("--photos", type=Path, required=True, help="photos that may be trained on")
    parser.add_argument("--real", type=Path, nargs="*", default=[], help="folders of real photos to measure on")
    options = parser.parse_args()
    run = run_of("features", options)
    if not run.evaluate_only:
        student = distilled(run, options.teacher, Cropper(options.photos, options.per_family, run.seed))
        save_folder(student, run.out)
        _write_preprocessor(run.out)
    report(run, options.real)


def distilled(run: TrainingRun, source: str, cropper: Cropper) -> PreActResNet:
    """A student trained until the minutes are over."""
    torch.manual_seed(run.seed)
    teacher = load_teacher(source).to(run.device).to(memory_format=torch.channels_last)
    bases = principal(teacher, np.stack([cropper[n] for n in range(FITTED)]))
    student: PreActResNet = begun(teacher, bases).to(run.device, memory_format=torch.channels_last)
    lesson = Distillation(student, teacher, bases, cropper)
    train(run, student, lambda step: lesson.loss(step, run.device), rate=6e-4)
    return student


def _write_preprocessor(folder: Path) -> None:
    processor = ConvNextImageProcessor(
        size={"shortest_edge": SIDE}, crop_pct=1.0, image_mean=list(MEAN), image_std=list(STD)
    )
    processor.save_pretrained(folder)


if __name__ == "__main__":
    main()
