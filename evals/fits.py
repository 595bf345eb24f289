"""What of a profile fits which memory: weights in several forms, measured where models are loaded, else computed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path

from tools.checkpoint import locate, weight_files
from tools.errors import InputError, ModelError
from tools.loading import HALVED
from tools.profiles import Profile, Role
from tools.profiles.spec import Roles

GPUS = (8, 12, 16, 24, 48, 80)
"""Memory of common GPUs in GiB."""
SPARE, SPARE_GIB = 1.2, 1.0
"""What a model computes comes on top of its weights: a fifth of them and 1 GiB, a rule of thumb."""
BYTES = {"float32": 4.0, "bfloat16": 2.0, "8bit": 1.0, "4bit": 0.5 + 1 / 64 + 4 / (64 * 256)}
"""Bytes of a weight; of 4 bits with one scale of 8 bits in 64 weights, and one of 32 bits in 256 scales (QLoRA, 3)."""
FORMS = ("float32", "bfloat16", "8bit", "4bit")
"""Forms of the narrator; scorer and features are in bfloat16 beside all but the first, the others in float32."""


@dataclass(frozen=True)
class Weights:
    """How many weights one checkpoint has."""

    role: Role
    source: str
    matrices: int
    """In the linear layers that are quantised."""
    others: int

    def gib(self, form: str) -> float:
        """GiB of its weights in one of `FORMS` of the profile."""
        if self.role == "narrator":
            rest = "float32" if form == "float32" else "bfloat16"
            return (self.matrices * BYTES[form] + self.others * BYTES[rest]) / 2**30
        kept = "bfloat16" if form != "float32" and self.role in HALVED else "float32"
        return (self.matrices + self.others) * BYTES[kept] / 2**30


def profile_weights(profile: Profile) -> list[Weights]:
    """The weights of each role's own checkpoint, from its files where they lie here, else from its known architecture.

    A checkpoint of which neither is there is left out.
    """
    found = []
    for name in Roles.model_fields:
        role: Role = name  # type: ignore[assignment]  # the field names are the roles
        if not getattr(getattr(profile.roles, name), "source", ""):
            continue
        spec = profile.role(role)
        try:
            matrices, others = _counted(_of_files(locate(spec)))
        except ModelError:
            try:
                matrices, others = _counted(_of_architecture(spec.source))
            except InputError:
                continue
        found.append(Weights(role, getattr(profile.roles, name).source, matrices, others))
    return found


def smallest_gpu(gib: float) -> int | None:
    """The smallest of `GPUS` that holds weights and what is computed; None where none does.

    >>> smallest_gpu(3.5), smallest_gpu(16.0), smallest_gpu(100.0)
    (8, 24, None)
    """
    needed = gib * SPARE + SPARE_GIB
    return next((size for size in GPUS if needed <= size), None)


def _counted(tensors: Iterable[tuple[str, tuple[int, ...]]]) -> tuple[int, int]:
    """Weights of matrices that bitsandbytes quantises, and of all else."""
    matrices = others = 0
    for name, shape in tensors:
        quantised = (
            len(shape) == 2 and name.endswith(".weight") and not any(part in name for part in ("embed", "lm_head"))
        )
        matrices += prod(shape) * quantised
        others += prod(shape) * (not quantised)
    return matrices, others


def _of_files(folder: Path) -> Iterable[tuple[str, tuple[int, ...]]]:
    from safetensors import safe_open

    for path in weight_files(folder):
        with safe_open(path, framework="pt") as file:
            yield from ((name, tuple(file.get_slice(name).get_shape())) for name in list(file.keys()))


def _of_architecture(source: str) -> Iterable[tuple[str, tuple[int, ...]]]:
    from evals.benches.full_size import shapes

    return shapes(source)
