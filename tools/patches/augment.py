"""Copies of a photo: slightly moved, turned and relit as another photo might be, or by quarters as a part might lie."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tools.types import RGB

if TYPE_CHECKING:
    from torch import Tensor

SHIFT = 0.02
"""Fraction of the longer side by which a copy is moved."""
TURN = 4.0
"""Degrees by which a copy is turned."""
LIGHT = 0.08
"""Fraction by which a copy is brighter or darker."""


QUARTERS = 4
"""Turns by a quarter until a photo is as it was; its mirror image has as many."""


def turned(grid: Tensor, view: int) -> Tensor:
    """One of the eight ways to lay a square grid: turned by `view` quarters, and mirrored first from 4 on.

    Args:
        grid: (h, w, ...); h and w are exchanged by an odd quarter.
        view: 0 leaves it as it is, up to 7.

    >>> import torch
    >>> turned(torch.tensor([[1, 2], [3, 4]]), 1).tolist(), turned(torch.tensor([[1, 2], [3, 4]]), 4).tolist()
    ([[2, 4], [1, 3]], [[2, 1], [4, 3]])
    """
    import torch

    quarters, mirrored = view % QUARTERS, view >= QUARTERS
    return torch.rot90(grid.flip(1) if mirrored else grid, quarters, (0, 1))


def laid(image: RGB, views: int) -> list[RGB]:
    """The photo laid in the first so many of the eight ways of `turned`."""
    mirror = image[:, ::-1]
    ways = (np.rot90(mirror if view >= QUARTERS else image, view % QUARTERS) for view in range(views))
    return [np.ascontiguousarray(way) for way in ways]


def augmented(image: RGB) -> Iterator[RGB]:
    """Six copies of a photo, its edge pixels repeated where the frame would be empty."""
    yield _moved(image, SHIFT, SHIFT / 2)
    yield _moved(image, -SHIFT, -SHIFT / 2)
    yield _turned(image, TURN)
    yield _turned(image, -TURN)
    yield _lit(image, 1 + LIGHT)
    yield _lit(image, 1 - LIGHT)


def _moved(image: RGB, right: float, down: float) -> RGB:
    height, width = image.shape[:2]
    longer = max(height, width)
    rows = np.clip(np.arange(height) - round(down * longer), 0, height - 1)
    columns = np.clip(np.arange(width) - round(right * longer), 0, width - 1)
    return np.ascontiguousarray(image[rows[:, None], columns[None, :]])


def _turned(image: RGB, degrees: float) -> RGB:
    from skimage.transform import rotate

    turned = rotate(image, degrees, order=1, mode="edge", preserve_range=True)
    rounded: RGB = np.rint(turned).astype(np.uint8)
    return rounded


def _lit(image: RGB, factor: float) -> RGB:
    lit: RGB = np.clip(np.rint(image * factor), 0, 255).astype(np.uint8)
    return lit
