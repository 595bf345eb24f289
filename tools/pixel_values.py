"""Pixel values of more than 8 bits: the range that photos of one product share, and its scaling to 8 bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ValueRange = tuple[float, float]
"""(low, high): the pixel values that become black and white."""
BIT_DEPTHS = (8, 10, 12, 14, 16)
TAIL = 0.005
"""Share of the lowest and of the highest pixels that a range ignores: hot and dead pixels, and overshoot."""
OVERSHOOT = 0.25
"""Fractions may leave [0, 1] by so much without being anything else."""
MARGIN = 0.1
"""Share of its width by which a range is widened that no bit depth explains, so that other photos fit into it."""
SAMPLED = 1_000_000
"""Pixels of a photo, evenly spaced, that a range is found on."""
UNLIKE = 2.0
"""A photo is unlike the references where it is brighter than all, or darker than all, by this factor."""
_ROWS = 256
"""Rows that are scaled at a time."""


@dataclass(frozen=True, eq=False)
class PixelValues:
    """The decoded pixels of a photo of more than 8 bits, upright."""

    values: NDArray[Any]
    """(H, W) grey or (H, W, 3) RGB; whole numbers or finite fractions."""
    alpha: NDArray[np.uint8] | None = None
    """(H, W), 255 is opaque; None where all of it is."""
    white_is_low: bool = False
    """Whether low values are bright, as in TIFF's min-is-white and DICOM's MONOCHROME1."""
    declared: ValueRange | None = None
    """The range that the file itself states; None where it states none."""

    def to_rgb(self, value_range: ValueRange) -> NDArray[np.uint8]:
        """(H, W, 3) in [0, 255]: the range becomes black to white, what lies outside is cut, transparency is white.

        >>> PixelValues(np.array([[0, 4095, 9000]], np.uint16)).to_rgb((0, 4095))[0, :, 0].tolist()
        [0, 255, 255]
        """
        low, high = value_range
        scaled: NDArray[np.uint8] = np.empty(self.values.shape, np.uint8)
        for start in range(0, len(scaled), _ROWS):
            wide = self.values[start : start + _ROWS].astype(np.float64)
            scaled[start : start + _ROWS] = np.clip(np.rint((wide - low) * (255.0 / ((high - low) or 1.0))), 0, 255)
        if self.white_is_low:
            scaled = 255 - scaled
        rgb = scaled if scaled.ndim == 3 else np.repeat(scaled[..., None], 3, axis=2)
        if self.alpha is None:
            return rgb
        over = self.alpha[..., None] / 255.0
        return np.rint(rgb * over + 255.0 * (1 - over)).astype(np.uint8)

    def sampled(self) -> NDArray[np.float64]:
        """Up to `SAMPLED` values of pixels that are not transparent, evenly spaced."""
        seen = self.values if self.alpha is None else self.values[self.alpha > 0]
        flat = seen.ravel()
        return flat[:: max(1, flat.size // SAMPLED)].astype(np.float64)

    @property
    def fractions(self) -> bool:
        """Whether the values are fractions of one rather than counts."""
        return self.values.dtype.kind == "f" and are_fractions(common_range([self]))


def are_fractions(value_range: ValueRange) -> bool:
    """Whether a range is one of fractions of one; no counts have so narrow a range."""
    return value_range[1] - value_range[0] <= 2


def common_range(photos: Sequence[PixelValues]) -> ValueRange:
    """The range of photos of one product: of fractions (0, 1), of counts a bit depth, else what most pixels span.

    A file's own statement comes first. A bit depth is the smallest one that holds all but the highest half per cent of
    the pixels; 8-bit counts that were multiplied by 256 or 257 have 16 bits.

    >>> common_range([PixelValues(np.array([[0, 900, 1000]], np.uint16)), PixelValues(np.array([[4000]], np.uint16))])
    (0.0, 4095.0)
    """
    stated = [photo.declared for photo in photos if photo.declared is not None]
    if len(stated) == len(photos):
        return min(low for low, _ in stated), max(high for _, high in stated)
    pooled = np.concatenate([photo.sampled() for photo in photos])
    if not pooled.size:
        return 0.0, 255.0
    low, most, high = (float(v) for v in np.quantile(pooled, (TAIL, 0.95, 1 - TAIL)))
    if any(photo.values.dtype.kind == "f" for photo in photos) and (most <= 1 or high <= 1 + OVERSHOOT):
        if low >= -OVERSHOOT:
            return 0.0, 1.0
        if low >= -1 - OVERSHOOT:
            return -1.0, 1.0
    depth = _bit_depth(pooled, high)
    if depth is not None and low >= -OVERSHOOT * high:
        return 0.0, float(2**depth - 1)
    margin = MARGIN * (high - low)
    return (low - margin if low < 0 else max(0.0, low - margin)), high + margin


def _bit_depth(values: NDArray[np.float64], high: float) -> int | None:
    """The bits that counts use; None where they are more than 16."""
    used = values[values > 0]
    if used.size and any((used % step == 0).mean() > 1 - TAIL for step in (256, 257)):
        return BIT_DEPTHS[-1]
    return next((bits for bits in BIT_DEPTHS if high < 2**bits), None)


def brightness(rgb: NDArray[np.uint8]) -> float:
    """The grey level, in [0, 255], that all but the brightest pixels stay below."""
    step = max(1, rgb.size // SAMPLED)
    return float(np.quantile(rgb.reshape(-1)[::step], 1 - TAIL))


def unlike_references(own: PixelValues, value_range: ValueRange, references: Sequence[NDArray[np.uint8]]) -> str | None:
    """A sentence where a photo uses its range unlike all references; None where it does not.

    Args:
        own: the photo's values.
        value_range: of the product.
        references: RGB (H, W, 3), in the same range.
    """
    low, high = value_range
    found = common_range([own])
    own_high = float(np.quantile(own.sampled(), 1 - TAIL)) if own.values.size else high
    beyond = own_high > high + MARGIN * (high - low)
    levels = [brightness(image) for image in references]
    level = brightness(own.to_rgb(value_range))
    darker_or_brighter = bool(levels) and (level > UNLIKE * max(levels) + 1 or UNLIKE * level + 1 < min(levels))
    if not (beyond or darker_or_brighter):
        return None
    return (
        f"its pixel values use the range {found[0]:g} to {found[1]:g} (nearly all are at most {own_high:g}), which is "
        f"unlike the references' ({low:g} to {high:g}); check the camera's bit depth, gain and exposure"
    )
