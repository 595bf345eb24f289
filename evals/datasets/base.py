"""What every data set gives: categories with references and labelled cases."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Literal, TypeVar

from evals.metrics.region import TruthRegion
from tools.types import Mask, Sample

Label = Literal["good", "logical", "structural"]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Case:
    """One labelled photo; pixels are read when they are asked for."""

    id: str
    """Unique within its category; the key by which a run resumes."""
    label: Label
    photo: Callable[[], Sample]
    truth: Callable[[], Mask | None]
    """Which pixels are anomalous, (H, W); None where the data set does not say."""
    regions: Callable[[], tuple[TruthRegion, ...]] = lambda: ()
    """Each defect with how much of it must be found; empty where the data set does not say."""


@dataclass(frozen=True, eq=False)
class Category:
    """One product of a data set."""

    name: str
    product: str
    """Noun phrase that models are told."""
    normal: str
    """What good means, in words; may be empty."""
    references: Callable[[int, int], list[Sample]]
    """(shots, seed) -> that many photos of good ones, never among the cases."""
    cases: tuple[Case, ...]


def choose(items: Sequence[T], count: int, seed: int) -> list[T]:
    """The same `count` items for the same seed, in their own order; all of them where there are fewer."""
    if count >= len(items):
        return list(items)
    picked = random.Random(seed).sample(range(len(items)), count)
    return [items[n] for n in sorted(picked)]


def alternating(kinds: list[tuple[Label, str]]) -> list[tuple[Label, str]]:
    """Logical and structural defects in turn, so that a short run has both."""
    logical = [k for k in kinds if k[0] == "logical"]
    structural = [k for k in kinds if k[0] == "structural"]
    if not logical or not structural:
        return kinds
    length = max(len(logical), len(structural))
    pairs = zip(islice(cycle(logical), length), islice(cycle(structural), length), strict=True)
    return [kind for pair in pairs for kind in pair]


def read_photo(path: Path) -> Callable[[], Sample]:
    """Reads a photo when it is asked for."""

    def read() -> Sample:
        from tools.images import load_sample

        return load_sample(path)

    return read


def read_mask(path: Path | None, size_of: Callable[[], Sample]) -> Callable[[], Mask | None]:
    """Reads a mask when it is asked for: anything but 0 is anomalous; without a file nothing is."""

    def read() -> Mask | None:
        import numpy as np
        from PIL import Image

        if path is None:
            return np.zeros(size_of().image.shape[:2], dtype=np.bool_)
        with Image.open(path) as image:
            return np.asarray(image.convert("I")) > 0

    return read


def no_mask() -> None:
    """For data sets without masks."""
