"""Dense patch features of a photo: a backbone's stages, or a CLIP's or DINO's tokens; and the input of networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from tools.errors import ModelError
from tools.models.onednn import linear
from tools.types import RGB, FloatMap

if TYPE_CHECKING:
    from tools.models.loading import Loaded

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
        stated = loaded.model if processor is None else processor
        mean, std = getattr(stated, "image_mean", None), getattr(stated, "image_std", None)
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
    height, width = form.size
    resized = [np.asarray(Image.fromarray(i).resize((width, height), Image.Resampling.BICUBIC)) for i in images]
    batch = np.stack(resized).astype(np.float32) / 255
    batch = (batch - np.asarray(form.mean, np.float32)) / np.asarray(form.std, np.float32)
    # Channels last, as convolutions are quickest on a CPU.
    return torch.from_numpy(batch).permute(0, 3, 1, 2).to(loaded.device, loaded.dtype)


def smoothed(grid: Tensor) -> Tensor:
    """A map over patches, lightly smoothed; it never leaves the range of `grid`.

    Args:
        grid: (h, w), any unit.

    Returns:
        float32 (h, w) on the CPU.
    """
    return torch.from_numpy(scipy.ndimage.gaussian_filter(grid.float().cpu().numpy(), SMOOTHING, mode="nearest"))


def upsampled(grid: Tensor, size: tuple[int, int]) -> FloatMap:
    """A map over patches at the photo's size, bilinear.

    Args:
        grid: (h, w), any unit.
        size: (width, height) of the photo in pixels.

    Returns:
        float32 (height, width).
    """
    width, height = size
    fine = functional.interpolate(grid[None, None].float().cpu(), (height, width), mode="bilinear", align_corners=False)
    values: FloatMap = fine[0, 0].numpy()
    return values


def is_plain(visual: object) -> bool:
    """Whether every block of an image tower is made as `through` takes it: open_clip's ResidualAttentionBlock."""
    transformer: Any = getattr(visual, "transformer", None)
    blocks = getattr(transformer, "resblocks", ())
    return bool(blocks) and all(hasattr(b, "ls_1") and hasattr(b.attn, "in_proj_weight") for b in blocks)


def projected_by(block: Any, tokens: Tensor) -> Tensor:
    """Queries, keys and values (..., 3 D) of a block's attention, from tokens (..., D)."""
    return linear(block.ln_1(tokens), block.attn.in_proj_weight, block.attn.in_proj_bias)


def through(block: Any, x: Tensor, qkv: Tensor) -> Tensor:
    """A block's output for the first tokens of each sequence.

    Args:
        block: as `is_plain` accepts it.
        x: the tokens whose output is wanted, (N, l, D).
        qkv: projections of the whole sequences, (N, L, 3 D) with L >= l.

    Returns:
        (N, l, D).
    """
    n, read, width = x.shape
    heads = block.attn.num_heads
    query, key, value = (
        part.reshape(n, -1, heads, width // heads).transpose(1, 2) for part in torch.split(qkv, width, dim=-1)
    )
    mixed = functional.scaled_dot_product_attention(query[:, :, :read], key, value)
    x = x + block.ls_1(block.attn.out_proj(mixed.transpose(1, 2).reshape(n, read, width)))
    result: Tensor = x + block.ls_2(_mlp(block.mlp, block.ln_2(x)))
    return result


def _mlp(mlp: Any, x: Tensor) -> Tensor:
    """A block's MLP; a plain GELU goes along with the product before it."""
    if type(mlp.gelu) is nn.GELU and mlp.gelu.approximate == "none":
        found: Tensor = mlp.c_proj(linear(x, mlp.c_fc.weight, mlp.c_fc.bias, gelu=True))
    else:
        found = mlp(x)
    return found


VIT_DEPTHS = (0.5, 0.75)
"""At which fractions of its depth the tokens of an open_clip transformer are taken."""


def patch_features(loaded: Loaded, pixels: Tensor) -> Tensor:
    """Features of each patch: all stages, each pooled 3 x 3 and of unit length, on the finest stage's grid.

    Pooling over neighbours and joining stages follows PatchCore (Roth et al. 2022, section 3.1).

    Args:
        loaded: a backbone with `feature_maps`, or an open_clip model.
        pixels: (N, 3, H, W), normalised.

    Returns:
        float32 (N, h, w, C) of unit length along C, so that a scalar product is the cosine.

    Raises:
        ModelError: the model is of a class without stages, or its features are not numbers.
    """
    with torch.inference_mode():
        maps = [m.float() for m in stages(loaded, pixels)]
        height, width = max((tuple(m.shape[-2:]) for m in maps), key=lambda size: size[0] * size[1])
        joined = []
        for stage in maps:
            pooled = functional.avg_pool2d(stage, 3, stride=1, padding=1, count_include_pad=False)
            fine = functional.interpolate(pooled, (height, width), mode="bilinear", align_corners=False)
            joined.append(functional.normalize(fine, dim=1))
        features = torch.cat(joined, dim=1).permute(0, 2, 3, 1) / len(joined) ** 0.5
    if not bool(torch.isfinite(features).all()):
        raise ModelError(
            f"{loaded.name}: its features are not finite numbers, so its weights are damaged or overflow in "
            f"{loaded.dtype}; fetch the checkpoint again or choose another profile."
        )
    contiguous: Tensor = features.contiguous()
    return contiguous


def stages(loaded: Loaded, pixels: Tensor) -> Sequence[Tensor]:
    """Feature maps (N, C, h, w), fine to coarse.

    Raises:
        ModelError: the model is of a class that has none.
    """
    model: Any = loaded.model
    visual = getattr(model, "visual", None)
    if visual is not None and hasattr(visual, "layer4"):
        return _resnet_stages(visual, pixels)
    if visual is not None and hasattr(visual, "transformer"):
        return _vit_stages(visual, pixels)
    trunk = getattr(visual, "trunk", None)
    if hasattr(trunk, "forward_intermediates"):
        return _timm_stages(trunk, pixels)
    output = model(pixel_values=pixels) if visual is None else None
    if isinstance(output, list):
        return output
    if output is None or not hasattr(output, "feature_maps"):
        raise ModelError(
            f"{loaded.name}: {type(visual or model).__name__} gives no feature maps; accepted are transformers "
            "backbones (ResNetBackbone, Dinov2Backbone, ...) and open_clip's VisionTransformer, ModifiedResNet, SigLIP."
        )
    maps: Sequence[Tensor] = output.feature_maps
    return maps


def _resnet_stages(visual: Any, pixels: Tensor) -> list[Tensor]:
    """Stages 2 and 3 of open_clip's ModifiedResNet: finer than its last, less local than its first."""
    second = visual.layer2(visual.layer1(visual.stem(pixels)))
    return [second, visual.layer3(second)]


def _vit_stages(visual: Any, pixels: Tensor) -> list[Tensor]:
    """Patch tokens of open_clip's VisionTransformer after some of its blocks."""
    blocks = visual.transformer.resblocks
    wanted = {max(1, round(len(blocks) * depth)) for depth in VIT_DEPTHS}
    maps: list[Tensor] = []
    for number, tokens in enumerate(vit_tokens(visual, pixels)):
        if number in wanted:
            maps.append(as_grid(tokens[:, 1:], visual.grid_size).permute(0, 3, 1, 2))
        if len(maps) == len(wanted):
            break
    return maps


def _timm_stages(trunk: Any, pixels: Tensor) -> list[Tensor]:
    """Feature maps of timm's VisionTransformer after some of its blocks."""
    wanted = sorted({max(1, round(len(trunk.blocks) * depth)) - 1 for depth in VIT_DEPTHS})
    maps: list[Tensor] = trunk.forward_intermediates(pixels, indices=wanted, intermediates_only=True)
    return maps


def vit_tokens(visual: Any, pixels: Tensor) -> Iterator[Tensor]:
    """Tokens (N, 1 + h * w, D) before the first and after each block of open_clip's VisionTransformer.

    Lazily, so that a caller may stop early; the class token comes first.
    """
    transformer = visual.transformer
    tokens, plain = visual._embeds(pixels), is_plain(visual)
    yield tokens
    for block in transformer.resblocks:
        if plain:
            tokens = through(block, tokens, projected_by(block, tokens))
        else:
            tokens = block(tokens) if transformer.batch_first else block(tokens.transpose(0, 1)).transpose(0, 1)
        yield tokens


def as_grid(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """(N, h * w, D) in rows, as (N, h, w, D)."""
    return tokens.reshape(tokens.shape[0], grid[0], grid[1], tokens.shape[-1])
