"""Pastes defects on photos of good parts, so that matchers can be calibrated on real photos without any test label."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

from tools.types import RGB

SMALLEST, LARGEST = 0.05, 0.18
"""Extent of a defect as a share of the photo's longer side."""


def paste_defect(image: RGB, random: Generator) -> RGB:
    """Return the photo with one defect in its middle half.

    Args:
        image: RGB (H, W, 3) of a good part.
        random: source of the kind, size and place of the defect.
    """
    height, width = image.shape[:2]
    extent = max(8, round(float(random.uniform(SMALLEST, LARGEST)) * max(height, width)))
    x, y = (int(random.uniform(0.25, 0.75) * side) for side in (width, height))
    kinds: tuple[Callable[..., Image.Image], ...] = (_cut_paste, _scratch, _stain, _hole)
    kind = kinds[int(random.integers(len(kinds)))]
    return np.asarray(kind(Image.fromarray(image), (x, y), extent, random))


def _cut_paste(photo: Image.Image, at: tuple[int, int], extent: int, random: Generator) -> Image.Image:
    """A rotated patch from another place (Li et al. 2021, CutPaste)."""
    left = int(random.integers(max(1, photo.width - extent)))
    top = int(random.integers(max(1, photo.height - extent)))
    patch = photo.crop((left, top, left + extent, top + max(6, extent // 2))).convert("RGBA")
    turned = patch.rotate(float(random.uniform(20, 340)), Image.Resampling.BILINEAR, expand=True)
    pasted = photo.copy()
    pasted.paste(turned.convert("RGB"), (at[0] - turned.width // 2, at[1] - turned.height // 2), turned)
    return pasted


def _scratch(photo: Image.Image, at: tuple[int, int], extent: int, random: Generator) -> Image.Image:
    """A thin bent line, lighter or darker than what it crosses."""
    angle = float(random.uniform(0, np.pi))
    steps = np.linspace(-1, 1, 6)
    bend = np.cumsum(random.normal(0, 0.08, 6)) * extent
    points = [
        (at[0] + s * extent * np.cos(angle) - b * np.sin(angle), at[1] + s * extent * np.sin(angle) + b * np.cos(angle))
        for s, b in zip(steps, bend, strict=True)
    ]
    change = 70 if random.integers(2) else -70
    shade = photo.point([min(255, max(0, v + change)) for v in range(256)] * 3)
    mask = Image.new("L", photo.size)
    ImageDraw.Draw(mask).line(points, fill=230, width=max(2, extent // 14), joint="curve")
    return Image.composite(shade, photo, mask.filter(ImageFilter.GaussianBlur(0.7)))


def _stain(photo: Image.Image, at: tuple[int, int], extent: int, random: Generator) -> Image.Image:
    """A soft blob of another colour."""
    colour = tuple(int(c) for c in random.integers(0, 256, 3))
    mask = Image.new("L", photo.size)
    draw = ImageDraw.Draw(mask)
    for _ in range(5):
        dx, dy = (int(random.normal(0, extent / 4)) for _ in range(2))
        r = int(random.uniform(0.2, 0.45) * extent)
        draw.ellipse((at[0] + dx - r, at[1] + dy - r, at[0] + dx + r, at[1] + dy + r), fill=150)
    mask = mask.filter(ImageFilter.GaussianBlur(max(1.0, extent / 12)))
    return Image.composite(Image.new("RGB", photo.size, colour), photo, mask)


def _hole(photo: Image.Image, at: tuple[int, int], extent: int, random: Generator) -> Image.Image:
    """A dark ellipse with a lighter rim."""
    wide, high = (max(3, int(random.uniform(0.25, 0.5) * extent)) for _ in range(2))
    pasted = photo.copy()
    box = (at[0] - wide, at[1] - high, at[0] + wide, at[1] + high)
    ImageDraw.Draw(pasted).ellipse(box, fill=(25, 20, 18), outline=(120, 110, 100), width=max(1, extent // 20))
    return pasted
