"""The networks of tools/parts/kin.py while they learn: inputs on one scale, units dropped by chance."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

HIDDEN, WIDTH, DROPPED = 64, 24, 0.1
Range = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Mean and spread of inputs."""


class PairNetwork(nn.Module):
    """Embeds segments, and reads from two of them whether they are of one kind."""

    def __init__(self, looks: Range, values: Range) -> None:
        """Takes how the inputs spread: what segments look like (D), and what pairs differ by (K)."""
        super().__init__()
        size, more = len(looks[0]), len(values[0])
        self.embed = nn.Sequential(nn.Linear(size, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, WIDTH))
        self.compare = nn.Sequential(
            nn.Linear(more + 2 * WIDTH, HIDDEN), nn.ReLU(), nn.Dropout(DROPPED), nn.Linear(HIDDEN, 1)
        )
        rest = np.zeros(2 * WIDTH, np.float32), np.ones(2 * WIDTH, np.float32)
        self._scales = {
            "embed": looks,
            "compare": (np.concatenate([values[0], rest[0]]), np.concatenate([values[1], rest[1]])),
        }

    def forward(
        self, looks: NDArray[np.float32], one: NDArray[np.intp], other: NDArray[np.intp], values: NDArray[np.float32]
    ) -> Tensor:
        """(P,): log-odds of pairs (one, other) of the segments `looks` (S, D) that differ by `values` (P, K)."""
        embedded = self.embed(self._scaled("embed", torch.from_numpy(looks)))
        a, b = embedded[torch.from_numpy(one)], embedded[torch.from_numpy(other)]
        pairs = torch.cat([torch.from_numpy(values), (a - b).abs(), a + b], dim=1)
        odds: Tensor = self.compare(self._scaled("compare", pairs))[:, 0]
        return odds

    def stored(self) -> dict[str, NDArray[np.float32]]:
        """Weights that take inputs as they are: their scales become part of the first layers."""
        found: dict[str, NDArray[np.float32]] = {}
        for name, layers in (("embed", self.embed), ("compare", self.compare)):
            mean, spread = self._scales[name]
            own = [v.detach().numpy() for v in layers.parameters()]
            weight = own[0] / spread
            values = (weight, own[1] - weight @ mean, *own[2:])
            found |= {f"{name}.{n}": np.ascontiguousarray(v, np.float32) for n, v in enumerate(values)}
        return found

    def _scaled(self, name: str, values: Tensor) -> Tensor:
        mean, spread = (torch.from_numpy(v) for v in self._scales[name])
        return (values - mean) / spread
