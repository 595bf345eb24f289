"""Linear layers and convolutions give the same whichever library multiplies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.nn import functional

from tools.anomaly.clip_features import embed
from tools.models import onednn as room
from tools.models.onednn import QuickConv2d, QuickLinear, linear, quicken


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


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("form", [(1, 1, 0, 1), (3, 2, 1, 1), (3, 1, 2, 4)], ids=["pointwise", "strided", "grouped"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_quickened_convolution_gives_what_it_gave(form: tuple[int, int, int, int], threads: int) -> None:
    kernel, stride, padding, groups = form
    torch.manual_seed(0)
    model = (
        nn.Sequential(nn.Conv2d(8, 12, kernel, stride, padding, groups=groups))
        .eval()
        .requires_grad_(requires_grad=False)
    )
    x, used = torch.randn(3, 8, 17, 19), torch.get_num_threads()
    before = model(x)
    quicken(model)
    torch.set_num_threads(threads)
    try:
        assert isinstance(model[0], QuickConv2d) == room.onednn_convolves()
        assert torch.allclose(model(x), before, atol=1e-5)
        assert torch.allclose(model(x.contiguous(memory_format=torch.channels_last)), before, atol=1e-5)
    finally:
        torch.set_num_threads(used)


def test_a_quickened_convolution_still_learns() -> None:
    model = nn.Conv2d(4, 4, 1)
    model.__class__ = QuickConv2d
    model(torch.ones(1, 4, 5, 5)).sum().backward()
    assert torch.allclose(model.weight.grad, torch.full((4, 4, 1, 1), 25.0))


def test_a_residual_tower_is_read_as_open_clip_reads_it() -> None:
    from open_clip.modified_resnet import ModifiedResNet

    torch.manual_seed(0)
    tower = ModifiedResNet((1, 1, 1, 1), 24, heads=4, image_size=64, width=8).eval()
    pixels = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(embed(tower, pixels).whole, tower(pixels), atol=1e-5)
