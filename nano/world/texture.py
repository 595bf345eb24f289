"""Textures as fields in about [-1, 1], from noise bytes and elementwise arithmetic only."""

from __future__ import annotations

import numpy as np

from nano.world.chance import Chance, Field


def _steps(cells: int, pixels: int) -> tuple[np.ndarray, np.ndarray, Field]:
    position = (np.arange(pixels) + 0.5) * (cells - 1) / pixels
    low = np.floor(position).astype(np.intp)
    t = (position - low).astype(np.float32)
    return low, np.minimum(low + 1, cells - 1), t * t * (3 - 2 * t)


def upsampled(grid: Field, height: int, width: int) -> Field:
    """The grid stretched over (height, width) with smooth steps between its knots."""
    above, below, t = _steps(grid.shape[0], height)
    rows = grid[above] + (grid[below] - grid[above]) * t[:, None]
    left, right, s = _steps(grid.shape[1], width)
    start = np.take(rows, left, axis=1)
    out: Field = start + (np.take(rows, right, axis=1) - start) * s
    return out


def sampled(grid: Field, x: Field, y: Field) -> Field:
    """The grid read at (x, y) in cells, repeating for ever, with smooth steps between its knots."""
    rows, columns = grid.shape
    left, top = np.floor(x), np.floor(y)
    s, t = x - left, y - top
    s, t = s * s * (3 - 2 * s), t * t * (3 - 2 * t)
    i, j = left.astype(np.intp) % columns, top.astype(np.intp) % rows
    flat, i1, below = grid.ravel(), (i + 1) % columns, (j + 1) % rows * columns
    j = j * columns
    upper = flat[j + i] * (1 - s) + flat[j + i1] * s
    lower = flat[below + i] * (1 - s) + flat[below + i1] * s
    out: Field = upper + (lower - upper) * t
    return out


def clouds(chance: Chance, height: int, width: int, cells: int = 4, octaves: int = 3) -> Field:
    """Value noise summed over octaves; `cells` is how many knots the first one has a side."""
    total = np.zeros((height, width), np.float32)
    amplitude, knots = 0.6, cells
    for _ in range(octaves):
        total += upsampled(chance.grid(knots + 1, knots + 1), height, width) * np.float32(amplitude)
        amplitude, knots = amplitude / 2, knots * 2
    return total


def brushed(chance: Chance, height: int, width: int) -> Field:
    """Fine lines along x, as a brush or a mill leaves them."""
    fine = upsampled(chance.grid(height, max(3, width // 96)), height, width)
    coarse = upsampled(chance.grid(max(4, height // 6), 4), height, width)
    return fine * np.float32(0.65) + coarse * np.float32(0.35)


def speckle(chance: Chance, height: int, width: int) -> Field:
    """Grain of about two pixels, as of cast metal or moulded plastic."""
    half = chance.grid((height + 1) // 2, (width + 1) // 2)
    return np.repeat(np.repeat(half, 2, axis=0), 2, axis=1)[:height, :width]


def waves(field: Field) -> Field:
    """A rounded triangle wave of period 1 in [-1, 1]; stands in for a sine, exactly."""
    t = field - np.floor(field)
    t = np.abs(t * 2 - 1) * 2 - 1
    out: Field = t * (np.float32(1.5) - np.float32(0.5) * t * t)
    return out


MAKERS = {"brushed": brushed, "speckle": speckle, "clouds": clouds}
"""Textures that a paint may name."""
