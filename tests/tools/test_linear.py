"""A linear layer gives the same whichever library multiplies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.nn import functional

from tools import linear as room
from tools.linear import QuickLinear, linear, quicken


@pytest.fixture(params=[True, False], ids=["oneDNN", "default"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if request.param and not torch.backends.mkldnn.is_available():
        pytest.skip("this torch was built without oneDNN")
    monkeypatch.setattr(room, "onednn_is_faster", lambda: request.param)
    yield


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("shape", [(3, 40), (200, 40), (4, 50, 40)])
def test_product_bias_and_gelu(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(shape), torch.randn(24, 40), torch.randn(24)
    assert torch.allclose(linear(x, weight, bias), functional.linear(x, weight, bias), atol=1e-4)
    assert torch.allclose(linear(x, weight), functional.linear(x, weight), atol=1e-4)
    expected = functional.gelu(functional.linear(x, weight, bias))
    assert torch.allclose(linear(x, weight, bias, gelu=True), expected, atol=1e-4)


@pytest.mark.usefixtures("library")
def test_strided_input() -> None:
    x, weight = torch.randn(40, 200).T, torch.randn(24, 80)[:, ::2]
    assert torch.allclose(linear(x, weight), functional.linear(x, weight), atol=1e-4)


@pytest.mark.usefixtures("library")
def test_a_quickened_model_keeps_its_weights_and_answers() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(40, 64), nn.ReLU(), nn.Linear(64, 8)).eval().requires_grad_(requires_grad=False)
    x = torch.randn(100, 40)
    before, names = model(x), list(model.state_dict())
    quicken(model)
    assert isinstance(model[0], QuickLinear) == room.onednn_is_faster()
    assert list(model.state_dict()) == names
    assert torch.allclose(model(x), before, atol=1e-4)


@pytest.mark.usefixtures("library")
def test_gradients_still_flow() -> None:
    x, weight = torch.randn(100, 40), torch.randn(24, 40, requires_grad=True)
    linear(x, weight).sum().backward()
    assert weight.grad is not None
    assert torch.allclose(weight.grad, x.sum(dim=0).expand(24, 40), atol=1e-3)
