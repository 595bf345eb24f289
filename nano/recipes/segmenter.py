"""Trains the segmenter: a small Segment Anything model on the masks of parts and of structural defects.

Run `python -m nano.recipes.segmenter --minutes 25`. It measures itself on held-out images and writes its card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nano.recipes.cache import SIZE, TRAIN_SEED, CachedScene, Thing, scenes
from nano.recipes.card import save_folder
from nano.recipes.loop import Run, arguments, run_of, train
from nano.world import TRAINED
from tools.types import Mask

if TYPE_CHECKING:
    import torch

IMAGES, PROMPTS = 4, 8
"""Images in a batch, prompts on each: encoding is dear, decoding is cheap."""
PATCH, HIDDEN, DECODER = 16, 160, 96
GRID = SIZE // PATCH
BLIND = 0.2
"""Share of the minutes in which the decoder learns without photos."""
JITTER = 0.06
"""A box's edges are moved by up to this share of its sides, since a detector's are."""


def architecture() -> Any:
    """A `SamConfig` for 256 px: 16x16 tokens, three layers that see everything."""
    from transformers import SamConfig

    return SamConfig(
        vision_config={
            "hidden_size": HIDDEN,
            "output_channels": DECODER,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "image_size": SIZE,
            "patch_size": PATCH,
            "initializer_range": 0.02,
            "use_rel_pos": False,
            "mlp_dim": 2 * HIDDEN,
            "window_size": 8,
            "global_attn_indexes": [0, 1, 2],
            "num_pos_feats": DECODER // 2,
        },
        prompt_encoder_config={"hidden_size": DECODER, "image_size": SIZE, "patch_size": PATCH},
        mask_decoder_config={
            "hidden_size": DECODER,
            "mlp_dim": 2 * DECODER,
            "num_attention_heads": 4,
            "iou_head_hidden_dim": DECODER,
        },
    )


def new_model() -> Any:
    """An untrained model, started so that a prompt finds its place from the first steps.

    Positions are coded along the axes from half a wave over the photo to eight, since a box is a matter of
    more and less; transformers would start them so steep that neighbouring pixels got unrelated codes. Matrices
    start as Xavier does, since 0.02 is far too little at these widths; tokens get the length of a position's
    code; and keys start equal to queries in the decoder, so that tokens and pixels of a place attend to each other.
    """
    import torch
    from torch import nn
    from transformers import SamModel

    model = SamModel._from_config(architecture(), attn_implementation="eager")
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(module.weight.flatten(1) if isinstance(module, nn.Conv2d) else module.weight)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.7)
    for name, module in model.mask_decoder.named_modules():
        if hasattr(module, "k_proj") and "self_attn" not in name:
            nn.init.xavier_uniform_(module.q_proj.weight, gain=2**0.5)
            module.k_proj.load_state_dict(module.q_proj.state_dict())
    waves = torch.logspace(-2, 2, DECODER // 4, base=2.0)
    codes = torch.stack([torch.cat([waves, 0 * waves]), torch.cat([0 * waves, waves])])
    model.shared_image_embedding.positional_embedding.data.copy_(codes)
    nn.init.constant_(model.vision_encoder.neck.layer_norm2.weight, 0.2)
    nn.init.normal_(model.vision_encoder.pos_embed, std=0.02)
    return model


def things_of(scene: CachedScene) -> list[Thing]:
    """Parts and structural defects; a logical defect is a matter of rules, not of edges."""
    return [*scene.parts, *(d for d in scene.defects if d.kind == "structural")]


def deepest(mask: Mask) -> tuple[int, int]:
    """(x, y) of the pixel that is furthest from a mask's edge."""
    from scipy.ndimage import distance_transform_edt

    x0, y0, x1, y1 = bounds(mask)
    depth = distance_transform_edt(np.pad(mask[y0:y1, x0:x1], 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return x0 + int(x), y0 + int(y)


def bounds(mask: Mask) -> tuple[int, int, int, int]:
    """The smallest box around a mask that is not empty, x1 and y1 exclusive."""
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1


@dataclass(frozen=True, eq=False)
class Batch:
    """Tensors of one step."""

    pixels: torch.Tensor
    """(B, 3, 256, 256), normalised."""
    masks: torch.Tensor
    """(B, K, 64, 64) shares of each cell that belong, in [0, 1]; the first half of K is prompted by boxes."""
    boxes: torch.Tensor
    """(B, K/2, 4)."""
    points: torch.Tensor
    """(B, K/2, 1, 2)."""


class Data:
    """Batches that the step alone decides."""

    def __init__(self, found: Sequence[CachedScene], seed: int, device: str) -> None:
        self._scenes, self._seed, self._device = found, seed, device

    def batch(self, step: int) -> Batch:
        """Random scenes, turned and relit, with random prompts."""
        import torch

        random = np.random.default_rng([self._seed, step])
        pixels, masks, boxes, points = [], [], [], []
        for _ in range(IMAGES):
            scene = self._scenes[int(random.integers(len(self._scenes)))]
            things = things_of(scene)
            turn, mirror = int(random.integers(4)), bool(random.integers(2))
            image = relit(_turned(scene.image, turn, mirror), random)
            chosen = [things[int(i)].mask for i in random.integers(len(things), size=PROMPTS)]
            turned = [np.ascontiguousarray(_turned(mask, turn, mirror)) for mask in chosen]
            pixels.append(normalised(image))
            masks.append(np.stack([quartered(m) for m in turned]))
            boxes.append(np.stack([_jittered(m, random) for m in turned[: PROMPTS // 2]]))
            points.append(np.stack([_point(m, random) for m in turned[PROMPTS // 2 :]]))
        stacked = (torch.from_numpy(np.stack(x)).to(self._device) for x in (pixels, masks, boxes, points))
        return Batch(*stacked)


def _turned(array: NDArray[Any], turn: int, mirror: bool) -> NDArray[Any]:
    turned = np.rot90(array, turn)
    return turned[:, ::-1] if mirror else turned


def relit(image: NDArray[Any], random: np.random.Generator) -> NDArray[np.float32]:
    """Values in [0, 1] under another gain, gamma and tint."""
    value = image.astype(np.float32) / 255.0
    gain = random.uniform(0.75, 1.25) * random.uniform(0.9, 1.1, size=3).astype(np.float32)
    lit: NDArray[np.float32] = np.clip(
        value ** np.float32(random.uniform(0.8, 1.25)) * gain.astype(np.float32), 0.0, 1.0
    )
    return lit


def normalised(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """(3, H, W) as the processor makes it from (H, W, 3) in [0, 1]."""
    mean = np.array([0.485, 0.456, 0.406], dtype=np.float32)
    spread = np.array([0.229, 0.224, 0.225], dtype=np.float32)
    return np.ascontiguousarray(((image - mean) / spread).transpose(2, 0, 1))


def quartered(mask: Mask) -> NDArray[np.float32]:
    """The share of each 4x4 cell that belongs: a mask at the decoder's own size."""
    side = 4 * GRID
    cell = SIZE // side
    shares: NDArray[np.float32] = mask.reshape(side, cell, side, cell).mean(axis=(1, 3), dtype=np.float32)
    return shares


def _jittered(mask: Mask, random: np.random.Generator) -> NDArray[np.float32]:
    box = np.array(bounds(mask), dtype=np.float32)
    sides = np.tile(box[2:] - box[:2], 2)
    moved = box + random.uniform(-JITTER, JITTER, size=4).astype(np.float32) * sides * random.integers(2)
    return np.clip(moved, 0, SIZE).astype(np.float32)


def _point(mask: Mask, random: np.random.Generator) -> NDArray[np.float32]:
    """Half the time the deepest pixel, else any."""
    if random.integers(2):
        return np.array([deepest(mask)], dtype=np.float32)
    ys, xs = np.nonzero(mask)
    n = int(random.integers(len(ys)))
    return np.array([[xs[n], ys[n]]], dtype=np.float32)


def loss_of(model: Any, batch: Batch, step: int, *, blind: bool = False) -> torch.Tensor:
    """Focal + dice of the best mask of each prompt, and the error of the IoU that the model expects.

    Three masks are offered, of which the best is taught (Segment Anything, appendix A); every eighth step
    asks for the single mask instead.

    Args:
        model: a `SamModel`.
        batch: photos, prompts and masks.
        step: decides how many masks are offered.
        blind: whether the decoder sees no photo, to learn at a fraction of the cost what a prompt means.
    """
    import torch

    if blind:
        embeddings = torch.zeros(len(batch.pixels), DECODER, GRID, GRID, device=batch.pixels.device)
    else:
        embeddings = model.vision_encoder(batch.pixels).last_hidden_state
    half = batch.boxes.shape[1]
    several = step % 8 != 7
    by_box = model(image_embeddings=embeddings, input_boxes=batch.boxes, multimask_output=several)
    by_point = model(image_embeddings=embeddings, input_points=batch.points, multimask_output=several)
    return _prompted_loss(by_box, batch.masks[:, :half]) + _prompted_loss(by_point, batch.masks[:, half:])


def _prompted_loss(output: Any, masks: torch.Tensor) -> torch.Tensor:
    import torch
    from torch.nn import functional

    logits = output.pred_masks.float()
    truth = masks[:, :, None].expand_as(logits)
    p = logits.sigmoid()
    cross = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    focal = (cross * (p - truth).abs()).mean(dim=(-1, -2))
    overlap, total = (p * truth).sum(dim=(-1, -2)), p.sum(dim=(-1, -2)) + truth.sum(dim=(-1, -2))
    dice = 1 - (2 * overlap + 0.1) / (total + 0.1)
    each = 10 * focal + dice
    with torch.no_grad():
        inside, real = logits > 0, truth > 0.5
        iou = (inside & real).sum(dim=(-1, -2)) / (inside | real).sum(dim=(-1, -2)).clamp(min=1)
    guess = (output.iou_scores.float() - iou).pow(2).mean()
    loss: torch.Tensor = each.min(dim=2).values.mean() + guess
    return loss


def fit(run: Run, per_family: int) -> Any:
    """A model trained on the training families: the decoder without photos for a fifth of the time, then all of it."""
    import torch

    torch.manual_seed(run.seed)
    model = new_model().to(run.device)
    data = Data(scenes(TRAINED, seed=TRAIN_SEED, per_family=per_family), run.seed, run.device)

    def loss(step: int, blind: bool = False) -> torch.Tensor:
        with torch.autocast(run.device, dtype=torch.bfloat16):
            return loss_of(model, data.batch(step), step, blind=blind)

    if not (run.folder / "last.pt").exists():
        prompted = replace(run, minutes=BLIND * run.minutes, folder=run.folder / "decoder")
        prompted.folder.mkdir(exist_ok=True)
        train(prompted, model, partial(loss, blind=True), rate=1.5e-3)
    train(replace(run, minutes=(1 - BLIND) * run.minutes), model, loss, rate=1e-3)
    return model


def save(model: Any, run: Run) -> None:
    """The model in half precision beside its processor, in transformers' folder format."""
    from transformers import SamImageProcessor, SamProcessor

    side, mask = {"height": SIZE, "width": SIZE}, SIZE // 4
    processor = SamImageProcessor(
        size={"longest_edge": SIZE},
        pad_size=side,
        mask_size={"longest_edge": mask},
        mask_pad_size={"height": mask, "width": mask},
    )
    save_folder(model, run.out)
    SamProcessor(processor).save_pretrained(run.out)


def main() -> None:
    """Trains, saves, measures and writes the card."""
    from nano.recipes.segmenter_figures import report

    parser = arguments("segmenter", 25)
    options = parser.parse_args()
    run = run_of("segmenter", options)
    if not run.evaluate_only:
        save(fit(run, options.per_family), run)
    report(run)


if __name__ == "__main__":
    main()
