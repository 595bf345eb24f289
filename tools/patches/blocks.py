"""Blocks of open_clip's VisionTransformer, run piece by piece, so that what nobody reads is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.linear import linear

if TYPE_CHECKING:
    from torch import Tensor


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
    import torch
    from torch.nn import functional

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
    from torch import nn

    if type(mlp.gelu) is nn.GELU and mlp.gelu.approximate == "none":
        found: Tensor = mlp.c_proj(linear(x, mlp.c_fc.weight, mlp.c_fc.bias, gelu=True))
    else:
        found = mlp(x)
    return found
