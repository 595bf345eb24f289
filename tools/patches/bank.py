"""The patch features of good parts, in memory and on disk."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tools.errors import InputError, ModelError

if TYPE_CHECKING:
    from torch import Tensor

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
        from safetensors import SafetensorError
        from safetensors.torch import save_file

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
        from safetensors import SafetensorError, safe_open

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
