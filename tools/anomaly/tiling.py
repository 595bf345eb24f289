"""Overlapping tiles of a photo, each read as a photo of its own: small flaws grow large, and memory stays bounded.

Tiles are fractions of the photo, so that a large photo costs what a small one costs.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from tools.types import RGB

CELLS = 64
"""Cells across and down in which tiles are added up."""
SIDE = 16
"""Side of a tile in cells: a quarter of the photo."""
STEP = 8
"""From one tile to the next in cells: neighbours overlap by half."""


def places() -> list[tuple[int, int]]:
    """(left, top) of every tile in cells, in rows.

    >>> len(places()), places()[1], places()[-1]
    (49, (8, 0), (48, 48))
    """
    starts = range(0, CELLS - SIDE + 1, STEP)
    return [(left, top) for top in starts for left in starts]


def cut_tiles(image: RGB) -> list[RGB]:
    """The tiles of a photo of any size, in the order of `places`; none is empty, however small the photo."""
    height, width = image.shape[:2]
    cut = []
    for left, top in places():
        x, y = left * width // CELLS, top * height // CELLS
        right, bottom = -(-(left + SIDE) * width // CELLS), -(-(top + SIDE) * height // CELLS)
        cut.append(image[y:bottom, x:right])
    return cut


def assembled(whole: Tensor, patches: Tensor) -> Tensor:
    """One map from what each tile says: the mean of its own value and of its patches', over all tiles at a place.

    Args:
        whole: (tiles,) in the order of `places`, any unit.
        patches: (tiles, h, w), the same unit.

    Returns:
        (CELLS, CELLS).

    >>> import torch
    >>> flat = assembled(torch.full((49,), 3.0), torch.full((49, 4, 4), 1.0))
    >>> flat.shape, float(flat.min()), float(flat.max())
    (torch.Size([64, 64]), 2.0, 2.0)
    """
    fine = functional.interpolate(patches[:, None].float().cpu(), (SIDE, SIDE), mode="bilinear", align_corners=False)
    said = (fine[:, 0] + whole[:, None, None].float().cpu()) / 2
    total, count = torch.zeros(CELLS, CELLS), torch.zeros(CELLS, CELLS)
    for (left, top), value in zip(places(), said, strict=True):
        total[top : top + SIDE, left : left + SIDE] += value
        count[top : top + SIDE, left : left + SIDE] += 1
    return total / count
