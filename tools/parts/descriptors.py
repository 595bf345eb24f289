"""Describes segments so that part types can be told apart, and estimates how likely two segments are of one type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy
import skimage
from numpy.typing import NDArray

from tools.parts.masks import filled, window_of
from tools.parts.parameters import LogisticWeights, PartSimilarity
from tools.parts.pose import ProductPose
from tools.types import RGB, FloatMap, Mask, Sample

if TYPE_CHECKING:
    from tools.anomaly import PatchMemory

CROP = 64
"""Side in pixels of the upright square that a segment is cut into before it is looked at."""
MARGIN = 1.25
"""Sides of that square for the longer side of the segment."""
NEAR, FAR = 3, 9
"""Pixels of the square between which a segment's surroundings lie."""
RIM = 4
"""Pixels of the square on either side of an outline that are looked at as the outline."""
LIGHT = 10.0
"""Units of lightness that count as one where a segment is lighter to one side."""

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Descriptors:
    """What is known of N segments of one photo; sizes and places in units of the product."""

    shape: Array
    """(N, 5): logarithms of area and of length by width, solidity, share that is no hole, log compactness."""
    colour: Array
    """(N, 3): mean CIELAB inside."""
    contrast: Array
    """(N, 3): the same less that of the surroundings."""
    place: Array
    """(N, 2): in product coordinates."""
    inside: Array
    """(N, C) of unit length: mean feature inside."""
    edge: Array
    """(N, C) of unit length: mean feature along the outline."""
    kind: Array
    """(N, K) of unit length: what kind of part the tracer takes it for; K is 0 where there is no tracer."""
    heading: Array
    """(N, 2, 2): which way it lies, as `_heading` says, along the product's axes."""

    def __len__(self) -> int:
        return len(self.shape)

    def of(self, which: Sequence[int] | NDArray[np.intp]) -> Descriptors:
        """Those of some segments."""
        chosen = np.asarray(which, dtype=np.intp)
        return Descriptors(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})


def joined(several: Sequence[Descriptors]) -> Descriptors:
    """Descriptors of the segments of several photos, in their order; at least one photo."""
    return Descriptors(**{f.name: np.concatenate([getattr(d, f.name) for d in several]) for f in fields(Descriptors)})


def describe(
    image: RGB, masks: Sequence[Mask], pose: ProductPose, memory: PatchMemory, kinds: FloatMap | None = None
) -> Descriptors:
    """Descriptors of masks that are not empty, one or more.

    Each segment is cut out upright along its main axis and brought to one size, so that neither how it lies nor how
    near the camera was matters to what it looks like.

    Args:
        image: (H, W, 3).
        masks: (H, W) each.
        pose: of the product on that photo.
        memory: the patch features that look at the squares.
        kinds: (K, h, w) what kind of part each place of the photo is of, where a tracer says so.
    """
    cuts = [_cut(image, mask, pose) for mask in masks]
    squares, inner = np.stack([c.square for c in cuts]), np.stack([c.inside for c in cuts])
    lab = skimage.color.rgb2lab(squares)
    around = np.stack([_ring(i, NEAR, FAR) for i in inner])
    rim = np.stack([_outline(i) for i in inner])
    own, surroundings = _means(lab, inner), _means(lab, around)
    features = memory.encode([Sample(s, f"segment {n}") for n, s in enumerate(squares)]).double().cpu().numpy()
    return Descriptors(
        shape=np.stack([c.shape for c in cuts]),
        colour=own,
        contrast=own - surroundings,
        place=np.array([c.place for c in cuts]),
        inside=_unit(_means(features, inner)),
        edge=_unit(_means(features, rim)),
        kind=np.zeros((len(masks), 0)) if kinds is None else _kinds(kinds, np.stack(masks)),
        heading=np.stack([_heading(c, light, pose) for c, light in zip(cuts, lab[..., 0], strict=True)]),
    )


def _heading(cut: _Cut, light: Array, pose: ProductPose) -> Array:
    """(2, 2): the axis of a segment, and to which side it is lighter, each longer the clearer.

    The axis is told by twice its angle, so that half a turn changes nothing.

    Args:
        cut: the segment.
        light: (CROP, CROP) CIELAB lightness of its square.
        pose: of the product.
    """
    v, u = np.nonzero(cut.inside)
    at = (u - u.mean()) + 1j * (v - v.mean())
    size = np.sqrt(len(at))
    shades = light[v, u]
    along, across = (at.real**2).mean(), (at.imag**2).mean()
    turn = np.exp(1j * (cut.angle + np.radians(pose.turn)))
    axis = (along - across) / max(along + across, 1e-9) * turn**2
    lit = ((shades - shades.mean()) * at).mean() / (LIGHT * size) * turn
    return np.array([(z.real, z.imag) for z in (axis, lit)])


def _kinds(kinds: FloatMap, masks: NDArray[np.bool_]) -> Array:
    """(N, K) of unit length: of maps (K, h, w) the mean over each of the masks (N, H, W)."""
    return _unit(_means(kinds.transpose(1, 2, 0)[None], masks))


@dataclass(frozen=True, eq=False)
class _Cut:
    square: RGB
    inside: Mask
    shape: Array
    place: tuple[float, float]
    angle: float
    """Of the main axis, in radians from the photo's first to its second."""


def _cut(image: RGB, mask: Mask, pose: ProductPose) -> _Cut:
    """The upright square around a segment, and what is measured of its outline there."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    small = mask[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
    y, x = np.nonzero(small)
    middle = float(x.mean()), float(y.mean())
    dx, dy = x - middle[0], y - middle[1]
    angle = 0.5 * np.arctan2(2 * (dx * dy).mean(), (dx * dx).mean() - (dy * dy).mean())
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    along, across = dx * cos + dy * sin, dy * cos - dx * sin
    length, width = float(np.ptp(along)) + 1, float(np.ptp(across)) + 1
    steps = ((np.arange(CROP) + 0.5) / CROP - 0.5) * MARGIN * max(length, width, 4.0)
    u, v = np.meshgrid(steps + (along.min() + along.max()) / 2, steps + (across.min() + across.max()) / 2)
    at = np.stack([middle[1] + u * sin + v * cos, middle[0] + u * cos - v * sin])
    inside = scipy.ndimage.map_coordinates(small.astype(np.float32), at, order=1, mode="constant") > 0.5
    if not inside.any():
        inside[CROP // 2 - 2 : CROP // 2 + 2] = True
    moved = at + np.array([top, left])[:, None, None]
    channels = [scipy.ndimage.map_coordinates(image[..., c], moved, order=1, mode="nearest") for c in range(3)]
    shown = inside[window_of(inside)]
    area = float(np.count_nonzero(shown))
    compact = 4 * np.pi * area / max(float(skimage.measure.perimeter(shown)), 1.0) ** 2
    shape = np.array(
        [
            np.log(len(x) / pose.unit**2),
            np.log(length / width),
            area / np.count_nonzero(skimage.morphology.convex_hull_image(shown)),
            area / np.count_nonzero(filled(shown, corners=True)),
            np.log(compact),
        ]
    )
    place = pose.place((left + middle[0] + 0.5, top + middle[1] + 0.5))
    return _Cut(np.stack(channels, axis=-1), inside, shape, place, float(angle))


def _ring(inside: Mask, near: int, far: int) -> Mask:
    """Pixels about an outline, from `near` to `far` pixels away; all else where there are none."""
    less: Mask = scipy.ndimage.binary_dilation(inside, iterations=near)
    ring: Mask = scipy.ndimage.binary_dilation(less, iterations=far - near) & ~less
    return ring if ring.any() else ~inside if not inside.all() else inside


def _outline(inside: Mask) -> Mask:
    outline: Mask = scipy.ndimage.binary_dilation(inside, iterations=RIM) & ~scipy.ndimage.binary_erosion(
        inside, iterations=RIM
    )
    return outline


def _means(maps: NDArray[np.floating], masks: NDArray[np.bool_]) -> Array:
    """(N, C): mean of maps over masks (N, H, W), whose sides are brought to those of the maps.

    Args:
        maps: (N, h, w, C), or (1, h, w, C) where all masks are of one photo.
        masks: (N, H, W).
    """
    height, width = maps.shape[1:3]
    if masks.shape[1:] == (height, width):
        shares = masks.astype(np.float64)
    elif masks.shape[1] % height == masks.shape[2] % width == 0:
        down, across = masks.shape[1] // height, masks.shape[2] // width
        shares = masks.reshape(len(masks), height, down, width, across).mean(axis=(2, 4), dtype=np.float64)
    else:
        turned = masks.transpose(1, 2, 0).astype(np.float64)
        shares = skimage.transform.resize(turned, (height, width, len(masks)), order=1, anti_aliasing=True).transpose(
            2, 0, 1
        )
    flat = shares.reshape(len(shares), 1, -1)
    total = (flat @ maps.reshape(len(maps), height * width, -1).astype(np.float64)).squeeze(1)
    found: Array = total / np.maximum(shares.sum(axis=(1, 2)), 1e-9)[:, None]
    return found


def _unit(vectors: Array) -> Array:
    found: Array = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return found


NAMES = (
    "area",
    "slenderness",
    "solidity",
    "holes",
    "compactness",
    "lightness",
    "chroma",
    "lightness contrast",
    "chroma contrast",
    "place",
    "inside",
    "edge",
    "kind",
)
"""What differs, in the order of the weights."""
LAB = 50.0
"""CIELAB units that count as one."""


class Scale(NamedTuple):
    """Feature distances that are usual among unlike segments of a product; a network's own unit cancels out."""

    inside: float
    edge: float


@dataclass(frozen=True, eq=False)
class Comparer:
    """Compares segments of one product."""

    similarity: PartSimilarity
    scale: Scale

    def across(self, one: Descriptors, other: Descriptors) -> Array:
        """(N, M): log-odds that a segment of one photo and one of another are of one kind."""
        return _odds(self.similarity.across, differences(one, other, self.scale))

    def within(self, one: Descriptors) -> Array:
        """(N, N): the same for segments of one photo."""
        return _odds(self.similarity.within, differences(one, one, self.scale))


def scale_of(photos: list[Descriptors]) -> Scale:
    """The median feature distances between segments of the same photo."""
    found: dict[str, list[Array]] = {"inside": [], "edge": []}
    for photo in photos:
        upper = np.triu_indices(len(photo), 1)
        found["inside"].append((1 - photo.inside @ photo.inside.T)[upper])
        found["edge"].append((1 - photo.edge @ photo.edge.T)[upper])
    medians = [float(np.median(np.concatenate(x))) if sum(map(len, x)) else 1.0 for x in found.values()]
    return Scale(*(max(m, 1e-3) for m in medians))


def differences(one: Descriptors, other: Descriptors, scale: Scale) -> NDArray[np.float64]:
    """(N, M, 13): how much each pair differs, in the order of `NAMES`, every value 0 or more."""
    kind = np.maximum(1 - one.kind @ other.kind.T, 0) if one.kind.shape[1] else np.zeros((len(one), len(other)))
    shape = np.abs(one.shape[:, None] - other.shape[None])
    colour = (one.colour[:, None] - other.colour[None]) / LAB
    contrast = (one.contrast[:, None] - other.contrast[None]) / LAB
    rest = [
        np.abs(colour[..., 0]),
        np.linalg.norm(colour[..., 1:], axis=-1),
        np.abs(contrast[..., 0]),
        np.linalg.norm(contrast[..., 1:], axis=-1),
        np.linalg.norm(one.place[:, None] - other.place[None], axis=-1),
        np.maximum(1 - one.inside @ other.inside.T, 0) / scale.inside,
        np.maximum(1 - one.edge @ other.edge.T, 0) / scale.edge,
        kind,
    ]
    return np.concatenate([shape, np.stack(rest, axis=-1)], axis=-1)


def _odds(linear: LogisticWeights, values: NDArray[np.float64]) -> Array:
    found: Array = values @ np.array([linear.weights[name] for name in NAMES]) + linear.bias
    return found
