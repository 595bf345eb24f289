"""The memory bank: patch features of the references, their augmented copies, and a coreset of a stated size."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import skimage
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tools.errors import InputError, ModelError
from tools.types import RGB

PROJECTED = 96
"""Dimensions in which distances are measured while choosing; a random projection keeps them nearly as they are."""


def k_centre(patches: Tensor, count: int, seed: int = 0) -> Tensor:
    """Indices of `count` patches such that no patch is far from the nearest of them.

    Each next one is the patch that is farthest from those already chosen, which is at most twice as far as the best
    choice of as many could leave any (Gonzalez 1985; for patch memories, Roth et al. 2022, PatchCore, algorithm 1).

    Args:
        patches: (M, C), any device.
        count: of those to choose; all of them where there are no more.
        seed: of the first choice and of the projection.

    Returns:
        int64 (min(count, M),), in the order of choosing.

    >>> import torch
    >>> line = torch.tensor([[0.0], [0.1], [0.2], [9.0], [9.1], [5.0]])
    >>> sorted(k_centre(line, 3).tolist()) in ([0, 4, 5], [1, 4, 5], [2, 4, 5], [0, 3, 5], [2, 3, 5], [1, 3, 5])
    True
    """
    total = len(patches)
    if count >= total:
        return torch.arange(total, device=patches.device)
    draw = torch.Generator().manual_seed(seed)
    points = patches.float()
    if points.shape[1] > PROJECTED:
        projection = torch.randn(points.shape[1], PROJECTED, generator=draw) / PROJECTED**0.5
        points = points @ projection.to(points.device)
    chosen = torch.empty(count, dtype=torch.long, device=points.device)
    at = int(torch.randint(total, (1,), generator=draw))
    nearest = torch.full((total,), torch.inf, device=points.device)
    for number in range(count):
        chosen[number] = at
        nearest = torch.minimum(nearest, (points - points[at]).square().sum(dim=1))
        at = int(nearest.argmax())
    return chosen


SHIFT = 0.02
"""Fraction of the longer side by which a copy is moved."""
TURN = 4.0
"""Degrees by which a copy is turned."""
LIGHT = 0.08
"""Fraction by which a copy is brighter or darker."""


QUARTERS = 4
"""Turns by a quarter until a photo is as it was; its mirror image has as many."""


def turned(grid: Tensor, view: int) -> Tensor:
    """One of the eight ways to lay a square grid: turned by `view` quarters, and mirrored first from 4 on.

    Args:
        grid: (h, w, ...); h and w are exchanged by an odd quarter.
        view: 0 leaves it as it is, up to 7.

    >>> import torch
    >>> turned(torch.tensor([[1, 2], [3, 4]]), 1).tolist(), turned(torch.tensor([[1, 2], [3, 4]]), 4).tolist()
    ([[2, 4], [1, 3]], [[2, 1], [4, 3]])
    """
    quarters, mirrored = view % QUARTERS, view >= QUARTERS
    return torch.rot90(grid.flip(1) if mirrored else grid, quarters, (0, 1))


def laid(image: RGB, views: int) -> list[RGB]:
    """The photo laid in the first so many of the eight ways of `turned`."""
    mirror = image[:, ::-1]
    ways = (np.rot90(mirror if view >= QUARTERS else image, view % QUARTERS) for view in range(views))
    return [np.ascontiguousarray(way) for way in ways]


def augmented(image: RGB) -> Iterator[RGB]:
    """Six copies of a photo, its edge pixels repeated where the frame would be empty."""
    yield _moved(image, SHIFT, SHIFT / 2)
    yield _moved(image, -SHIFT, -SHIFT / 2)
    yield _turned(image, TURN)
    yield _turned(image, -TURN)
    yield _lit(image, 1 + LIGHT)
    yield _lit(image, 1 - LIGHT)


def _moved(image: RGB, right: float, down: float) -> RGB:
    height, width = image.shape[:2]
    longer = max(height, width)
    rows = np.clip(np.arange(height) - round(down * longer), 0, height - 1)
    columns = np.clip(np.arange(width) - round(right * longer), 0, width - 1)
    return np.ascontiguousarray(image[rows[:, None], columns[None, :]])


def _turned(image: RGB, degrees: float) -> RGB:
    turned = skimage.transform.rotate(image, degrees, order=1, mode="edge", preserve_range=True)
    rounded: RGB = np.rint(turned).astype(np.uint8)
    return rounded


def _lit(image: RGB, factor: float) -> RGB:
    lit: RGB = np.clip(np.rint(image * factor), 0, 255).astype(np.uint8)
    return lit


_FORMAT = "looktwice-bank/2"
_TENSORS = ("features", "metric", "usual")


@dataclass(frozen=True, eq=False)
class Bank:
    """What a patch memory knows of good parts."""

    features: Tensor
    """float32 (K, h, w, C): patches of unit length of K pictures, which are the references without repetition, or
    a single reference and its copies; (1, 1, M, C) where M were chosen out of more than memory holds."""
    metric: Tensor
    """float32 (C, C): patches are multiplied by it before they are compared."""
    usual: Tensor
    """float32, one for each patch: how far good patches like it lie from the nearest good one."""
    references: tuple[str, ...]
    """Digest of each reference, in the order given."""
    left_out: tuple[float, ...]
    """Raw image score of each reference against the others, in the same order."""
    model: str
    """Digest of the model that made the features."""
    side: int | None
    """Input side in pixels that was asked for; None where the model's own was used."""
    recipe: str
    """How the memory was made, as `MemoryOptions` says it."""

    @cached_property
    def known(self) -> Tensor:
        """The patches as they are compared, (M, C)."""
        return self.features.flatten(0, 2) @ self.metric

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of everything in the bank."""
        told = [_FORMAT, self.references, self.left_out, self.model, self.side, self.recipe, list(self.features.shape)]
        content = hashlib.sha256(json.dumps(told).encode())
        for name in _TENSORS:
            content.update(getattr(self, name).detach().cpu().contiguous().numpy().tobytes())
        return content.hexdigest()

    def save(self, path: Path) -> None:
        """Writes one safetensors file.

        Raises:
            InputError: the file cannot be written.
        """
        told = {
            "format": _FORMAT,
            "references": json.dumps(self.references),
            "left_out": json.dumps(self.left_out),
            "model": self.model,
            "side": json.dumps(self.side),
            "recipe": self.recipe,
            "digest": self.digest,
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file({name: getattr(self, name).detach().cpu().contiguous() for name in _TENSORS}, path, told)
        except (OSError, SafetensorError) as error:
            raise InputError(
                f"{path}: the bank cannot be written ({error}); choose a folder that you may write to."
            ) from error

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Bank:
        """Reads a bank that `save` wrote; nothing in the file is executed.

        Raises:
            InputError: no such file, or one that is no bank.
            ModelError: the content is not what was written.
        """
        try:
            with safe_open(path, framework="pt", device=device) as file:
                told = file.metadata() or {}
                features, metric, usual = (file.get_tensor(name) for name in _TENSORS)
            if told["format"] != _FORMAT:
                raise KeyError("format")
            references, left_out, side = (json.loads(told[key]) for key in ("references", "left_out", "side"))
            recipe = told["recipe"]
            bank = cls(features, metric, usual, tuple(references), tuple(left_out), told["model"], side, recipe)
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise InputError(
                f"{path}: no bank can be read from it ({error}); learn the product from its references again."
            ) from error
        if bank.digest != told.get("digest"):
            raise ModelError(f"{path}: the bank was changed after it was made; learn the product again.")
        return bank
