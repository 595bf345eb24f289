"""Writes the state of an inspection as MessagePack and restores nothing but listed types: no pickle, no import."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import ormsgpack
from numpy.typing import NDArray

from agent.evidence.claims import Sentence
from agent.evidence.types import Claim, Evidence, Hypothesis, Look, Option, Verdict
from agent.products.spec import Product
from agent.rules import MeasuredParts
from agent.state import Glance, Request
from tools.describe import Alignment, Attribute, DescribedRegion, RegionDescription
from tools.parts import Explanation, Misfit
from tools.types import AnomalyMap, Box, Measures, Part, Region, Sample

if TYPE_CHECKING:
    from torch import Tensor

TYPES: tuple[type, ...] = (
    Alignment,
    AnomalyMap,
    Attribute,
    Box,
    Claim,
    DescribedRegion,
    Evidence,
    Explanation,
    Glance,
    Hypothesis,
    Look,
    MeasuredParts,
    Measures,
    Misfit,
    Option,
    Part,
    Region,
    RegionDescription,
    Request,
    Sentence,
    Verdict,
)
"""What a state is made of."""
DTYPES = ("|b1", "|u1", "<i8", "<f4", "<f8")
"""Types of arrays, as numpy writes them."""
OPTIONS = (
    ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_NON_STR_KEYS
    | ormsgpack.OPT_REPLACE_SURROGATES
)
TENSORS = ("float32", "float16", "bfloat16", "int64", "uint8", "bool")
"""Types of tensors, as torch writes them."""
_TUPLE, _OBJECT, _ARRAY, _SAMPLE, _PRODUCT, _COMPLEX, _TENSOR = range(7)


class StateSerializer:
    """A serializer of LangGraph for one inspection.

    Photos and the product are written as references: the caller of an inspection gives them again when it resumes.
    """

    def __init__(self, samples: Iterable[Sample], product: Product | None, *, types: tuple[type, ...] = TYPES) -> None:
        """Takes what references stand for.

        Args:
            samples: the photo and the reference photos.
            product: of the inspection; None where it is not known yet.
            types: dataclasses and named tuples that may be written and read.
        """
        self._samples = {sample.digest: sample for sample in samples}
        self.product = product
        self._by_name = {cls.__name__: cls for cls in types}

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """The name of the format, and the bytes.

        Raises:
            TypeError: a type that is not listed.
        """
        return "looktwice-state", self._written(obj)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """What was written.

        Raises:
            ValueError: another format, a type that is not listed, or bytes that do not fit together.
        """
        name, content = data
        if name != "looktwice-state":
            raise ValueError(f"the format is '{name}', not 'looktwice-state'")
        return self._read(content)

    def _written(self, value: Any) -> bytes:
        return ormsgpack.packb(value, default=self._packed, option=OPTIONS)

    def _read(self, content: bytes) -> Any:
        return ormsgpack.unpackb(content, ext_hook=self._unpacked, option=ormsgpack.OPT_NON_STR_KEYS)

    def _packed(self, value: Any) -> Any:
        """What MessagePack has no form for, as an extension."""
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, BaseException | Path):
            return str(value)
        name = type(value).__name__
        if isinstance(value, Sample) and value.digest in self._samples:
            code, content = _SAMPLE, value.digest.encode()
        elif isinstance(value, Product):
            code, content = _PRODUCT, b""
        elif isinstance(value, np.ndarray):
            code, content = _ARRAY, self._written(_array_fields(value))
        elif self._by_name.get(name) is type(value):
            code, content = _OBJECT, self._written([name, _values(value)])
        elif (torch := sys.modules.get("torch")) is not None and isinstance(value, torch.Tensor):
            code, content = _TENSOR, self._written(_tensor_fields(value))
        elif isinstance(value, complex):
            code, content = _COMPLEX, self._written([value.real, value.imag])
        elif type(value) is tuple:
            code, content = _TUPLE, self._written(list(value))
        else:
            raise TypeError(f"a {name} that is not known to the inspection cannot be kept in its store")
        return ormsgpack.Ext(code, content)

    def _unpacked(self, code: int, content: bytes) -> Any:
        """The value of an extension; raises ValueError for what it is not."""
        if code in (_PRODUCT, _SAMPLE):
            found = self.product if code == _PRODUCT else self._samples.get(bytes(content).decode("ascii"))
            if found is None:
                raise ValueError("a photo or a product that is not of this inspection")
            return found
        value = self._read(content) if code in (_TUPLE, _OBJECT, _ARRAY, _COMPLEX, _TENSOR) else None
        if not isinstance(value, list):
            raise ValueError(f"an extension of type {code} that is not known or not whole")
        if code == _TUPLE:
            return tuple(value)
        if code == _ARRAY:
            return _array(*value)
        if code == _TENSOR:
            return _tensor(*value)
        if code == _COMPLEX:
            return complex(*value)
        name, values = value
        if name not in self._by_name:
            raise ValueError(f"a type '{name}' that is not listed")
        return self._by_name[name](**values)


def _values(value: Any) -> dict[str, Any]:
    """The fields of a listed type."""
    names = getattr(value, "_fields", None) or [f.name for f in fields(value)]
    return {name: getattr(value, name) for name in names}


def _array_fields(value: NDArray[Any]) -> list[Any]:
    """Type, shape and bytes; eight Booleans are one byte."""
    if value.dtype.str not in DTYPES:
        raise TypeError(f"an array of {value.dtype} cannot be kept in a store of inspections")
    content = np.packbits(value) if value.dtype == bool else np.ascontiguousarray(value)
    return [value.dtype.str, list(value.shape), content.tobytes()]


def _tensor_fields(value: Tensor) -> list[Any]:
    """Type, shape, device and bytes."""
    name = str(value.dtype).removeprefix("torch.")
    if name not in TENSORS:
        raise TypeError(f"a tensor of {name} cannot be kept")
    plain = value.detach().cpu().contiguous().reshape(-1).view(sys.modules["torch"].uint8)
    return [name, list(value.shape), str(value.device), plain.numpy().tobytes()]


def _tensor(dtype: str, shape: list[int], device: str, content: bytes) -> Tensor:
    """A tensor of its own; raises ValueError where its bytes are of another number than its shape."""
    import torch

    if dtype not in TENSORS:
        raise ValueError(f"a tensor of '{dtype}' is not listed")
    if not content:
        return torch.empty(shape, dtype=getattr(torch, dtype), device=device)
    return torch.frombuffer(bytearray(content), dtype=getattr(torch, dtype)).reshape(shape).to(device)


def _array(dtype: str, shape: list[int], content: bytes) -> NDArray[Any]:
    """An array of its own; raises ValueError where its bytes are of another number than its shape."""
    if dtype not in DTYPES:
        raise ValueError(f"an array of '{dtype}' is not listed")
    if dtype != "|b1":
        return np.frombuffer(content, dtype=dtype).reshape(shape).copy()
    size = math.prod(shape)
    if not 0 <= size <= 8 * len(content) < size + 8:
        raise ValueError("a mask of another size than its bytes")
    return np.unpackbits(np.frombuffer(content, dtype=np.uint8), count=size).astype(bool).reshape(shape)
