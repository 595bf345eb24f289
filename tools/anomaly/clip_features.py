"""Patch embeddings in the space of CLIP's text tower, from one pass along the value path."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

from torch import Tensor
from torch.nn import functional

from tools.anomaly.features import as_grid, vit_tokens
from tools.models.onednn import linear


class Embedded(NamedTuple):
    """Photos and their patches."""

    whole: Tensor
    """(N, D), in the space of the text tower."""
    patches: Tensor
    """(N, h, w, D), in the same space."""
    tokens: Tensor | None
    """(N, h * w, width): patches as a transformer leaves them, neither normalised nor projected; None for a ResNet."""


def is_resnet(visual: object) -> bool:
    """Whether an image tower is open_clip's ModifiedResNet."""
    return hasattr(visual, "layer4") and hasattr(getattr(visual, "attnpool", None), "v_proj")


def is_pooled(visual: object) -> bool:
    """Whether an image tower is timm's VisionTransformer with attention pooling, as in SigLIP (Zhai et al. 2023)."""
    return getattr(getattr(visual, "trunk", None), "attn_pool", None) is not None


def embed(visual: Any, pixels: Tensor, layers: int = 1) -> Embedded:
    """Embeddings of photos and of their patches, from one pass; of any length.

    Args:
        visual: the image tower of an open_clip model, a VisionTransformer, a ModifiedResNet or a SigLIP's.
        pixels: (N, 3, H, W), normalised.
        layers: so many of a VisionTransformer's last blocks give the patches; the others have their pool alone.
    """
    if is_pooled(visual):
        return _embed_pooled(visual, pixels)
    return _embed_resnet(visual, pixels) if is_resnet(visual) else _embed_vit(visual, pixels, layers)


def _embed_resnet(visual: Any, pixels: Tensor) -> Embedded:
    """The attention pool for the photo, its value and output projections alone for each patch."""
    maps = visual.layer4(visual.layer3(visual.layer2(visual.layer1(visual.stem(pixels)))))
    pool = visual.attnpool
    return Embedded(_pooled(pool, maps), pool.c_proj(pool.v_proj(maps.permute(0, 2, 3, 1))), None)


def _pooled(pool: Any, maps: Tensor) -> Tensor:
    """(N, D) as open_clip's AttentionPool2d gives for maps (N, C, h, w), asked for the photo alone."""
    patches = maps.flatten(2).transpose(1, 2)
    tokens = functional.pad(patches, (0, 0, 1, 0))
    tokens[:, 0] = patches.mean(dim=1)
    tokens += pool.positional_embedding
    n, _, width = tokens.shape
    asked, keys, values = (
        projection(of).reshape(n, -1, pool.num_heads, width // pool.num_heads).transpose(1, 2)
        for projection, of in ((pool.q_proj, tokens[:, :1]), (pool.k_proj, tokens), (pool.v_proj, tokens))
    )
    mixed = functional.scaled_dot_product_attention(asked, keys, values)
    pooled: Tensor = pool.c_proj(mixed.reshape(n, width))
    return pooled


def _embed_pooled(visual: Any, pixels: Tensor) -> Embedded:
    """The attention pool over all patches for the photo, over each patch by itself for the patch.

    Attention over a single token is its value, so that this too leaves out what mixes patches.
    """
    trunk = visual.trunk
    tokens = trunk.forward_features(pixels)
    patches = tokens[:, trunk.num_prefix_tokens :]
    alone = trunk.attn_pool(patches.reshape(-1, 1, patches.shape[-1]))
    dense = visual.head(trunk.head(trunk.fc_norm(alone)))
    grid = as_grid(dense.reshape(len(patches), -1, dense.shape[-1]), trunk.patch_embed.grid_size)
    return Embedded(visual.head(trunk.forward_head(tokens)), grid, None)


def _embed_vit(visual: Any, pixels: Tensor, layers: int) -> Embedded:
    """The pooled token for the photo; for each patch the sum over the last blocks of values mixed by their likeness."""
    *before, last = deque(vit_tokens(visual, pixels), maxlen=layers + 1)
    blocks = list(visual.transformer.resblocks)[-len(before) :]
    said = [block.ls_1(_value_value(block.attn, block.ln_1(x))) for block, x in zip(blocks, before, strict=True)]
    dense = visual.ln_post(sum(said[1:], said[0])[:, 1:])
    pooled, _ = visual._pool(last)
    grid = as_grid(dense, visual.grid_size)
    if visual.proj is not None:
        pooled, grid = pooled @ visual.proj, grid @ visual.proj
    return Embedded(pooled, grid, last[:, 1:])


def _value_value(attention: Any, tokens: Tensor) -> Tensor:
    """Self-attention in which the values take the place of queries and keys; (N, L, D) to (N, L, D)."""
    width = tokens.shape[-1]
    bias = attention.in_proj_bias
    value = linear(tokens, attention.in_proj_weight[2 * width :], None if bias is None else bias[2 * width :])
    n, length, _ = value.shape
    heads = value.reshape(n, length, attention.num_heads, -1).transpose(1, 2)
    mixed = functional.scaled_dot_product_attention(heads, heads, heads)
    projected: Tensor = attention.out_proj(mixed.transpose(1, 2).reshape(n, length, width))
    return projected
