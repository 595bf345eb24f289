"""Where a model's weights lie and in how many bits: quantisation, and the spread over GPU, memory and disk."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from transformers import BitsAndBytesConfig

from tools.errors import ModelError
from tools.profiles.specification import Limits, ModelSpec

if TYPE_CHECKING:
    import torch

QUANTISES = ("cpu", "cuda", "xpu", "mps")
"""Kinds of devices on which bitsandbytes multiplies."""

PACKED_ROWS, PACKED_COLUMNS = 32, 64
"""What the sides of a layer of 4 bits must be multiples of, for bitsandbytes' packed path on a CPU."""


def placement(spec: ModelSpec, device: str, dtype: torch.dtype) -> dict[str, Any]:
    """Options of `from_pretrained` for a checkpoint's quantisation and limits; none where it asks for neither.

    Args:
        spec: of the checkpoint.
        device: where it runs, such as "cpu" or "cuda:0".
        dtype: number format of what is not quantised, and of what quantised weights are multiplied in.

    Raises:
        ModelError: bitsandbytes is missing or does not know the device, or what was asked for does not go together.
    """
    options: dict[str, Any] = {}
    if spec.quantisation is not None:
        if spec.limits is not None:
            raise ModelError(
                f"{spec.source}: `quantisation` and `limits` do not go together; leave out one of them in the profile."
            )
        options["quantization_config"] = _bitsandbytes(spec, device, dtype)
        options["device_map"] = {"": device}
    if spec.limits is not None:
        options["device_map"] = "auto"
        options["max_memory"] = memory_limits(spec.limits, device)
    return options


def memory_limits(limits: Limits, device: str) -> dict[int | str, int]:
    """Bytes by device, as accelerate takes them: GPUs by number, then "cpu"; what is in none of them lies on disk."""
    from accelerate.utils import get_max_memory

    free: dict[int | str, int] = get_max_memory()
    found: dict[int | str, int] = {}
    for where, there in free.items():
        limit = limits.cpu_gib if where == "cpu" else limits.gpu_gib
        if where != "cpu" and device == "cpu":
            continue
        found[where] = there if limit is None else min(there, int(limit * 2**30))
    return found


def plain_where_packing_fails(model: Any) -> None:
    """Lets layers of 4 bits whose sides bitsandbytes cannot pack for a CPU take its plain path.

    Its packed path, on CPUs that multiply bfloat16, takes rows by 32 and columns by 64; SigLIP, in LLaVA-OneVision, has
    layers of 4304.
    """
    from bitsandbytes.nn import Linear4bit

    for layer in model.modules():
        if isinstance(layer, Linear4bit) and (layer.out_features % PACKED_ROWS or layer.in_features % PACKED_COLUMNS):
            layer.support_avx512bf16_for_cpu = False


def _bitsandbytes(spec: ModelSpec, device: str, dtype: torch.dtype) -> Any:
    """4 bit is NF4 with double quantisation (Dettmers et al. 2023, QLoRA, section 3)."""
    bits = spec.quantisation
    if find_spec("bitsandbytes") is None:
        raise ModelError(f"quantisation to {bits} needs bitsandbytes; install it by `pip install bitsandbytes`.")
    if device.split(":", maxsplit=1)[0] not in QUANTISES:
        raise ModelError(
            f"{spec.source}: bitsandbytes cannot quantise to {bits} on '{device}'; leave out `quantisation`, or run on "
            f"one of {', '.join(QUANTISES)}."
        )
    if bits == "8bit":
        # It says at each product of matrices that it casts to half precision, hundreds of times a token.
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
