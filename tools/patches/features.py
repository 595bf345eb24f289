"""Dense features of a photo from whatever tower is loaded: a backbone's stages, or a CLIP's own layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tools.errors import ModelError
from tools.patches.blocks import is_plain, projected_by, through

if TYPE_CHECKING:
    from torch import Tensor

    from tools.loading import Loaded

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
    import torch
    from torch.nn import functional

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
