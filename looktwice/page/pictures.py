"""Pictures for the page as data URIs: nothing of a visitor's photo is written where another could fetch it."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from tools.draw import FOOT, HEAT
from tools.types import RGB, Mask, ScoreMap

SHOWN = 1280
"""The longer side of a photo on the page is at most so many pixels."""
LEAST = 640
"""Maps are drawn so large at least, so that they are smooth on a screen."""


def photo_uri(image: RGB, side: int = SHOWN) -> str:
    """A photo as JPEG, its longer side at most `side` pixels."""
    picture = Image.fromarray(image)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _uri(picture, "JPEG")


def square_uri(image: RGB, side: int) -> str:
    """A crop as JPEG, enlarged or reduced to fit a square of `side` pixels."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return _uri(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS), "JPEG")


def map_uri(score_map: ScoreMap) -> str | None:
    """A map as a transparent picture, visible where it is in the upper half of its range; None where it is flat."""
    values = score_map.values
    low, high = float(np.median(values)), float(values.max())
    foot = low + FOOT * (high - low)
    if high - foot < 1e-6:
        return None
    scale = LEAST / max(values.shape)
    size = (round(values.shape[1] * scale), round(values.shape[0] * scale))
    fine = np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BILINEAR))
    level = np.clip((fine - foot) / (high - foot), 0.0, 1.0)
    stops = np.linspace(0.0, 1.0, len(HEAT))
    colours = np.asarray(HEAT, dtype=np.float64)
    planes = [np.interp(level, stops, colours[:, c]) for c in range(3)]
    rgba = np.stack([*planes, 255 * np.sqrt(level)], axis=-1)
    return _uri(Image.fromarray(np.rint(rgba).astype(np.uint8), "RGBA"), "PNG")


def mask_uri(mask: Mask, colour: tuple[int, int, int]) -> str:
    """A mask (H, W) as a transparent picture in one colour."""
    rgba = np.zeros((*mask.shape, 4), dtype=np.uint8)
    rgba[mask] = (*colour, 255)
    picture = Image.fromarray(rgba, "RGBA")
    picture.thumbnail((LEAST, LEAST))
    return _uri(picture, "PNG")


def _uri(picture: Image.Image, form: str) -> str:
    stream = io.BytesIO()
    picture.save(stream, format=form, quality=88)
    return f"data:image/{form.lower()};base64," + base64.b64encode(stream.getvalue()).decode("ascii")
