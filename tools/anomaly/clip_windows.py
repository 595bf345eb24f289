"""WinCLIP's windows and reference association (Jeong et al. 2023, sections 4.2 and 4.3).

No shipped profile uses them: set `path: windows` of the scorer.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tools.anomaly.features import is_plain, projected_by, through
from tools.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.anomaly.clip_scorer import EncodedImages

SCALES = (2, 3)
"""Sides of the windows in patches."""
TOKENS_AT_ONCE = 2048
"""Tokens that go through a block together; more of them leave the processor's cache."""


def check_windowed(visual: Any, name: str) -> None:
    """Refuses an image tower whose windows have no embedding of their own.

    Raises:
        ModelError: it is no VisionTransformer that pools its class token, or is smaller than the windows.
    """
    if not is_plain(visual) or visual.pool_type != "tok" or min(visual.grid_size) < max(SCALES):
        raise ModelError(
            f"{name}: its image tower has no class token to read a window by, or too few patches for windows; set the "
            "scorer's `path` to dense in the profile."
        )


def window_embeddings(visual: Any, pixels: Tensor) -> tuple[Tensor, ...]:
    """Embeddings of every window of photos, in the space of the text tower.

    Args:
        visual: open_clip's VisionTransformer, as `check_windowed` accepts it.
        pixels: (N, 3, H, W), normalised.

    Returns:
        For each of `SCALES` a tensor (N, windows, D), windows in rows; not of unit length.
    """
    tokens = visual._embeds(pixels)
    first = visual.transformer.resblocks[0]
    projected = projected_by(first, tokens)
    found = []
    for scale in SCALES:
        index = window_index(visual.grid_size, scale).to(tokens.device)
        at_once = max(1, TOKENS_AT_ONCE // index.shape[1])
        photos = [_of_photo(visual, tokens[n], projected[n], torch.split(index, at_once)) for n in range(len(tokens))]
        found.append(torch.stack(photos))
    return tuple(found)


def window_index(grid: tuple[int, int], scale: int) -> Tensor:
    """Which tokens each window holds, the class token (0) first: (windows, 1 + scale * scale).

    >>> window_index((3, 3), 2).tolist()
    [[0, 1, 2, 4, 5], [0, 2, 3, 5, 6], [0, 4, 5, 7, 8], [0, 5, 6, 8, 9]]
    """
    numbers = torch.arange(1, grid[0] * grid[1] + 1).reshape(grid)
    windows = numbers.unfold(0, scale, 1).unfold(1, scale, 1).reshape(-1, scale * scale)
    return torch.cat([torch.zeros(len(windows), 1, dtype=torch.long), windows], dim=1)


def over_patches(scores: Tensor, grid: tuple[int, int], scale: int) -> Tensor:
    """The harmonic mean, at each patch, of the windows that hold it.

    Args:
        scores: (N, windows) in (0, 1], in the order of `window_index`.
        grid: (rows, columns) of patches.
        scale: side of a window in patches.

    Returns:
        (N, rows, columns).

    The middle of 3 x 3 patches lies in all four windows of 2 x 2, a corner in one, an edge's middle in two:

    >>> import torch
    >>> for row in over_patches(torch.tensor([[1.0, 0.5, 0.25, 0.2]]), (3, 3), 2)[0].tolist():
    ...     print([round(value, 4) for value in row])
    [1.0, 0.6667, 0.5]
    [0.4, 0.3333, 0.2857]
    [0.25, 0.2222, 0.2]
    """
    holds = _holds(grid, scale).to(scores)
    return (holds.sum(dim=0) / (scores.reciprocal() @ holds)).reshape(-1, *grid)


@lru_cache(maxsize=8)
def _holds(grid: tuple[int, int], scale: int) -> Tensor:
    """(windows, patches): 1 where a window holds a patch."""
    index = window_index(grid, scale)[:, 1:] - 1
    return torch.zeros(len(index), grid[0] * grid[1]).scatter_(1, index, 1.0)


def _of_photo(visual: Any, tokens: Tensor, projected: Tensor, chunks: Sequence[Tensor]) -> Tensor:
    """Embeddings (windows, D) of one photo from its tokens (L, D) and their first projections (L, 3 D)."""
    *middle, last = visual.transformer.resblocks
    embedded = []
    for index in chunks:
        x, qkv = tokens[index], projected[index]
        for number, block in enumerate(middle):
            x = through(block, x, qkv if number == 0 else projected_by(block, x))
        cls = through(last, x[:, :1], projected_by(last, x) if middle else qkv)
        pooled, _ = visual._pool(cls)
        embedded.append(pooled if visual.proj is None else pooled @ visual.proj)
    return torch.cat(embedded)


LEAST = 1e-6
"""A window that good photos hold exactly is this unlike, so that the harmonic mean is defined."""


def association(encoded: EncodedImages, references: EncodedImages) -> Tensor:
    """The mean over patches, windows of 2 x 2 and windows of 3 x 3 of (1 - largest cosine) / 2, at each patch.

    Args:
        encoded: photos on the path of windows.
        references: good photos, encoded by the same.

    Returns:
        float32 (N, h, w) in [0, 1].
    """
    rows, columns = (int(side) for side in encoded.patches.shape[1:3])
    if encoded.tokens is None or references.tokens is None:
        raise ValueError("photos are associated on the path of windows alone")
    maps = [unlikeness(encoded.tokens, references.tokens).reshape(-1, rows, columns)]
    for scale, windows, known in zip(SCALES, encoded.windows, references.windows, strict=True):
        maps.append(over_patches(unlikeness(windows, known).clamp(min=LEAST), (rows, columns), scale))
    return torch.stack(maps).mean(dim=0)


def unlikeness(embedded: Tensor, known: Tensor) -> Tensor:
    """(1 - largest cosine to any known one) / 2.

    Args:
        embedded: (N, L, D) of unit length.
        known: (R, M, D) of unit length.

    >>> import torch
    >>> unlikeness(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 1.0], [-1.0, 0.0]]])).tolist()
    [[0.5]]
    """
    flat = known.flatten(0, 1)
    return (1 - (embedded @ flat.T).amax(dim=-1)) / 2
