"""When memory runs out: smaller batches, then lighter forms of a model, each step said once, never a loop."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from tools.errors import ModelError
from tools.models.loading import Loaded, load_model
from tools.profiles.specification import Limits, ModelSpec, Role

SHARE = 0.6
"""Of a GPU's free memory, what the weights of a model that is spread may take; the rest is for what it computes."""
_T = TypeVar("_T")
_R = TypeVar("_R")
_log = logging.getLogger("looktwice")


@dataclass(frozen=True)
class Rung:
    """One form in which a checkpoint may be loaded."""

    spec: ModelSpec
    device: str
    said: str
    """Such as "in 4 bits"; empty for the form that the profile asks for."""


class AdaptiveBatch:
    """How many things go through a model at once; halved for good when memory runs out."""

    def __init__(self, size: int) -> None:
        self.size = size

    def over(self, items: Sequence[_T], run: Callable[[Sequence[_T]], _R]) -> Iterator[_R]:
        """What `run` gives for one batch after the other.

        Raises:
            ModelError: there is too little memory even for one item.
        """
        start = 0
        while start < len(items):
            chunk = items[start : start + self.size]
            try:
                result = run(chunk)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                if len(chunk) == 1:
                    raise ModelError(
                        "there is too little memory for a single photo; take another --device, or a smaller profile."
                    ) from error
                self.size = len(chunk) // 2
                free()
                _log.warning("memory ran out: %d photos at once from here on", self.size)
                continue
            start += len(chunk)
            yield result


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, of a GPU or of the machine, has run out."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def gpu_gib() -> float | None:
    """Memory of the first CUDA device, or None without one."""
    if not torch.cuda.is_available():
        return None
    return float(torch.cuda.get_device_properties(0).total_memory) / 2**30


def free() -> None:
    """Gives back what nothing holds any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def ladder(spec: ModelSpec, role: Role, device: str) -> list[Rung]:
    """The forms in which a checkpoint may be loaded, from that which its profile asks for to the lightest.

    A language model, the largest of all, is quantised, then spread over GPU and memory, before it goes to the CPU;
    the others go there at once.
    """
    rungs = [Rung(spec, device, "")]
    lean = spec.model_copy(update={"quantisation": None, "limits": None})
    if role == "vlm" and spec.quantisation != "4bit" and spec.limits is None:
        rungs.append(Rung(lean.model_copy(update={"quantisation": "4bit"}), device, "in 4 bits"))
    if device != "cpu":
        if role == "vlm" and spec.limits is None:
            spread = lean.model_copy(update={"limits": Limits(gpu_gib=_room(device))})
            rungs.append(Rung(spread, device, "partly in the machine's memory, which is slow"))
        rungs.append(Rung(lean, "cpu", "on the CPU, which is slow"))
    return rungs


def load_lightest_needed(rungs: list[Rung], role: Role) -> tuple[Loaded, list[Rung]]:
    """Loads the first form that there is memory for; says so where it is not the first.

    Returns:
        The model, and the lighter forms that are left.

    Raises:
        ModelError: there is memory for none, or the checkpoint cannot be loaded.
    """
    for number, rung in enumerate(rungs):
        try:
            loaded = load_model(rung.spec, role, rung.device)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            free()
            continue
        if rung.said:
            _log.warning("memory ran out: the %s is loaded %s", role, rung.said)
        return loaded, rungs[number + 1 :]
    raise ModelError(f"there is too little memory for the {role}, whatever its form; take a smaller profile.")


def _room(device: str) -> float:
    """GiB of a GPU that the weights of a model that is spread may take."""
    if not device.startswith("cuda") or not torch.cuda.is_available():
        return 1.0
    return max(0.1, SHARE * torch.cuda.mem_get_info(device)[0] / 2**30)
