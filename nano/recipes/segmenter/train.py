"""Trains the segmenter: a small Segment Anything model on the masks of parts and of structural defects.

Run `python -m nano.recipes.segmenter.train --minutes 25`. It measures itself on held-out images and writes its card.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional
from transformers import SamConfig, SamImageProcessor, SamModel, SamProcessor

from nano.recipes.cache import MEDLEYS, TRAIN_SEED, medley_scenes, scenes
from nano.recipes.segmenter.data import COARSE, FINE, SIDE, Data, SegmenterBatch
from nano.recipes.segmenter.evaluate import report
from nano.recipes.training import TrainingRun, arguments, run_of, save_folder, train
from nano.world import TRAINED

if TYPE_CHECKING:
    from torch import Tensor

HIDDEN, DECODER = 160, 96
GRID = SIDE // COARSE
BLIND = 0.12
"""Share of the minutes in which the decoder learns without photos."""


def architecture() -> Any:
    """A `SamConfig` for 192 px: 24x24 tokens, five layers of which two see everything."""
    return SamConfig(
        vision_config={
            "hidden_size": HIDDEN,
            "output_channels": DECODER,
            "num_hidden_layers": 5,
            "num_attention_heads": 4,
            "image_size": SIDE,
            "patch_size": COARSE,
            "initializer_range": 0.02,
            "use_rel_pos": False,
            "mlp_dim": 2 * HIDDEN,
            "window_size": 8,
            "global_attn_indexes": [2, 4],
            "num_pos_feats": DECODER // 2,
        },
        prompt_encoder_config={"hidden_size": DECODER, "image_size": SIDE, "patch_size": COARSE},
        mask_decoder_config={
            "hidden_size": DECODER,
            "mlp_dim": 2 * DECODER,
            "num_attention_heads": 4,
            "attention_downsample_rate": 1,
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


class SegmenterWithHeads(nn.Module):
    """The model with linear heads that exist only while it learns.

    From each token of the encoder they tell which cells of its patch are of a part and at a part's edge, and how
    far away and how large the part is that the patch belongs to. A prompt gives one number for each pixel of a few
    parts; the heads give many for every part, so that the encoder learns from far fewer photos what a part is.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.edges = nn.Conv2d(DECODER, 2 * (COARSE // FINE) ** 2, 1)
        self.owners = nn.Conv2d(DECODER, 5, 1)

    def forward(self, batch: SegmenterBatch, step: int, *, blind: bool = False) -> Tensor:
        """Focal + dice of the best mask of each prompt, the error of the IoU that the model expects, and the heads'.

        Three masks are offered, of which the best is taught (Segment Anything, appendix A); every eighth step
        asks for the single mask instead.

        Args:
            batch: photos, prompts and masks.
            step: decides how many masks are offered.
            blind: whether the decoder sees no photo, to learn at a fraction of the cost what a prompt means.
        """
        if blind:
            embeddings = torch.zeros(len(batch.pixels), DECODER, GRID, GRID, device=batch.pixels.device)
            dense = torch.zeros((), device=batch.pixels.device)
        else:
            embeddings = self.model.vision_encoder(batch.pixels).last_hidden_state
            dense = self._dense(embeddings, batch)
        half = batch.boxes.shape[1]
        several = step % 8 != 7
        by_box = self.model(image_embeddings=embeddings, input_boxes=batch.boxes, multimask_output=several)
        by_point = self.model(image_embeddings=embeddings, input_points=batch.points, multimask_output=several)
        prompted = _prompted_loss(by_box, batch.masks[:, :half]) + _prompted_loss(by_point, batch.masks[:, half:])
        return prompted + dense

    def _dense(self, embeddings: Tensor, batch: SegmenterBatch) -> Tensor:
        cells = functional.pixel_shuffle(self.edges(embeddings).float(), COARSE // FINE)
        weight = 1 + 2 * batch.edges
        loss = functional.binary_cross_entropy_with_logits(cells, batch.edges, weight=weight)
        told, inside = self.owners(embeddings).float(), batch.owners[:, :1]
        loss = loss + 0.3 * functional.binary_cross_entropy_with_logits(told[:, :1], inside)
        off = functional.smooth_l1_loss(told[:, 1:], batch.owners[:, 1:], beta=0.1, reduction="none") * inside
        return loss + off.sum() / (4 * inside.sum()).clamp(min=1)


def _prompted_loss(output: Any, masks: Tensor) -> Tensor:
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
    loss: Tensor = each.min(dim=2).values.mean() + guess
    return loss


def fit(run: TrainingRun, per_family: int, start: Path | None = None) -> Any:
    """A model trained on training families and medleys: a new one's decoder at first without photos, then all of it."""
    torch.manual_seed(run.seed)
    learner = SegmenterWithHeads(new_model() if start is None else _started(start)).to(run.device)
    seen = [*scenes(TRAINED, seed=TRAIN_SEED, per_family=per_family), *medley_scenes(0, MEDLEYS)]
    data = Data(seen, run.seed, run.device)

    def loss(step: int, blind: bool = False) -> Tensor:
        with torch.autocast(run.device, dtype=torch.bfloat16):
            result: Tensor = learner(data.batch(step), step, blind=blind)
        return result

    resumed = start is not None or (run.folder / "last.pt").exists()
    blind_minutes = 0.0 if resumed else BLIND * run.minutes
    if blind_minutes:
        prompted = replace(run, minutes=blind_minutes, folder=run.folder / "decoder")
        prompted.folder.mkdir(exist_ok=True)
        train(prompted, learner, partial(loss, blind=True), rate=1.5e-3)
    train(replace(run, minutes=run.minutes - blind_minutes), learner, loss, rate=1e-3)
    return learner.model


def _started(folder: Path) -> Any:
    return SamModel.from_pretrained(  # nosec B615  # a folder on disk
        folder, dtype=torch.float32, attn_implementation="eager", local_files_only=True
    )


def save(model: Any, run: TrainingRun) -> None:
    """The model in half precision beside its processor, in transformers' folder format."""
    side, mask = {"height": SIDE, "width": SIDE}, SIDE // FINE
    processor = SamImageProcessor(
        size={"longest_edge": SIDE},
        pad_size=side,
        mask_size={"longest_edge": mask},
        mask_pad_size={"height": mask, "width": mask},
    )
    save_folder(model, run.out)
    SamProcessor(processor).save_pretrained(run.out)


def main() -> None:
    """Trains, saves, measures and writes the card."""
    parser = arguments("segmenter", 25)
    options = parser.parse_args()
    run = run_of("segmenter", options)
    if not run.evaluate_only:
        save(fit(run, options.per_family, options.start), run)
    report(run)


if __name__ == "__main__":
    main()
