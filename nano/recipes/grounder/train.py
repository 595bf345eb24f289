"""The grounder: a small OWL-ViT that finds the parts that a phrase names.

`python -m nano.recipes.grounder.train --minutes 40` trains it on the world's parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torchvision.ops import generalized_box_iou_loss
from transformers import (
    OwlViTConfig,
    OwlViTForObjectDetection,
    OwlViTImageProcessor,
    OwlViTProcessor,
    OwlViTTextConfig,
    OwlViTVisionConfig,
)

from nano.recipes.cache import MEDLEYS, SIZE, TRAIN_SEED, CachedScene, Thing, medley_scenes, scenes
from nano.recipes.grounder.evaluate import report
from nano.recipes.training import TrainingRun, arguments, run_of, save_folder, train
from nano.recipes.vocabulary import kept_tokenizer
from nano.world import TRAINED

if TYPE_CHECKING:
    from torch import Tensor

SIDE, PATCH = 192, 12
LENGTH = 16
QUERIES = 10
"""Phrases asked of each training photo: its own, and some that are not there."""
BATCH = 12
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
LOGIT_SHIFT, LOGIT_SCALE = -0.6, 9.0
"""Where the class head starts: rare positives, and a scale that does not saturate."""


def build(folder: Path, start: Path | None = None) -> tuple[Any, Any]:
    """(model, processor), as `start` has them, or the heads initialised so that neither boxes nor logits saturate."""
    tokenizer = kept_tokenizer(folder, LENGTH, frame=True, start=start)
    if start is not None:
        model = OwlViTForObjectDetection.from_pretrained(  # nosec B615  # a folder on disk
            start, dtype=torch.float32, local_files_only=True
        )
        processor = OwlViTProcessor.from_pretrained(start, local_files_only=True)  # nosec B615  # a folder on disk
        return model, processor
    text = OwlViTTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=len(tokenizer) - 1,
    )
    vision = OwlViTVisionConfig(
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=6,
        image_size=SIDE,
        patch_size=PATCH,
    )
    config = OwlViTConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=128)
    model = OwlViTForObjectDetection(config)
    _initialise(model)
    images = OwlViTImageProcessor(
        size={"height": SIDE, "width": SIDE}, do_center_crop=False, image_mean=list(MEAN), image_std=list(STD)
    )
    return model, OwlViTProcessor(images, tokenizer)


def _initialise(model: Any) -> None:
    """OWL-ViT's heads come with a standard deviation of 1, from which nothing is learned; Xavier instead."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    nn.init.zeros_(model.box_head.dense2.weight)
    head = model.class_head
    for layer, start in ((head.logit_shift, LOGIT_SHIFT), (head.logit_scale, LOGIT_SCALE)):
        nn.init.zeros_(layer.weight)
        nn.init.constant_(layer.bias, start)
    nn.init.normal_(model.owlvit.vision_model.embeddings.patch_embedding.weight, std=0.04)
    nn.init.normal_(model.owlvit.vision_model.embeddings.position_embedding.weight, std=0.02)
    nn.init.normal_(model.owlvit.text_model.embeddings.token_embedding.weight, std=0.05)


class Examples:
    """Batches of photos, phrases and the boxes that each phrase names."""

    def __init__(self, cached: Sequence[CachedScene], tokenizer: Any, seed: int) -> None:
        self._scenes = cached
        self._tokenizer = tokenizer
        self._seed = seed
        self._nouns = sorted({p.name for s in cached for p in s.parts})
        self._phrases = sorted({p.words for s in cached for p in s.parts})

    def batch(self, step: int) -> tuple[Tensor, Tensor, Tensor, list[tuple[Tensor, Tensor]]]:
        """(pixels, ids (N * QUERIES, L), mask, [(boxes cxcywh in [0, 1], (boxes, QUERIES) whether named)])."""
        rng = np.random.default_rng([self._seed, step])
        chosen = [self._scenes[int(i)] for i in rng.integers(len(self._scenes), size=BATCH)]
        pixels, phrases, truth = [], [], []
        for scene in chosen:
            image, boxes, parts = augmented(scene, rng)
            asked = self._asked(parts, rng)
            named = torch.tensor([[phrase in (p.name, p.words) for phrase in asked] for p in parts])
            pixels.append(image)
            phrases += asked
            truth.append((boxes, named.reshape(len(parts), QUERIES)))
        encoded = self._tokenizer(
            phrases, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
        )
        return torch.stack(pixels), encoded["input_ids"], encoded["attention_mask"], truth

    def _asked(self, parts: Sequence[Thing], rng: np.random.Generator) -> list[str]:
        """Nouns and coloured nouns that are there, filled up with phrases that are not."""
        own = sorted({p.name for p in parts} | {p.words for p in parts if rng.random() < 0.4})
        rng.shuffle(own)
        asked = own[: QUERIES - 2]
        nouns = {p.name for p in parts}
        while len(asked) < QUERIES:
            pool = self._nouns if rng.random() < 0.6 else self._phrases
            phrase = pool[int(rng.integers(len(pool)))]
            wrong_colour = phrase.split()[-1] in nouns and phrase not in {p.words for p in parts} and " " in phrase
            if phrase not in nouns and phrase not in asked and (wrong_colour or phrase.split()[-1] not in nouns):
                asked.append(phrase)
        return asked


def augmented(scene: CachedScene, rng: np.random.Generator) -> tuple[Tensor, Tensor, list[Thing]]:
    """A random crop (or all) of a photo, mirrored, relit: (pixels, boxes cxcywh in [0, 1], the parts still there)."""
    side = SIZE if rng.random() < 0.5 else int(rng.uniform(0.6, 1.0) * SIZE)
    x, y = (int(rng.integers(0, SIZE - side + 1)) for _ in range(2))
    mirror, flip = bool(rng.random() < 0.5), bool(rng.random() < 0.3)
    picture = torch.from_numpy(np.array(scene.image[y : y + side, x : x + side])).permute(2, 0, 1).float()
    pixels = functional.interpolate(picture[None] / 255, (SIDE, SIDE), mode="bilinear", antialias=True)[0]
    pixels = pixels * float(rng.uniform(0.75, 1.25)) * torch.from_numpy(rng.uniform(0.92, 1.08, (3, 1, 1))).float()
    boxes, kept = [], []
    for part in scene.parts:
        x0, y0, x1, y1 = ((v - o) / side for v, o in zip(part.box, (x, y, x, y), strict=True))
        inside = (min(x1, 1.0) - max(x0, 0.0)) * (min(y1, 1.0) - max(y0, 0.0))
        if min(x1, 1.0) <= max(x0, 0.0) or inside < 0.5 * (x1 - x0) * (y1 - y0):
            continue
        x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, 1.0), min(y1, 1.0)
        x0, x1 = (1 - x1, 1 - x0) if mirror else (x0, x1)
        y0, y1 = (1 - y1, 1 - y0) if flip else (y0, y1)
        boxes.append(((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0))
        kept.append(part)
    dims = [d for d, on in ((2, mirror), (1, flip)) if on]
    pixels = pixels.flip(dims) if dims else pixels
    return (pixels.clamp(0, 1) - 0.5) / 0.25, torch.tensor(boxes).reshape(-1, 4), kept


def loss_of(model: Any, examples: Examples, step: int) -> Tensor:
    """Focal loss over (patch, phrase), L1 and GIoU over the patches that a part's centre falls into."""
    pixels, ids, mask, truth = examples.batch(step)
    device = model.device
    with torch.autocast(device.type, dtype=torch.bfloat16):
        output = model(pixel_values=pixels.to(device), input_ids=ids.to(device), attention_mask=mask.to(device))
    logits, boxes = output.logits.float().cpu(), output.pred_boxes.float().cpu()
    wanted = torch.zeros_like(logits)
    rows, columns, targets = [], [], []
    for n, (true, named) in enumerate(truth):
        for box, names in zip(true, named, strict=True):
            for patch in _responsible(box):
                wanted[n, patch] = torch.maximum(wanted[n, patch], names.float())
                rows.append(n)
                columns.append(patch)
                targets.append(box)
    count = max(1, len(rows))
    classes = _focal(logits, wanted) / count
    if not rows:
        return classes
    found, true = boxes[rows, columns], torch.stack(targets)
    return classes + 5 * functional.l1_loss(found, true) + 2 * _giou_loss(found, true)


def _responsible(box: Tensor) -> list[int]:
    """The patch that holds the centre and, for larger parts, its nearest neighbours inside the box."""
    grid = SIDE // PATCH
    cx, cy, w, h = (float(v) * grid for v in box)
    column, row = min(grid - 1, int(cx)), min(grid - 1, int(cy))
    found = [row * grid + column]
    beside = column + (1 if cx - column > 0.5 else -1)
    below = row + (1 if cy - row > 0.5 else -1)
    if w > 3 and 0 <= beside < grid:
        found.append(row * grid + beside)
    if h > 3 and 0 <= below < grid:
        found.append(below * grid + column)
    return found


def _focal(logits: Tensor, wanted: Tensor, alpha: float = 0.3, gamma: float = 2.0) -> Tensor:
    """Focal loss (Lin et al. 2017, equation 5), summed."""
    p = logits.sigmoid()
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    right = p * wanted + (1 - p) * (1 - wanted)
    return ((alpha * wanted + (1 - alpha) * (1 - wanted)) * (1 - right) ** gamma * entropy).sum()


def _giou_loss(found: Tensor, true: Tensor) -> Tensor:
    loss: Tensor = generalized_box_iou_loss(_corners(found), _corners(true), reduction="mean")
    return loss


def _corners(boxes: Tensor) -> Tensor:
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    return torch.cat([centre - half, centre + half], dim=1)


def main() -> None:
    """Trains, then saves model and processor."""
    options = arguments("grounder", minutes=40).parse_args()
    run: TrainingRun = run_of("grounder", options)
    if not run.evaluate_only:
        torch.manual_seed(run.seed)
        model, processor = build(run.folder, options.start)
        seen = [*scenes(TRAINED, seed=TRAIN_SEED, per_family=options.per_family), *medley_scenes(0, MEDLEYS)]
        examples = Examples(seen, processor.tokenizer, run.seed)
        train(run, model.to(run.device), lambda step: loss_of(model, examples, step), rate=6e-4)
        save_folder(model, run.out)
        processor.save_pretrained(run.out)
    report(run)


if __name__ == "__main__":
    main()
