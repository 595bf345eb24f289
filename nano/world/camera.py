"""Light and camera: diffuse and sheen, cast shadows, lens, noise and blur, in linear colours."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from nano.world.canvas import UNITS, Canvas
from nano.world.chance import Chance, Field
from nano.world.shapes import turn
from nano.world.texture import upsampled
from tools.types import RGB


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


@dataclass(frozen=True)
class Camera:
    """How one photo was taken."""

    gains: tuple[float, float, float]
    """Exposure times white balance, for red, green and blue."""
    vignette: float
    blur: float
    """Weight that each blur pass takes from a pixel's neighbours, in [0, 0.25]."""
    passes: int
    noise: float
    """Standard deviation of the noise in a mid grey, in [0, 1]."""
    quality: int
    """JPEG quality."""

    @staticmethod
    def random(chance: Chance, strong: bool) -> Camera:
        """A camera set as people set them; `strong` blurs and casts more."""
        exposure = chance.uniform(0.55, 1.3) if strong else chance.uniform(0.68, 1.32)
        warm, tint = chance.uniform(-0.13, 0.13), chance.uniform(-0.04, 0.04)
        if strong:
            warm = warm + 0.09 * chance.sign()
        return Camera(
            (exposure * (1 + warm), exposure * (1 + tint), exposure * (1 - warm)),
            chance.uniform(0.2, 0.4) if strong else chance.uniform(0, 0.3),
            chance.uniform(0.2, 0.25) if strong else chance.uniform(0.03, 0.2),
            2 if strong else 1,
            chance.uniform(0.012, 0.03) if strong else chance.uniform(0.004, 0.018),
            chance.integer(72, 88) if strong else chance.integer(82, 96),
        )


def photographed(light: Field, camera: Camera, chance: Chance) -> RGB:
    """A photo from linear light (3, H, W)."""
    _, tall, wide = light.shape
    for _ in range(camera.passes):
        light = _blurred(light, np.float32(camera.blur))
    x = np.linspace(-1, 1, wide, dtype=np.float32)
    y = np.linspace(-1, 1, tall, dtype=np.float32)
    edge = 1 - (x * x)[None, :] * np.float32(camera.vignette / 2) - (y * y)[:, None] * np.float32(camera.vignette / 2)
    gains = np.array(camera.gains, np.float32)[:, None, None]
    exposed = np.maximum(light * edge * gains, 0)
    # The square root stands for the display curve, and is exact; the knee keeps highlights soft.
    tone = np.sqrt(exposed)
    over = np.maximum(tone - np.float32(0.8), 0)
    tone = np.minimum(tone, np.float32(0.8)) + over / (1 + over * np.float32(2.5))
    pair = chance.grain(2, 3, tall, wide)
    grain = np.add(pair[0], pair[1], dtype=np.float32)
    grain -= 255
    grain *= np.float32(camera.noise / 104.5)
    grain *= np.float32(0.6) + tone * np.float32(0.8)
    tone += grain
    pixels = np.clip(tone * 255 + np.float32(0.5), 0, 255).astype(np.uint8)
    return _compressed(np.ascontiguousarray(pixels.transpose(1, 2, 0)), camera.quality)


def _blurred(light: Field, weight: np.float32) -> Field:
    padded = np.pad(light, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = (padded[:, :-2] + padded[:, 2:]) * weight + padded[:, 1:-1] * (1 - 2 * weight)
    return (rows[..., :-2] + rows[..., 2:]) * weight + rows[..., 1:-1] * (1 - 2 * weight)


def _compressed(pixels: RGB, quality: int) -> RGB:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=0)
    buffer.seek(0)
    with Image.open(buffer, formats=("JPEG",)) as image:
        return np.asarray(image.convert("RGB"), np.uint8).copy()
