"""Photos as a network wants them, and its maps back at the photo's own size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tools.types import RGB, FloatMap

if TYPE_CHECKING:
    from torch import Tensor

    from tools.loading import Loaded

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Channel means of ImageNet in [0, 1], for a backbone that states none."""
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Channel standard deviations of ImageNet, for a backbone that states none."""
DEFAULT_SIDE = 256
"""Input side in pixels of a backbone that states none."""
SMOOTHING = 0.5
"""Gaussian sigma of a map, in cells of the network's grid."""


@dataclass(frozen=True)
class InputFormat:
    """What a network expects of its input."""

    size: tuple[int, int]
    """(height, width) in pixels; a photo is squashed to it, so that its borders are seen as well."""
    mean: tuple[float, ...]
    std: tuple[float, ...]


def input_format(loaded: Loaded, side: int | None = None) -> InputFormat:
    """The input format that a checkpoint states, by the preprocessor file or by its open_clip tower.

    Args:
        loaded: an open_clip model, or a transformers one with its image processor (or without any).
        side: height and width in pixels to use whatever the checkpoint says.
    """
    visual = getattr(loaded.model, "visual", None)
    if visual is not None:
        size: Any = visual.image_size
        mean, std = visual.image_mean, visual.image_std
    else:
        processor = getattr(loaded.processor, "image_processor", loaded.processor)
        size = _stated_size(processor)
        mean, std = getattr(processor, "image_mean", None), getattr(processor, "image_std", None)
    height, width = (size, size) if isinstance(size, int) else size
    if side is not None:
        height = width = side
    return InputFormat((int(height), int(width)), tuple(mean or IMAGENET_MEAN), tuple(std or IMAGENET_STD))


def _stated_size(processor: object) -> tuple[int, int]:
    """The crop where there is one, else the resize, else the default."""
    for name in ("crop_size", "size"):
        stated: Any = getattr(processor, name, None)
        if stated is None or (name == "crop_size" and not getattr(processor, "do_center_crop", False)):
            continue
        edge = stated.get("shortest_edge") if hasattr(stated, "get") else None
        height, width = (edge, edge) if edge else (stated["height"], stated["width"])
        return int(height), int(width)
    return DEFAULT_SIDE, DEFAULT_SIDE


def to_pixels(images: Sequence[RGB], form: InputFormat, loaded: Loaded) -> Tensor:
    """Resizes (bicubic, antialiased) and normalises photos into one batch on the network's device.

    Returns:
        (N, 3, height, width) in the network's dtype.
    """
    import torch
    from PIL import Image

    height, width = form.size
    resized = [np.asarray(Image.fromarray(i).resize((width, height), Image.Resampling.BICUBIC)) for i in images]
    batch = np.stack(resized).astype(np.float32) / 255
    batch = (batch - np.asarray(form.mean, np.float32)) / np.asarray(form.std, np.float32)
    tensor = torch.from_numpy(np.ascontiguousarray(batch.transpose(0, 3, 1, 2)))
    return tensor.to(loaded.device, loaded.dtype)


def smoothed(grid: Tensor) -> Tensor:
    """A map over patches, lightly smoothed; it never leaves the range of `grid`.

    Args:
        grid: (h, w), any unit.

    Returns:
        float32 (h, w) on the CPU.
    """
    import torch
    from scipy.ndimage import gaussian_filter

    return torch.from_numpy(gaussian_filter(grid.float().cpu().numpy(), SMOOTHING, mode="nearest"))


def upsampled(grid: Tensor, size: tuple[int, int]) -> FloatMap:
    """A map over patches at the photo's size, bilinear.

    Args:
        grid: (h, w), any unit.
        size: (width, height) of the photo in pixels.

    Returns:
        float32 (height, width).
    """
    from torch.nn import functional

    width, height = size
    fine = functional.interpolate(grid[None, None].float().cpu(), (height, width), mode="bilinear", align_corners=False)
    values: FloatMap = fine[0, 0].numpy()
    return values
