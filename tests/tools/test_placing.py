"""Fewer bits and less memory: the quantised is smaller, the spread computes the same, what cannot be is said."""

import math

import pytest
import torch
from checkpoints import plate

from tools.errors import ModelError
from tools.models.loading import load_model
from tools.models.placement import memory_limits, placement
from tools.profiles.specification import Limits, ModelSpec, ScorerSpec
from tools.vlm import LocalVLM, Turn

VLMS = ["llava", "llava_next", "llava_onevision", "qwen_vl", "qwen3_vl", "smolvlm", "internvl"]
QUESTION = [Turn("user", "Is it good?", 1)]


def vlm(folder_of, kind, **how):
    return load_model(ModelSpec(source=str(folder_of(kind)), **how), "vlm", "cpu")


def size(loaded):
    return sum(p.numel() * p.element_size() for p in loaded.model.parameters())


def odds(loaded):
    p = LocalVLM(loaded).yes_no([plate(1, (32, 40))], QUESTION)
    return math.log(p / (1 - p))


@pytest.mark.parametrize("kind", VLMS)
def test_eight_bits_say_nearly_what_all_of_them_say(folder_of, loaded, kind):
    found = vlm(folder_of, kind, quantisation="8bit")
    assert any(p.dtype == torch.int8 for p in found.model.parameters())
    assert size(found) < 0.75 * size(loaded(kind))
    assert odds(found) == pytest.approx(odds(loaded(kind)), abs=0.5)


@pytest.mark.parametrize("kind", VLMS)
def test_four_bits_are_fewer_and_answer_whatever_the_sides_of_the_layers(folder_of, loaded, kind):
    """Random weights of this size hardly survive four bits, so that no more than an answer is asked of them."""
    found = vlm(folder_of, kind, quantisation="4bit")
    assert any(p.dtype == torch.uint8 for p in found.model.parameters())
    assert size(found) < size(vlm(folder_of, kind, quantisation="8bit"))
    assert math.isfinite(odds(found))


@pytest.mark.parametrize("kind", VLMS)
def test_what_does_not_fit_the_memory_allowed_stays_on_disk_and_says_the_same(folder_of, loaded, kind):
    found = vlm(folder_of, kind, limits=Limits(cpu_gib=0.0001))
    assert any(p.is_meta for p in found.model.parameters())
    assert odds(found) == pytest.approx(odds(loaded(kind)), abs=1e-4)


def test_one_line_a_product_of_matrices_is_not_said(folder_of, capfd):
    odds(vlm(folder_of, "llava_onevision", quantisation="8bit"))
    assert "MatMul8bitLt" not in capfd.readouterr().err


def test_four_bits_are_nf4_doubly_quantised_and_multiplied_in_what_the_device_is_good_at():
    for dtype in (torch.float32, torch.bfloat16):
        config = placement(ModelSpec(source="a", quantisation="4bit"), "cpu", dtype)["quantization_config"]
        assert config.bnb_4bit_quant_type == "nf4"
        assert config.bnb_4bit_use_double_quant
        assert config.bnb_4bit_compute_dtype is dtype


def test_limits_name_each_gpu_only_where_the_gpu_is_asked_for(monkeypatch):
    import accelerate.utils

    monkeypatch.setattr(accelerate.utils, "get_max_memory", lambda: {0: 8 * 2**30, 1: 4 * 2**30, "cpu": 16 * 2**30})
    limits = Limits(gpu_gib=6, cpu_gib=10)
    assert memory_limits(limits, "cuda") == {0: 6 * 2**30, 1: 4 * 2**30, "cpu": 10 * 2**30}
    assert memory_limits(limits, "cpu") == {"cpu": 10 * 2**30}
    assert memory_limits(Limits(), "cuda:0")["cpu"] == 16 * 2**30


@pytest.mark.parametrize(
    ("spec", "device", "said"),
    [
        (ModelSpec(source="a", quantisation="4bit", limits=Limits(cpu_gib=1)), "cpu", "do not go together"),
        (ModelSpec(source="a", quantisation="8bit"), "vulkan", "cannot quantise to 8bit on 'vulkan'.*cpu, cuda"),
    ],
)
def test_what_does_not_go_together_is_said(spec, device, said):
    with pytest.raises(ModelError, match=said):
        placement(spec, device, torch.float32)


def test_without_bitsandbytes_the_command_that_installs_it_is_named(folder_of, monkeypatch):
    import tools.models.placement

    monkeypatch.setattr(tools.models.placement, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match="pip install bitsandbytes"):
        vlm(folder_of, "llava", quantisation="4bit")


def test_a_processor_s_missing_package_is_named(folder_of, monkeypatch):
    from transformers import SmolVLMProcessor

    def refuse(*_, **__):
        raise ImportError("Package `num2words` is required; install it with `pip install num2words`.")

    monkeypatch.setattr(SmolVLMProcessor, "__init__", refuse)
    with pytest.raises(ModelError, match=r"not installed.*pip install num2words"):
        vlm(folder_of, "smolvlm")


def test_a_scorer_is_neither_quantised_nor_spread():
    with pytest.raises(ValueError, match="neither quantisation nor limits"):
        ScorerSpec(source="a", limits=Limits(cpu_gib=1))
