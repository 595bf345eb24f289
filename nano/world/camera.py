"""The camera: exposure, white balance, vignette, blur, sensor noise and JPEG."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from nano.world.chance import Chance
from nano.world.field import Field
from tools.types import RGB


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
