"""WinCLIP+ (Jeong et al. 2023, section 4.3): how unlike is each patch and window to every one on good photos?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.patches.windows import SCALES, over_patches

if TYPE_CHECKING:
    from torch import Tensor

    from tools.patches.text import EncodedImages

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
    import torch

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
