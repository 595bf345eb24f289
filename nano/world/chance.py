"""Random numbers and noise that are the same on every machine: named streams from a seed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
"""A value for each pixel of a sheet, (H, W); float32 throughout, which NumPy's stubs cannot follow."""

T = TypeVar("T")


class Chance:
    """A named stream of random choices; a fork is independent of how much its parent has drawn.

    >>> Chance("tray", 1, 2).uniform(0, 1) == Chance("tray", 1, 2).uniform(0, 1)
    True
    """

    def __init__(self, *key: object) -> None:
        self._key = "/".join(str(part) for part in key)
        digest = hashlib.sha256(self._key.encode()).digest()
        self._random = random.Random(int.from_bytes(digest[:16], "big"))
        self._bits = int.from_bytes(digest[16:], "big")

    def fork(self, *name: object) -> Chance:
        """An independent stream below this one."""
        return Chance(self._key, *name)

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self._random.random()

    def integer(self, low: int, high: int) -> int:
        """A whole number in [low, high], both included."""
        return self._random.randint(low, high)

    def choice(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self._random.randrange(len(items))]

    def happens(self, probability: float) -> bool:
        """True that often."""
        return self._random.random() < probability

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in another order."""
        return self._random.sample(list(items), len(items))

    def sign(self) -> float:
        """Minus one or plus one."""
        return 1.0 if self._random.random() < 0.5 else -1.0

    def grain(self, *shape: int) -> NDArray[np.uint8]:
        """Uniform noise bytes of that shape; raw generator words, which no processor rounds otherwise."""
        count = 1
        for side in shape:
            count *= side
        self._bits += 1
        words = np.random.PCG64(self._bits).random_raw((count + 7) // 8)
        return words.astype("<u8").view(np.uint8)[:count].reshape(shape)

    def grid(self, rows: int, columns: int) -> Field:
        """Noise in [-1, 1) on a small grid, (rows, columns)."""
        return self.grain(rows, columns).astype(np.float32) / np.float32(128) - np.float32(1)
