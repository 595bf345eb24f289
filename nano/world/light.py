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
    """Diffuse light and sheen at the sheet's resolution; in place, for this is where time goes."""
    height, k = canvas.height, np.float32(canvas.pixels / 2)
    gx, gy = np.zeros_like(height), np.zeros_like(height)
    np.subtract(height[:, 2:], height[:, :-2], out=gx[:, 1:-1])
    np.subtract(height[2:], height[:-2], out=gy[1:-1])
    gx *= k
    gy *= k
    inverse = gx * gx
    inverse += gy * gy
    inverse += 1
    np.sqrt(inverse, out=inverse)
    np.divide(1, inverse, out=inverse)
    lx, ly, lz = lamp.direction
    across = np.linspace(-1, 1, canvas.side, dtype=np.float32)
    fall = 1 + across[None, :] * np.float32(lamp.gradient[0]) + across[:, None] * np.float32(lamp.gradient[1])
    diffuse = _facing((lx, ly, lz), gx, gy, inverse)
    diffuse *= np.float32((1 - lamp.ambient) / lz)
    diffuse += np.float32(lamp.ambient)
    diffuse *= fall
    norm = math.sqrt(lx * lx + ly * ly + (lz + 1) * (lz + 1))
    sheen = _facing((lx / norm, ly / norm, (lz + 1) / norm), gx, gy, inverse)
    for _ in range(5):
        sheen *= sheen
    sheen *= canvas.gloss
    sheen *= fall
    return diffuse, sheen


def _facing(towards: tuple[float, float, float], gx: Field, gy: Field, inverse: Field) -> Field:
    """Cosine between the surface's normal and a direction, never negative."""
    x, y, z = (np.float32(value) for value in towards)
    out: Field = gx * -x
    out -= gy * y
    out += z
    out *= inverse
    return np.maximum(out, 0, out=out)


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
