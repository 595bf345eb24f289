"""Tells from how two segments look whether they are parts of one kind: a small network over their descriptors.

Each segment is embedded; a second layer reads from two embeddings, and from what plainly differs, the log-odds that
both are of one kind. It was learned on rendered products (`python -m evals.kin`) with one network's features, and is
used with that network's alone: another's mean something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tools.parts.describe import Array, Descriptors

STORED = Path(__file__).with_name("kin.safetensors")
LAB = 50.0
"""CIELAB units that count as one."""
FEATURES = 4.0
"""Weight of features of unit length."""
MOST = 6.0
"""Log-odds are cut off here on either side: so sure it is of nothing."""


@dataclass(frozen=True, eq=False)
class Layers:
    """Weights for pairs on different photos, or for pairs on the same: two networks of one hidden layer each."""

    embed: tuple[NDArray[np.float32], ...]
    """(H, D), (H,), (E, H), (E,)."""
    compare: tuple[NDArray[np.float32], ...]
    """(H, K + 2 E), (H,), (1, H), (1,)."""

    def odds(self, one: Descriptors, other: Descriptors, values: NDArray[np.float64]) -> Array:
        """(N, M): log-odds that a segment of `one` and one of `other` are of one kind.

        Args:
            one: N segments.
            other: M segments.
            values: (N, M, K) what plainly differs, in the order that was learned.
        """
        a, b = (_forward(self.embed, looks(d)) for d in (one, other))
        pairs = np.concatenate(
            [values.astype(np.float32), np.abs(a[:, None] - b[None]), a[:, None] + b[None]], axis=-1
        )  # fmt: skip
        found: Array = np.clip(_forward(self.compare, pairs)[..., 0], -MOST, MOST).astype(np.float64)
        return found


@dataclass(frozen=True)
class Kin:
    """What is stored."""

    features: str
    """Digest of the network whose features it reads."""
    across: Layers
    within: Layers


@cache
def stored_kin(path: Path = STORED) -> Kin:
    """The shipped networks."""
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        told = file.metadata()
        arrays = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118

    def layers(which: str) -> Layers:
        return Layers(*(tuple(arrays[f"{which}.{part}.{n}"] for n in range(4)) for part in ("embed", "compare")))

    return Kin(told["features"], layers("across"), layers("within"))


def kin_of(features: str) -> Kin | None:
    """The networks for features of that digest; None where they were learned with other ones, or not yet."""
    known = stored_kin() if STORED.exists() else None
    return known if known is not None and known.features == features else None


def looks(described: Descriptors) -> NDArray[np.float32]:
    """(N, D): what a segment is embedded by."""
    parts = [described.shape, described.colour / LAB, described.contrast / LAB]
    parts += [described.inside * FEATURES, described.edge * FEATURES]
    return np.concatenate(parts, axis=1).astype(np.float32)


def _forward(layers: tuple[NDArray[np.float32], ...], x: NDArray[np.float32]) -> NDArray[np.float32]:
    first, bias, second, last = layers
    found: NDArray[np.float32] = np.maximum(x @ first.T + bias, 0) @ second.T + last
    return found
