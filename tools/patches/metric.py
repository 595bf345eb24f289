"""Which differences between patches count: those in which good patches hardly ever differ from each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SHRINK = 1.0
"""How much of the mean variance is added to each direction, so that few references do not make a metric of noise."""


def whitening(differences: Sequence[Tensor]) -> Tensor:
    """The matrix after which Euclidean distance is Mahalanobis distance under the differences of good patches.

    Light, bench and grain move good patches in a few directions; along these a difference says little. The
    covariance is that of a patch's difference from its nearest good one, not of the patches themselves (as within-
    class covariance in relevant component analysis, Bar-Hillel et al. 2003), shrunk towards a sphere.

    Args:
        differences: sets of differences (N, C) that weigh the same each, whatever their sizes.

    Returns:
        float32 (C, C), symmetric; patches are multiplied by it from the right. Mean lengths stay of the same order.
    """
    import torch

    covariance = torch.stack([d.T @ d / max(1, len(d)) for d in differences]).mean(dim=0).double()
    size = len(covariance)
    middle = covariance.diagonal().mean().clamp(min=1e-12)
    # In units of the mean variance: differences of the usual size in a usual direction keep theirs.
    covariance = covariance / middle + SHRINK * torch.eye(size, dtype=torch.float64, device=covariance.device)
    values, vectors = torch.linalg.eigh(covariance)
    white: Tensor = ((vectors * values.rsqrt()) @ vectors.T).float()
    return white
