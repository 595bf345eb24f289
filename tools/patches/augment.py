"""Slightly moved, turned and relit copies of a photo: what a second photo of the same good part might look like."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tools.types import RGB

SHIFT = 0.02
"""Fraction of the longer side by which a copy is moved."""
TURN = 4.0
"""Degrees by which a copy is turned."""
LIGHT = 0.08
"""Fraction by which a copy is brighter or darker."""


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
