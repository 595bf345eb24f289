"""Measures how a region differs in brightness, colour, sharpness of its edge and texture from what should be there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy
import skimage
from numpy.typing import NDArray

from tools.describe.description import Attribute, Brightness, Comparison, EdgeSharpness, Texture, Tint
from tools.describe.shape import beyond, decided
from tools.parts.masks import window_of
from tools.types import RGB, Mask

DARKER, MUCH_DARKER = 5.0, 20.0
"""Differences of CIELAB lightness from which on a region is darker or lighter, and much so."""
DIFFERENT = 0.4
"""Share of a region, the pixels that differ most from what is expected, whose colour is stated."""
ONE_SIDED = 0.75
"""At least this share of these is darker, or lighter."""
NOISE = 1.0
"""A difference is larger than so many standard deviations of the surroundings."""
TINTED = 7.0
"""Difference of CIELAB a and b from which on a region has another colour."""
GREY = 8.0
"""Chroma below which a colour is grey."""
HUES: tuple[tuple[float, Tint], ...] = (
    (40.0, "reddish"),
    (72.0, "orange"),
    (110.0, "yellowish"),
    (200.0, "greenish"),
    (312.0, "bluish"),
    (345.0, "purple"),
    (360.0, "reddish"),
)
"""Up to so many degrees in the plane of a and b, a difference of colour has this name."""
HUE_MARGIN = 14.0
"""Degrees from such a limit at which the confidence in a name is 0.75."""
SHARP = 0.028
"""An edge is sharp where its width is less than this share of the photo's shorter side (at least 3.5 pixels)."""
SHARP_PIXELS = 3.5
SMOOTHER, ROUGHER = 1.5, 2.0
"""The texture differs where its contrast is so many times smaller or larger; the border adds to a region's own."""
THICK = 4.0
"""Pixels that a region needs on either side of its middle for its texture to be measured."""
FINE = 1.5
"""Standard deviation in pixels of the blur that separates texture from shading."""

Lab = NDArray[np.float32]


@dataclass(frozen=True)
class Appearance:
    """How a region differs from its counterpart or its surroundings."""

    compared_with: Comparison
    brightness: Attribute[Brightness] | None
    tint: Attribute[Tint] | None
    edge: Attribute[EdgeSharpness] | None
    texture: Attribute[Texture] | None


def measure_appearance(image: RGB, mask: Mask, product: Mask, counterpart: RGB | None = None) -> Appearance:
    """Measure how a region looks beside its counterpart, or beside its surroundings where there is none.

    Args:
        image: RGB (H, W, 3).
        mask: (H, W), the region; not empty.
        product: (H, W), the product; surroundings outside of it do not count where some are inside.
        counterpart: RGB (H, W, 3), a reference that is aligned with the photo.
    """
    reach = ring_reach(mask)
    window = window_of(mask, margin=3 * reach + 4)
    inside, around = mask[window], surroundings(mask[window], product[window], reach)
    if not around.any():  # the region is all of the photo
        return Appearance("surroundings", None, None, None, None)
    lab = skimage.color.rgb2lab(image[window]).astype(np.float32)
    expected = np.median(lab[around], axis=0)
    usual = _contrast(lab, around)
    compared: Comparison = "surroundings"
    if counterpart is not None:
        other = skimage.color.rgb2lab(counterpart[window]).astype(np.float32)
        # Light may differ between photos: what differs around the region too is not the region's.
        expected = np.median(other[inside], axis=0) + expected - np.median(other[around], axis=0)
        usual = max(usual, _contrast(other, inside))
        compared = "reference"
    different = most_different(lab, inside, expected)
    found = np.median(lab[different], axis=0)
    spread = lab[around].std(axis=0)
    return Appearance(
        compared,
        _brightness(lab[different][:, 0] - expected[0], float(spread[0])),
        _tint(found[1:], expected[1:], float(np.hypot(spread[1], spread[2]))),
        _edge(lab, inside, found - expected, around, min(image.shape[:2])),
        _texture(lab, inside, usual),
    )


def ring_reach(mask: Mask) -> int:
    """Pixels up to which the surroundings of a region reach from it."""
    return max(4, round(0.5 * math.sqrt(np.count_nonzero(mask))))


def surroundings(mask: Mask, product: Mask, reach: int) -> Mask:
    """Pixels about a region, away from its blurred edge, on the product where enough of them are."""
    distance = scipy.ndimage.distance_transform_edt(~mask)
    gap = max(2.0, 0.15 * reach)
    around: Mask = (distance > gap) & (distance <= gap + reach)
    on_product = around & product
    if np.count_nonzero(on_product) >= 0.25 * np.count_nonzero(around):
        return on_product
    return around if around.any() else ~mask


def most_different(lab: Lab, inside: Mask, expected: Lab) -> Mask:
    """The pixels of a region that differ most from the expected colour; masks often reach beyond a defect."""
    distance = np.linalg.norm(lab - expected, axis=-1)
    different: Mask = inside & (distance >= np.quantile(distance[inside], 1 - DIFFERENT))
    return different


def _brightness(differences: NDArray[np.float32], noise: float) -> Attribute[Brightness] | None:
    """How much darker or lighter the pixels are that differ most; None where they are partly darker, partly lighter."""
    difference = float(np.median(differences))
    size = abs(difference)
    differs = beyond(size, max(DARKER, NOISE * noise))
    much = beyond(size, max(MUCH_DARKER, noise))
    same_side = beyond(float(np.mean(differences * difference > 0)), ONE_SIDED)
    if not decided(min(differs, same_side + 0.25)):
        return None
    # "Darker" is not wrong of what is much darker: the limit between the two costs half the confidence.
    if much >= 0.5:
        return Attribute("much_darker" if difference < 0 else "much_lighter", min(differs, (1 + much) / 2))
    return Attribute("darker" if difference < 0 else "lighter", min(differs, 1 - much / 2))


def _tint(found: NDArray[np.float32], expected: NDArray[np.float32], noise: float) -> Attribute[Tint] | None:
    """The name of the difference between two colours (a, b)."""
    difference = found - expected
    differs = beyond(float(np.hypot(*difference)), max(TINTED, NOISE * noise))
    if not decided(differs):
        return None
    chroma, usual = float(np.hypot(*found)), float(np.hypot(*expected))
    less = usual - chroma
    if less > 0.5 * float(np.hypot(*difference)) and usual > GREY:
        grey = beyond(less / float(np.hypot(*difference)), 0.7)
        return Attribute("greyish", min(differs, grey)) if decided(grey) else None
    angle = math.degrees(math.atan2(float(difference[1]), float(difference[0]))) % 360
    name = next(name for limit, name in HUES if angle <= limit)
    limits = [limit for limit, _ in HUES[:-1]]
    margin = min(min(abs(angle - limit), 360 - abs(angle - limit)) for limit in limits)
    sure = 1 - 0.5 * 0.5 ** (margin / HUE_MARGIN)
    return Attribute(name, min(differs, sure)) if decided(sure) else None


def _edge(lab: Lab, inside: Mask, direction: Lab, around: Mask, side: int) -> Attribute[EdgeSharpness] | None:
    """Whether the step of colour at the region's border is sharp; None where there is hardly a step."""
    step = float(np.linalg.norm(direction))
    if step < 2 * DARKER:
        return None
    along = lab @ (direction / step)
    band = scipy.ndimage.binary_dilation(inside, iterations=3) & ~scipy.ndimage.binary_erosion(inside, iterations=3)
    gradient = scipy.ndimage.gaussian_gradient_magnitude(along, 0.7)
    grain = float(np.median(scipy.ndimage.gaussian_gradient_magnitude(along, 0.7)[around]))
    steep = float(np.percentile(scipy.ndimage.gaussian_filter(gradient, 0.5)[band], 80)) - grain
    width = step / max(steep, 1e-3)
    blurred = beyond(width, max(SHARP_PIXELS, SHARP * side))
    if not decided(max(blurred, 1 - blurred)):
        return None
    return Attribute("blurred", blurred) if blurred > 0.5 else Attribute("sharp", 1 - blurred)


def _texture(lab: Lab, inside: Mask, usual: float) -> Attribute[Texture] | None:
    core = scipy.ndimage.binary_erosion(inside, iterations=3)
    if np.count_nonzero(core) < (2 * THICK) ** 2:
        return None
    ratio = (_contrast(lab, core) + 0.3) / (usual + 0.3)
    rougher, smoother = beyond(ratio, ROUGHER), beyond(1 / ratio, SMOOTHER)
    if decided(rougher):
        return Attribute("rougher", rougher)
    return Attribute("smoother", smoother) if decided(smoother) else None


def _contrast(lab: Lab, mask: Mask) -> float:
    """Robust spread of fine differences in lightness."""
    fine = np.abs(lab[..., 0] - scipy.ndimage.gaussian_filter(lab[..., 0], FINE))
    return float(np.median(fine[mask])) if mask.any() else 0.0
