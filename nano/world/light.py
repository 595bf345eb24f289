"""Light on the sheet: diffuse, sheen, cast shadow and the darkness of corners, in linear colour."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nano.world.canvas import UNITS, Canvas
from nano.world.chance import Chance
from nano.world.field import Field
from nano.world.shapes import turn
from nano.world.texture import upsampled


@dataclass(frozen=True)
class Lamp:
    """One lamp and the light of the room."""

    direction: tuple[float, float, float]
    """Unit vector towards the lamp, x right, y down, z to the camera."""
    ambient: float
    """Share of light that has no direction."""
    gradient: tuple[float, float]
    """Change of brightness from the middle to the right and to the lower edge, as fractions."""
    shadow: float
    """How dark a cast shadow is, in [0, 1]."""

    @staticmethod
    def random(chance: Chance, strong: bool) -> Lamp:
        """A lamp from anywhere; `strong` hangs it lower and harder."""
        c, s = turn(chance.uniform(0, 360))
        up_c, up_s = turn(chance.uniform(32, 48) if strong else chance.uniform(42, 66))
        tilt = 0.34 if strong else 0.26
        return Lamp(
            (c * up_c, s * up_c, up_s),
            chance.uniform(0.25, 0.4) if strong else chance.uniform(0.38, 0.58),
            (chance.uniform(-tilt, tilt), chance.uniform(-tilt, tilt)),
            chance.uniform(0.55, 0.75) if strong else chance.uniform(0.3, 0.6),
        )


def halved(field: Field) -> Field:
    """Mean of each 2 by 2 pixels."""
    return ((field[::2, ::2] + field[1::2, ::2]) + (field[::2, 1::2] + field[1::2, 1::2])) * np.float32(0.25)


def lit(canvas: Canvas, lamp: Lamp) -> Field:
    """The sheet under the lamp at the photo's resolution, float32 (3, size, size), linear."""
    diffuse, sheen = _surface(canvas, lamp)
    out = np.empty((3, canvas.size, canvas.size), np.float32)
    dark = _shadow(canvas, lamp)
    for channel in range(3):
        albedo = canvas.albedo[channel]
        out[channel] = halved(albedo * diffuse + sheen * (albedo * np.float32(0.65) + np.float32(0.35)))
    out *= dark
    return out


def _surface(canvas: Canvas, lamp: Lamp) -> tuple[Field, Field]:
    height, k = canvas.height, np.float32(canvas.pixels / 2)
    gx, gy = np.zeros_like(height), np.zeros_like(height)
    gx[:, 1:-1] = (height[:, 2:] - height[:, :-2]) * k
    gy[1:-1] = (height[2:] - height[:-2]) * k
    lx, ly, lz = lamp.direction
    inverse = 1 / np.sqrt(gx * gx + gy * gy + 1)
    slant = np.maximum((np.float32(lz) - gx * np.float32(lx) - gy * np.float32(ly)) * inverse, 0)
    across = np.linspace(-1, 1, canvas.side, dtype=np.float32)
    fall = 1 + across[None, :] * np.float32(lamp.gradient[0]) + across[:, None] * np.float32(lamp.gradient[1])
    diffuse = (slant * np.float32((1 - lamp.ambient) / lz) + np.float32(lamp.ambient)) * fall
    norm = math.sqrt(lx * lx + ly * ly + (lz + 1) * (lz + 1))
    hx, hy, hz = (np.float32(value / norm) for value in (lx, ly, lz + 1))
    sheen = np.maximum((hz - gx * hx - gy * hy) * inverse, 0)
    for _ in range(5):
        sheen = sheen * sheen
    return diffuse, sheen * canvas.gloss * fall


def _shadow(canvas: Canvas, lamp: Lamp) -> Field:
    height = halved(canvas.height)
    size = canvas.size
    unit = size / UNITS
    lx, ly, lz = lamp.direction
    flat = math.sqrt(lx * lx + ly * ly)
    shade = np.zeros((size, size), np.float32)
    reach = 10
    pad = math.ceil(reach * unit) + 2
    padded = np.pad(height, pad, mode="edge")
    for step in range(1, reach + 1):
        dx, dy = round(step * unit * lx / flat), round(step * unit * ly / flat)
        seen = padded[pad + dy : pad + dy + size, pad + dx : pad + dx + size]
        shade = np.maximum(shade, (seen - height - np.float32(step * lz / flat)) * np.float32(0.6))
    shade = _softened(np.minimum(shade, 1))
    coarse = halved(halved(halved(height))) if size % 8 == 0 else height
    corner = np.clip((upsampled(coarse, size, size) - height) * np.float32(0.06), 0, 0.35)
    return (1 - shade * np.float32(lamp.shadow * (1 - lamp.ambient * 0.5))) * (1 - corner)


def _softened(field: Field) -> Field:
    padded = np.pad(field, 1, mode="edge")
    rows = (padded[:-2] + padded[2:]) * np.float32(0.25) + padded[1:-1] * np.float32(0.5)
    return (rows[:, :-2] + rows[:, 2:]) * np.float32(0.25) + rows[:, 1:-1] * np.float32(0.5)
