"""Overlapping tiles of a photo, each read as a photo of its own: small flaws grow large, and memory stays bounded.

Tiles are fractions of the photo, so that a large photo costs what a small one costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.types import RGB

if TYPE_CHECKING:
    from torch import Tensor

CELLS = 64
"""Cells across and down in which tiles are added up."""
LEVELS = ((16, 8), (24, 10))
"""(side, step) of the tiles of each level, in cells: a quarter and three eighths of the photo."""


def places() -> list[tuple[int, int, int]]:
    """(left, top, side) of every tile in cells, level by level and in rows.

    >>> len(places()), places()[0], places()[-1]
    (74, (0, 0, 16), (40, 40, 24))
    """
    found = []
    for side, step in LEVELS:
        starts = range(0, CELLS - side + 1, step)
        found += [(left, top, side) for top in starts for left in starts]
    return found


def cut_tiles(image: RGB) -> list[RGB]:
    """The tiles of a photo of any size, in the order of `places`; none is empty, however small the photo."""
    height, width = image.shape[:2]
    cut = []
    for left, top, side in places():
        x, y = left * width // CELLS, top * height // CELLS
        right, bottom = -(-(left + side) * width // CELLS), -(-(top + side) * height // CELLS)
        cut.append(image[y:bottom, x:right])
    return cut


def assembled(whole: Tensor, patches: Tensor) -> Tensor:
    """One map from what each tile says: the mean of its own value and of its patches', over tiles, then levels.

    Args:
        whole: (tiles,) in the order of `places`, any unit.
        patches: (tiles, h, w), the same unit.

    Returns:
        (CELLS, CELLS).

    >>> import torch
    >>> flat = assembled(torch.full((74,), 3.0), torch.full((74, 4, 4), 1.0))
    >>> flat.shape, float(flat.min()), float(flat.max())
    (torch.Size([64, 64]), 2.0, 2.0)
    """
    import torch
    from torch.nn import functional

    levels = []
    spots = places()
    for side, _ in LEVELS:
        total, count = torch.zeros(CELLS, CELLS), torch.zeros(CELLS, CELLS)
        numbers = [n for n, spot in enumerate(spots) if spot[2] == side]
        fine = functional.interpolate(
            patches[numbers, None].float().cpu(), (side, side), mode="bilinear", align_corners=False
        )[:, 0]
        said = (fine + whole[numbers, None, None].float().cpu()) / 2
        for n, value in zip(numbers, said, strict=True):
            left, top, _ = spots[n]
            total[top : top + side, left : left + side] += value
            count[top : top + side, left : left + side] += 1
        levels.append(total / count)
    return torch.stack(levels).mean(dim=0)
