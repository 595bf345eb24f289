"""The vlm: greedy answers, and likelihoods that equal those computed token by token."""

import math

import numpy as np
import pytest
import torch
from checkpoints import plate
from PIL import Image

from tools.errors import InputError, ModelError
from tools.vlm import LocalVLM, Turn, debias

QUESTION = [Turn("user", "What is it?", images=1)]
TALK = [Turn("user", "Look.", 1), Turn("assistant", "I see."), Turn("user", "And beside it?", 1)]
WORDS = [Turn("user", "Just words?")]
OPTIONS = ["bolt", "a metal nut", "no"]


@pytest.fixture(scope="module")
def vlm(loaded):
    return LocalVLM(loaded("llava"))


def prompt_of(loaded, images, turns):
    """What the model's own processor makes of a conversation."""
    shown = (Image.fromarray(image) for image in images)
    messages = [
        {
            "role": t.role,
            "content": [{"type": "image", "image": next(shown)} for _ in range(t.images)]
            + [{"type": "text", "text": t.text}],
        }
        for t in turns
    ]
    return loaded.processor.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )


def log_probabilities(loaded, images, turns, text=""):
    """(L, V) at each place of prompt and text, in one pass: no cache, no batch; and the text's tokens."""
    inputs = prompt_of(loaded, images, turns)
    ids = loaded.processor.tokenizer(text, add_special_tokens=False).input_ids
    whole = torch.cat([inputs["input_ids"], torch.tensor([ids], dtype=torch.long)], dim=1)
    kinds = {k: v for k, v in inputs.items() if k not in ("input_ids", "attention_mask", "mm_token_type_ids")}
    if "mm_token_type_ids" in inputs:
        kinds["mm_token_type_ids"] = torch.nn.functional.pad(inputs["mm_token_type_ids"], (0, len(ids)))
    with torch.inference_mode():
        logits = loaded.model(input_ids=whole, attention_mask=torch.ones_like(whole), **kinds).logits[0]
    return torch.log_softmax(logits.double(), dim=-1), ids


def by_hand(loaded, images, turns, text):
    """Log-likelihood of a text after the prompt."""
    told, ids = log_probabilities(loaded, images, turns, text)
    start = len(told) - len(ids)
    return sum(float(told[start + n - 1, token]) for n, token in enumerate(ids))


@pytest.mark.parametrize("kind", ["llava", "qwen_vl"])
@pytest.mark.parametrize(("turns", "count"), [(QUESTION, 1), (TALK, 2), (WORDS, 0)])
def test_probabilities_of_options_equal_the_likelihoods_computed_by_hand(loaded, kind, turns, count):
    images = [plate(n, (32, 40)) for n in range(count)]
    vlm = LocalVLM(loaded(kind))
    # A photo before, since a model may remember where the last one lay.
    vlm.yes_no([plate(9, (40, 32))], QUESTION)
    found = vlm.choose(images, turns, OPTIONS)
    # Spelled with and without a leading space, since the prompt ends in a colon.
    spelled = [[by_hand(loaded(kind), images, turns, form + o) for form in ("", " ")] for o in OPTIONS]
    weights = [sum(math.exp(v) for v in forms) for forms in spelled]
    assert list(found) == OPTIONS
    for option, weight in zip(OPTIONS, weights, strict=True):
        assert math.log(found[option]) == pytest.approx(math.log(weight / sum(weights)), abs=1e-3)


def test_per_token_compares_mean_log_likelihoods(vlm, loaded):
    images = [plate(0, (32, 40))]
    found = vlm.choose(images, QUESTION, OPTIONS, per_token=True)
    means = [max(by_hand(loaded("llava"), images, QUESTION, f + o) / len(f + o) for f in ("", " ")) for o in OPTIONS]
    weights = [math.exp(m) for m in means]
    assert list(found.values()) == pytest.approx([w / sum(weights) for w in weights], rel=1e-3)


def test_yes_is_weighed_against_no_over_all_their_forms(vlm, loaded):
    images = [plate(0, (32, 40))]
    weight = {
        word: sum(math.exp(by_hand(loaded("llava"), images, QUESTION, f + word)) for f in ("", " "))
        for word in ("Yes", "yes", "No", "no")
    }
    expected = (weight["Yes"] + weight["yes"]) / sum(weight.values())
    assert vlm.yes_no(images, QUESTION) == pytest.approx(expected, rel=1e-3)


def test_likelihoods_over_the_vocabulary_are_made_for_no_more_of_the_prompt_than_its_end(vlm, loaded):
    """A photo of several thousand tokens times a vocabulary of 150,000 would be gigabytes."""
    lengths = []
    head = loaded("llava").model.lm_head
    hook = head.register_forward_hook(lambda _module, _given, made: lengths.append(made.shape[1]))
    try:
        vlm.choose([plate(0)], QUESTION, OPTIONS)
    finally:
        hook.remove()
    rows = [form + option for option in OPTIONS for form in ("", " ")]
    assert lengths == [1, len({row[:n] for row in rows for n in range(len(row))})]


def test_the_photo_matters(vlm):
    dark, light = (np.full((32, 32, 3), v, np.uint8) for v in (0, 255))
    assert vlm.yes_no([dark], QUESTION) != pytest.approx(vlm.yes_no([light], QUESTION), rel=1e-4)


def test_the_order_of_photos_matters(vlm):
    first, second = (np.full((32, 32, 3), v, np.uint8) for v in (0, 255))
    ahead, behind = (vlm.choose(p, TALK, OPTIONS) for p in ([first, second], [second, first]))
    assert ahead != pytest.approx(behind, rel=1e-4)


def test_the_same_question_gets_the_same_answer(vlm, loaded):
    said = [vlm.answer([plate(0)], QUESTION, max_new_tokens=6) for _ in range(2)]
    assert said[0] == said[1]
    assert "What is it" not in said[0]


def test_the_answer_is_what_is_likeliest(vlm, loaded):
    told, _ = log_probabilities(loaded("llava"), [plate(0)], QUESTION)
    likeliest = loaded("llava").processor.tokenizer.decode([int(told[-1].argmax())], skip_special_tokens=True)
    assert vlm.answer([plate(0)], QUESTION, max_new_tokens=1) == likeliest.strip()


def test_large_photos_are_scaled_down_to_the_limit(loaded):
    vlm = LocalVLM(loaded("llava"), image_size=64)
    assert max(vlm._fitted(plate(0, (300, 100))).size) == 64
    assert vlm._fitted(plate(0, (40, 50))).size == (50, 40)


def test_photos_and_turns_must_agree(vlm):
    with pytest.raises(InputError, match="show 1 photos, but 0"):
        vlm.answer([], QUESTION)
    with pytest.raises(InputError, match="last turn"):
        vlm.yes_no([], [Turn("user", "a"), Turn("assistant", "b")])
    with pytest.raises(InputError, match="last turn"):
        vlm.answer([], [])


@pytest.mark.parametrize("options", [[], ["a", "a"], ["a", " "]])
def test_options_must_differ_and_say_something(vlm, options):
    with pytest.raises(InputError, match="options"):
        vlm.choose([plate(0)], QUESTION, options)


def test_a_processor_without_a_chat_template_is_refused(loaded):
    from dataclasses import replace
    from types import SimpleNamespace

    with pytest.raises(ModelError, match="chat_template"):
        LocalVLM(replace(loaded("llava"), processor=SimpleNamespace(chat_template=None)))


def test_debiasing_takes_out_what_a_good_part_gets_too():
    assert debias(0.95, 0.95) == pytest.approx(0.5)
    assert debias(0.3, 0.1) > 0.5
    assert debias(0.3, 0.5) == pytest.approx(0.3)
    assert 0 < debias(0.0, 1.0) < debias(1.0, 0.0) < 1
