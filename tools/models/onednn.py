"""Linear layers and convolutions on processors whose wide vectors torch's default library leaves idle.

torch multiplies float32 matrices on a CPU by MKL, which uses 512-bit vectors on Intel's processors alone; oneDNN,
which torch brings along for convolutions, uses them on others too and is then about twice as fast. Of a process with
one thread, convolutions of 1 x 1 go through MKL too, on any processor, and copy what they multiply; oneDNN does not.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

if TYPE_CHECKING:
    from torch import Tensor

ROWS = 48
"""From so many rows on oneDNN's greater cost of a call is made up for."""


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, gelu: bool = False) -> Tensor:
    """x @ weight.T + bias, and its exact GELU where asked for, by the fastest library; equal up to float32's rounding.

    Args:
        x: (..., C).
        weight: (D, C).
        bias: (D,) or None.
        gelu: passes the result through GELU while it is still in the processor's cache.

    Returns:
        (..., D).

    >>> linear(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]), torch.tensor([0.5])).tolist()
    [[11.5]]
    """
    if _fits(x, weight):
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "gelu" if gelu else "none", [], "none")
        return product
    plain = functional.linear(x, weight, bias)
    return functional.gelu(plain) if gelu else plain


class QuickLinear(nn.Linear):
    """A linear layer that takes the fastest library; only `quicken` makes one."""

    def forward(self, input: Tensor) -> Tensor:
        """(..., in_features) to (..., out_features)."""
        return linear(input, self.weight, self.bias)


class QuickConv2d(nn.Conv2d):
    """A convolution that takes the fastest library; only `quicken` makes one."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D, H', W')."""
        if isinstance(self.padding, str) or not _plain(input, self.weight):
            return super().forward(input)
        found: Tensor = torch.mkldnn_convolution(
            input, self.weight, self.bias, self.padding, self.stride, self.dilation, self.groups
        )
        return found


def quicken(model: nn.Module) -> None:
    """Has every plain linear layer and convolution of a model take the fastest library.

    Values and names of weights stay; those of convolutions are laid out with their channels last, as oneDNN likes them.
    """
    for module in model.modules():
        if type(module) in (nn.Linear, NonDynamicallyQuantizableLinear) and onednn_is_faster():
            module.__class__ = QuickLinear
        elif type(module) is nn.Conv2d and module.padding_mode == "zeros" and onednn_convolves():
            module.__class__ = QuickConv2d
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)


def onednn_convolves() -> bool:
    """Whether this processor has vectors of 512 bit, and torch was built with oneDNN."""
    return torch.backends.cpu.get_cpu_capability() == "AVX512" and bool(torch._C._has_mkldnn)


@lru_cache(maxsize=1)
def onednn_is_faster() -> bool:
    """Whether matrices too are multiplied faster: this processor has such vectors and is not Intel's."""
    about = Path("/proc/cpuinfo")
    if not onednn_convolves() or not about.is_file() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    with about.open(encoding="utf-8") as lines:
        vendor = next((line for line in lines if line.startswith("vendor_id")), "GenuineIntel")
    return "GenuineIntel" not in vendor


def _fits(x: Tensor, weight: Tensor) -> bool:
    return x.numel() >= ROWS * x.shape[-1] and _plain(x, weight) and onednn_is_faster()


def _plain(x: Tensor, weight: Tensor) -> bool:
    """Whether both are float32 on the CPU, and nobody wants gradients of them."""
    if not (x.dtype == weight.dtype == torch.float32 and x.device.type == weight.device.type == "cpu"):
        return False
    return not (torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad))
