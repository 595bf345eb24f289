"""How likely two segments are of one kind of part, from how much they differ.

The weights are those of a logistic regression over pairs of segments of many products (`python -m evals.likeness`);
nothing in them knows a product or a word.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from tools.parts.describe import Array, Descriptors

NAMES = (
    "area", "slenderness", "solidity", "holes", "compactness", "lightness", "chroma", "lightness contrast",
    "chroma contrast", "place", "inside", "edge", "kind",
)  # fmt: skip
"""What differs, in the order of the weights."""
LAB = 50.0
"""CIELAB units that count as one."""
_WEIGHTS = Path(__file__).with_name("likeness.yaml")


class Linear(BaseModel):
    """Log-odds as a weighted sum."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bias: float
    weights: dict[str, float]


class Likeness(BaseModel):
    """Weights for pairs on different photos, and for pairs on the same, where light and colours are shared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    across: Linear
    within: Linear


class Scale(NamedTuple):
    """Feature distances that are usual among unlike segments of a product; a network's own unit cancels out."""

    inside: float
    edge: float


@dataclass(frozen=True, eq=False)
class Comparer:
    """Compares segments of one product."""

    likeness: Likeness
    scale: Scale

    def across(self, one: Descriptors, other: Descriptors) -> Array:
        """(N, M): log-odds that a segment of one photo and one of another are of one kind."""
        return _odds(self.likeness.across, differences(one, other, self.scale))

    def within(self, one: Descriptors) -> Array:
        """(N, N): the same for segments of one photo."""
        return _odds(self.likeness.within, differences(one, one, self.scale))


@cache
def likeness() -> Likeness:
    """The shipped weights."""
    import yaml

    return Likeness.model_validate(yaml.safe_load(_WEIGHTS.read_text(encoding="utf-8")))


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


def _odds(linear: Linear, values: NDArray[np.float64]) -> Array:
    found: Array = values @ np.array([linear.weights[name] for name in NAMES]) + linear.bias
    return found
