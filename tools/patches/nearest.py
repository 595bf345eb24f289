"""Distances between patches: to the nearest of many known ones, and to the nearest elsewhere on the same photo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.calls import marked
from tools.linear import linear

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 16384
"""Known patches that are compared at once."""
ROWS = 2048
"""Patches that are compared with them at once; memory is bounded by this times `CHUNK` floats."""
APART = 5 / 32
"""Share of the grid's side within which patches of one photo are neighbours and do not vouch for each other."""


@marked("search")
def nearest(patches: Tensor, known: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The nearest known patches of each patch.

    Args:
        patches: (P, C).
        known: (M, C), M >= 1.
        count: how many of them; all of them where there are fewer.

    Returns:
        Euclidean distances (P, count), nearest first, and which patches they are (P, count).

    >>> import torch
    >>> far, which = nearest(torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 4.0], [0.0, 3.0]]), 1)
    >>> far.tolist(), which.tolist()
    ([[2.0]], [[1]])
    """
    import torch

    pairs = [_nearest(rows, known, count) for rows in torch.split(patches, ROWS)]
    return torch.cat([far for far, _ in pairs]), torch.cat([at for _, at in pairs])


@marked("search")
def elsewhere(grid: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest patch on the same photo that is no neighbour: a plain ground has many, a flaw has none.

    Args:
        grid: (h, w, C), more than a neighbourhood wide.

    Returns:
        Euclidean distances (h * w,), infinite where every patch is a neighbour, and which patches they are (h * w,).
    """
    import torch

    height, width, _ = grid.shape
    patches = grid.flatten(0, 1)
    squared = patches.square().sum(dim=1)
    row, column = (numbers.to(grid.device) for numbers in _coordinates(height, width))
    values, at = [], []
    for some in torch.split(torch.arange(height * width, device=grid.device), ROWS):
        close = (row[some, None] - row[None]).abs() <= APART * height
        close &= (column[some, None] - column[None]).abs() <= APART * width
        halved = linear(patches[some], patches, squared / -2).masked_fill_(close, -torch.inf)
        most = halved.max(dim=1)
        values.append(squared[some] - 2 * most.values)
        at.append(most.indices)
    return torch.cat(values).clamp(min=0).sqrt(), torch.cat(at)


def _nearest(patches: Tensor, known: Tensor, count: int) -> tuple[Tensor, Tensor]:
    import torch

    found: list[Tensor] = []
    which: list[Tensor] = []
    for start in range(0, len(known), CHUNK):
        chunk = known[start : start + CHUNK]
        # The patch's own length is the same for all known ones and is added after choosing; the known one's goes
        # through the product as its bias, so that nothing else has to pass over all pairs.
        halved = linear(patches, chunk, chunk.square().sum(dim=1) / -2)
        values, at = halved.topk(min(count, len(chunk)), dim=1)
        found.append(-2 * values)
        which.append(at + start)
    values, at = torch.cat(found, dim=1), torch.cat(which, dim=1)
    if len(found) > 1:
        values, order = values.topk(min(count, values.shape[1]), dim=1, largest=False)
        at = at.gather(1, order)
    return (values + patches.square().sum(dim=1, keepdim=True)).clamp(min=0).sqrt(), at


def _coordinates(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Row and column of each patch, in rows."""
    import torch

    return (
        torch.arange(height).repeat_interleave(width),
        torch.arange(width).repeat(height),
    )
