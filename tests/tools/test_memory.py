"""Running out of memory: smaller batches, then lighter forms, each said once, and an end with a sentence."""

import logging

import pytest
import torch
from checkpoints import plate

from tools.anomaly import PatchMemory, PatchScorer
from tools.errors import ModelError
from tools.models import memory
from tools.models.loading import load_model
from tools.models.memory import AdaptiveBatch, Rung, is_out_of_memory, ladder
from tools.profiles import ModelSpec
from tools.profiles.specification import Limits
from tools.vlm import Turn
from tools.vlm.memory_fallback import MemoryFallbackVLM

QUESTION = [Turn("user", "Is it good?", 1)]
SPEC = ModelSpec(source="a/b")


def full(*_, **__):
    raise torch.OutOfMemoryError("CUDA out of memory")


def said(caplog):
    return [r.getMessage() for r in caplog.records if r.name == "looktwice"]


def test_a_batch_is_halved_until_it_fits_and_stays_so(caplog):
    batch, given = AdaptiveBatch(8), []

    def run(items):
        given.append(len(items))
        return full() if len(items) > 3 else list(items)

    with caplog.at_level(logging.WARNING, "looktwice"):
        found = [item for chunk in batch.over(range(7), run) for item in chunk]
    assert found == list(range(7))
    assert given == [7, 3, 3, 1]
    assert batch.size == 3
    assert said(caplog) == ["memory ran out: 3 photos at once from here on"]


def test_a_single_photo_that_does_not_fit_is_said():
    with pytest.raises(ModelError, match="too little memory for a single photo"):
        list(AdaptiveBatch(4).over(range(3), full))


def test_other_errors_pass():
    def broken(_):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        list(AdaptiveBatch(4).over([1], broken))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("x"), True),
        (MemoryError(), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("shapes differ"), False),
        (ValueError("x"), False),
    ],
)
def test_what_running_out_of_memory_looks_like(error, expected):
    assert is_out_of_memory(error) is expected


def test_a_scorer_goes_on_with_fewer_photos_at_once_and_finds_the_same(folder_of, good, monkeypatch):
    found = load_model(ModelSpec(source=str(folder_of("vit_clip"))), "scorer", "cpu")
    expected = PatchScorer(found).encode(good)
    scorer, forward = PatchScorer(found), PatchScorer._embedded_images
    monkeypatch.setattr(
        PatchScorer, "_embedded_images", lambda self, pixels: full() if len(pixels) > 1 else forward(self, pixels)
    )
    encoded = scorer.encode(good)
    torch.testing.assert_close(encoded.whole, expected.whole, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(encoded.patches, expected.patches, atol=1e-5, rtol=1e-4)


def test_a_memory_of_references_goes_on_with_fewer_photos_at_once(folder_of, good, monkeypatch):
    found = load_model(ModelSpec(source=str(folder_of("backbone"))), "features", "cpu")
    expected = PatchMemory(found).encode(good)
    forward = found.model.forward
    monkeypatch.setattr(
        found.model, "forward", lambda pixel_values: full() if len(pixel_values) > 2 else forward(pixel_values)
    )
    torch.testing.assert_close(PatchMemory(found).encode(good), expected, atol=1e-5, rtol=1e-4)


def test_a_vlm_on_a_gpu_is_quantised_then_spread_then_moved_to_the_cpu():
    forms = [(r.device, r.spec.quantisation, r.spec.limits is not None) for r in ladder(SPEC, "vlm", "cuda")]
    assert forms == [("cuda", None, False), ("cuda", "4bit", False), ("cuda", None, True), ("cpu", None, False)]


@pytest.mark.parametrize(
    ("spec", "role", "device", "forms"),
    [
        (SPEC, "vlm", "cpu", [None, "4bit"]),
        (SPEC.model_copy(update={"quantisation": "8bit"}), "vlm", "cpu", ["8bit", "4bit"]),
        (SPEC.model_copy(update={"quantisation": "4bit"}), "vlm", "cpu", ["4bit"]),
        (SPEC.model_copy(update={"limits": Limits(cpu_gib=1)}), "vlm", "cpu", [None]),
        (SPEC, "scorer", "cuda", [None, None]),
        (SPEC, "segmenter", "cpu", [None]),
    ],
)
def test_other_models_have_fewer_forms_and_none_comes_twice(spec, role, device, forms):
    rungs = ladder(spec, role, device)
    assert [r.spec.quantisation for r in rungs] == forms
    assert len({(r.spec, r.device) for r in rungs}) == len(rungs)


def test_loading_takes_the_first_form_that_fits_and_says_so_once(folder_of, monkeypatch, caplog):
    import tools.models.loading

    real, tried = tools.models.loading.load_model, []

    def load(spec, role, device):
        tried.append((spec.quantisation, spec.limits is not None, device))
        return full() if device == "cuda" else real(spec, role, device)

    monkeypatch.setattr(tools.models.memory, "load_model", load)
    rungs = ladder(ModelSpec(source=str(folder_of("llava"))), "vlm", "cuda")
    with caplog.at_level(logging.WARNING, "looktwice"):
        loaded, left = memory.load_lightest_needed(rungs, "vlm")
    assert loaded.device == "cpu"
    assert left == []
    assert len(tried) == len(set(tried)) == 4
    assert said(caplog) == ["memory ran out: the vlm is loaded on the CPU, which is slow"]


def test_loading_that_fits_nowhere_ends_with_a_sentence(monkeypatch):
    import tools.models.loading

    monkeypatch.setattr(tools.models.memory, "load_model", full)
    with pytest.raises(ModelError, match="too little memory for the vlm"):
        memory.load_lightest_needed(ladder(SPEC, "vlm", "cuda"), "vlm")


def test_a_vlm_that_runs_out_while_it_answers_goes_on_in_four_bits(folder_of, monkeypatch, caplog):
    spec = ModelSpec(source=str(folder_of("llava")))
    loaded, held = load_model(spec, "vlm", "cpu"), []
    monkeypatch.setattr(loaded.model, "forward", full)
    vlm = MemoryFallbackVLM(loaded, ladder(spec, "vlm", "cpu")[1:], told=held.append)
    with caplog.at_level(logging.WARNING, "looktwice"):
        assert 0 < vlm.yes_no([plate(0)], QUESTION) < 1
        vlm.answer([plate(0)], QUESTION, 2)
    assert held[0] is None
    assert held[1].spec.quantisation == "4bit"
    assert said(caplog) == ["memory ran out: the vlm is loaded in 4 bits"]


def test_a_vlm_that_always_runs_out_ends_with_a_sentence(folder_of, monkeypatch):
    import tools.models.loading

    spec = ModelSpec(source=str(folder_of("llava")))
    count, real = [], tools.models.loading.load_model

    def load(spec, role, device):
        count.append(device)
        loaded = real(spec, role, device)
        monkeypatch.setattr(loaded.model, "forward", full)
        return loaded

    monkeypatch.setattr(tools.models.memory, "load_model", load)
    lighter = [Rung(spec, "cpu", "so"), Rung(spec, "cpu", "or so")]
    vlm = MemoryFallbackVLM(load(spec, "vlm", "cpu"), lighter)
    with pytest.raises(ModelError, match="too little memory for the language model to answer"):
        vlm.yes_no([plate(0)], QUESTION)
    assert len(count) == 3
