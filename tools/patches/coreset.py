"""A few patches that stand for many: greedy k-centre, so that a memory keeps to a stated size."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

PROJECTED = 96
"""Dimensions in which distances are measured while choosing; a random projection keeps them nearly as they are."""


def k_centre(patches: Tensor, count: int, seed: int = 0) -> Tensor:
    """Indices of `count` patches such that no patch is far from the nearest of them.

    Each next one is the patch that is farthest from those already chosen, which is at most twice as far as the best
    choice of as many could leave any (Gonzalez 1985; for patch memories, Roth et al. 2022, PatchCore, algorithm 1).

    Args:
        patches: (M, C), any device.
        count: of those to choose; all of them where there are no more.
        seed: of the first choice and of the projection.

    Returns:
        int64 (min(count, M),), in the order of choosing.

    >>> import torch
    >>> line = torch.tensor([[0.0], [0.1], [0.2], [9.0], [9.1], [5.0]])
    >>> sorted(k_centre(line, 3).tolist()) in ([0, 4, 5], [1, 4, 5], [2, 4, 5], [0, 3, 5], [2, 3, 5], [1, 3, 5])
    True
    """
    import torch

    total = len(patches)
    if count >= total:
        return torch.arange(total, device=patches.device)
    draw = torch.Generator().manual_seed(seed)
    points = patches.float()
    if points.shape[1] > PROJECTED:
        projection = torch.randn(points.shape[1], PROJECTED, generator=draw) / PROJECTED**0.5
        points = points @ projection.to(points.device)
    chosen = torch.empty(count, dtype=torch.long, device=points.device)
    at = int(torch.randint(total, (1,), generator=draw))
    nearest = torch.full((total,), torch.inf, device=points.device)
    for number in range(count):
        chosen[number] = at
        nearest = torch.minimum(nearest, (points - points[at]).square().sum(dim=1))
        at = int(nearest.argmax())
    return chosen
