"""Masks of parts from their boxes: the photo is encoded once, all boxes are decoded together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from tools.errors import InputError, ModelError
from tools.parts.masks import box_of
from tools.parts.measurement import measure
from tools.timing import model_call
from tools.types import RGB, Box, Mask, Part, Sample

if TYPE_CHECKING:
    from tools.models.loading import Loaded

BOXES_AT_ONCE = 32
"""Boxes that are decoded in one batch; bounds memory for a photo of many parts."""
POINTS_AT_ONCE = 64
"""Points that are decoded in one batch."""
COARSE = 96
"""Cells along a side, about, at which masks are compared with each other."""
TWINS = 0.8
"""Masks that overlap more than this (IoU) are one."""
STABLE = 1.0
"""Logits by which the threshold is moved up and down for the stability score, as SAM's mask generator does."""


@dataclass(frozen=True, eq=False)
class EncodedImage:
    """A photo after the vision encoder, ready for any number of boxes."""

    image: RGB
    embeddings: tuple[Tensor, ...]
    """What the model's own `get_image_embeddings` gave: one tensor (SAM) or a list of them (SAM 2)."""
    sizes: dict[str, list[list[int]]]
    """The processor's record of the photo's (height, width) before and after resizing."""
    scale: tuple[float, float]
    """(across, down): pixels of the encoder's input for each pixel of the photo."""
    input_size: tuple[int, int]
    """(width, height) of the encoder's input, its padding included."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.image.shape[1], self.image.shape[0]


@dataclass(frozen=True, eq=False)
class MaskResult:
    """The mask of one box."""

    mask: Mask
    """(H, W) of the photo; may be empty."""
    iou: float
    """What the model expects its overlap with the truth to be, in [0, 1]."""
    stability: float = 1.0
    """Overlap of the masks at a higher and at a lower threshold, in [0, 1] (Kirillov et al. 2023, appendix B)."""
    votes: int = 1
    """For how many prompts much the same mask was offered."""


class Segmenter:
    """Box-prompted masks from SAM or SAM 2 (Kirillov et al. 2023; Ravi et al. 2024)."""

    def __init__(self, loaded: Loaded) -> None:
        """Takes a SAM or SAM 2 model with its processor.

        Raises:
            ModelError: the model is of another class.
        """
        if not hasattr(loaded.model, "get_image_embeddings") or not hasattr(loaded.processor, "post_process_masks"):
            raise ModelError(
                f"{loaded.name}: {type(loaded.model).__name__} cannot segment boxes; accepted are SamModel and "
                "Sam2Model with their processors."
            )
        self._loaded = loaded

    @model_call
    def encode(self, sample: Sample) -> EncodedImage:
        """Runs the vision encoder once."""
        model = self._loaded.model

        def run(pixels: Tensor) -> Sequence[Tensor]:
            found = model.get_image_embeddings(pixels)
            return found if isinstance(found, list) else [found]

        inputs = self._loaded.processor(images=sample.image, return_tensors="pt")
        pixels = inputs["pixel_values"].to(self._loaded.device, self._loaded.dtype)
        with torch.inference_mode():
            embeddings = tuple(run(pixels))
        sizes = {k: inputs[k].tolist() for k in ("original_sizes", "reshaped_input_sizes") if k in inputs}
        down, across = inputs["pixel_values"].shape[-2:]
        reshaped = sizes["reshaped_input_sizes"][0] if "reshaped_input_sizes" in sizes else (down, across)
        width, height = sample.size
        scale = (reshaped[1] / width, reshaped[0] / height)
        return EncodedImage(sample.image, embeddings, sizes, scale, (across, down))

    def segment(
        self,
        encoded: EncodedImage,
        boxes: Sequence[Box],
        points: Sequence[tuple[float, float] | None] | None = None,
        background: Sequence[tuple[float, float]] = (),
    ) -> tuple[MaskResult, ...]:
        """Masks of boxes, in their order.

        Of the masks that the model offers for a box, that one is taken whose predicted overlap times its
        agreement with the box (intersection over union of the mask's own box with it) is largest.

        Args:
            encoded: a photo from `encode`.
            boxes: in pixels of the photo.
            points: for each box a pixel (x, y) that belongs to the part, or None; the peak of a patch map, say.
            background: pixels (x, y) that belong to none of the parts.

        Raises:
            InputError: another number of points than of boxes.
        """
        prompts = list(points) if points is not None else [None] * len(boxes)
        if len(prompts) != len(boxes):
            raise InputError(f"{len(prompts)} points were given for {len(boxes)} boxes; give one, or None, a box.")
        clipped = [b.clipped(*encoded.size) for b in boxes]
        found: list[MaskResult] = []
        for start in range(0, len(boxes), BOXES_AT_ONCE):
            end = start + BOXES_AT_ONCE
            found.extend(self._decoded(encoded, clipped[start:end], prompts[start:end], background))
        return tuple(found)

    def everything(
        self,
        encoded: EncodedImage,
        points: Sequence[tuple[float, float]],
        *,
        size: tuple[int, int] | None = None,
        most: int = 200,
    ) -> tuple[MaskResult, ...]:
        """Masks that differ, of all that the model offers for each point; surest first (SAM's "everything" mode).

        Of masks that overlap by more than 0.8 (IoU) the one of the largest predicted overlap times stability stays,
        with the number of points that it was offered for.

        Args:
            encoded: a photo from `encode`.
            points: (x, y) in pixels of the photo.
            size: (width, height) of the masks; that of the photo by default.
            most: at most so many masks.
        """
        scale = torch.tensor(encoded.scale)
        dtype, device = self._loaded.dtype, self._loaded.device
        logits, ious = [], []
        for start in range(0, len(points), POINTS_AT_ONCE):
            given = (torch.tensor(points[start : start + POINTS_AT_ONCE]) * scale)[None, :, None].to(device, dtype)
            labels = torch.ones(given.shape[:3], dtype=torch.int32, device=device)
            output = self._output(encoded, {"input_points": given, "input_labels": labels})
            logits.append(output.pred_masks[0].flatten(0, 1).half().cpu())
            ious.append(output.iou_scores[0].flatten().float().cpu().clamp(0, 1))
        if not logits:
            return ()
        kept = _distinct(torch.cat(logits), torch.cat(ious))[:most]
        if not kept:
            return ()
        sizes = dict(encoded.sizes, original_sizes=[list((size or encoded.size)[::-1])])
        drawn = torch.stack([k[0] for k in kept]).float()
        masks = self._loaded.processor.post_process_masks(drawn[None, None], **sizes)[0][0].numpy().astype(np.bool_)
        found = [MaskResult(m, iou, steady, votes) for m, (_, iou, steady, votes) in zip(masks, kept, strict=True)]
        return tuple(result for result in found if result.mask.any())

    def with_masks(self, encoded: EncodedImage, parts: Sequence[Part]) -> tuple[Part, ...]:
        """The same parts with their masks and measures; a part whose mask is empty keeps its box alone."""
        results = self.segment(encoded, [p.region.box for p in parts])
        return tuple(_measured(encoded.image, p, r.mask) for p, r in zip(parts, results, strict=True))

    def _decoded(
        self,
        encoded: EncodedImage,
        boxes: Sequence[Box],
        points: Sequence[tuple[float, float] | None],
        background: Sequence[tuple[float, float]],
    ) -> Iterator[MaskResult]:
        """The best mask of each box of one batch."""
        output = self._output(encoded, self._prompts(encoded, boxes, points, background))
        logits, ious = output.pred_masks[0].float().cpu(), output.iou_scores[0].float().cpu().clamp(0, 1)
        shrunk = (logits.shape[-1] / encoded.input_size[0], logits.shape[-2] / encoded.input_size[1])
        for box, offered, expected in zip(boxes, logits, ious.tolist(), strict=True):
            (x, y), (across, down) = encoded.scale, shrunk
            target = Box(box.x0 * x * across, box.y0 * y * down, box.x1 * x * across, box.y1 * y * down)
            agreement = [box_of(m.numpy() > 0).iou(target) for m in offered]
            best = max(range(len(offered)), key=lambda i: expected[i] * agreement[i])
            mask = self._loaded.processor.post_process_masks(offered[None, best : best + 1][None], **encoded.sizes)
            steady = float((offered[best] > STABLE).sum() / max(int((offered[best] > -STABLE).sum()), 1))
            yield MaskResult(mask[0][0, 0].numpy().astype(np.bool_), expected[best], steady)

    @model_call
    def _output(self, encoded: EncodedImage, prompts: dict[str, Tensor]) -> Any:
        """The model's masks and predicted overlaps for prompts."""
        model, names, layers = self._loaded.model, tuple(prompts), len(encoded.embeddings)
        count = next(iter(prompts.values())).shape[1]

        def run(*inputs: Tensor) -> tuple[Tensor, Tensor]:
            embeddings = inputs[0] if layers == 1 else list(inputs[:layers])
            told = dict(zip(names, inputs[layers:], strict=True))
            found = model(image_embeddings=embeddings, multimask_output=True, **told)
            return found.pred_masks, found.iou_scores

        given = prompts.values()
        with torch.inference_mode():
            found = run(*encoded.embeddings, *given)
        return SimpleNamespace(pred_masks=found[0][:, :count], iou_scores=found[1][:, :count])

    def _prompts(
        self,
        encoded: EncodedImage,
        boxes: Sequence[Box],
        points: Sequence[tuple[float, float] | None],
        background: Sequence[tuple[float, float]],
    ) -> dict[str, Tensor]:
        """Boxes (1, N, 4) and points (1, N, P, 2) in pixels of the encoder's input; no point is the box's middle."""
        dtype, device = self._loaded.dtype, self._loaded.device
        scale = torch.tensor(encoded.scale)
        prompts = {"input_boxes": (torch.tensor([list(b) for b in boxes]) * scale.repeat(2))[None].to(device, dtype)}
        if background or any(p is not None for p in points):
            given = [[b.centre if p is None else p, *background] for p, b in zip(points, boxes, strict=True)]
            labels = torch.tensor([1] + [0] * len(background), dtype=torch.int32, device=device)
            prompts["input_points"] = (torch.tensor(given) * scale)[None].to(device, dtype)
            prompts["input_labels"] = labels.expand(1, len(boxes), -1)
        return prompts


def _distinct(logits: Tensor, ious: Tensor) -> list[tuple[Tensor, float, float, int]]:
    """(logits, predicted overlap, stability, votes) of masks that differ, surest first: (N, h, w) and (N,) in."""
    step = max(1, logits.shape[-1] // COARSE)
    drawn = (logits[:, ::step, ::step] > 0).flatten(1).float()
    high, low = ((logits > level).flatten(1).sum(dim=1).float() for level in (STABLE, -STABLE))
    stability = high / low.clamp(min=1)
    areas = drawn.sum(dim=1)
    order = torch.argsort(ious * stability * (areas > 0), descending=True)
    drawn, areas = drawn[order], areas[order]
    shared = drawn @ drawn.T
    alike = shared / (areas[:, None] + areas[None, :] - shared).clamp(min=1) > TWINS
    free = areas > 0
    found = []
    for n in range(len(order)):
        if free[n]:
            twins = alike[n] & free
            free = free & ~twins
            which = int(order[n])
            found.append((logits[which], float(ious[which]), float(stability[which]), int(twins.sum())))
    return found


def _measured(image: RGB, part: Part, mask: Mask) -> Part:
    if not mask.any():
        return part
    return replace(part, region=replace(part.region, mask=mask), measures=measure(image, mask))
