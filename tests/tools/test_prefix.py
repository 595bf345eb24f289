"""What a language model has run of a photo is kept: a further question runs its own words and says the same."""

import logging

import numpy as np
import pytest
import torch
from checkpoints import CHAT, character_tokenizer, plate

from evals.benches.full_size import random_onevision
from tools.models.loading import Loaded
from tools.profiles import ModelSpec
from tools.vlm import LocalVLM, Turn

KINDS = ["llava", "qwen_vl", "onevision", "pair of llava"]
WORDS = ["What is it?", "What is wrong with it?", "Is it good?"]


@pytest.fixture(scope="module")
def large():
    return random_onevision("cpu", small=True)


@pytest.fixture
def loaded_as(loaded, large):
    return lambda kind: large if kind == "onevision" else loaded(kind.split()[-1])


def asked(kind, text):
    return [Turn("user", text, images=2 if kind.startswith("pair") else 1)]


def photos(kind, seed=0):
    return [plate(seed + n, (48, 40)) for n in range(2 if kind.startswith("pair") else 1)]


class Counted:
    """Tokens that the language model ran, and photos that the vision tower did."""

    def __init__(self, model):
        self.tokens, self.pictures = [], 0
        base = model.model
        tower = getattr(base, "vision_tower", None) or base.visual
        self.hooks = [
            base.language_model.register_forward_pre_hook(self._language, with_kwargs=True),
            tower.register_forward_pre_hook(self._vision),
        ]

    def _language(self, _module, _args, kwargs):
        self.tokens.append(kwargs["inputs_embeds"].shape[1])

    def _vision(self, *_):
        self.pictures += 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for hook in self.hooks:
            hook.remove()


@pytest.mark.parametrize("kind", KINDS)
def test_a_further_question_runs_its_own_words_alone_and_says_the_same(loaded_as, kind):
    model = loaded_as(kind)
    vlm = LocalVLM(model)
    vlm.yes_no(photos(kind), asked(kind, WORDS[0]))
    vlm.yes_no(photos(kind, 5), asked(kind, WORDS[0]))
    for text in WORDS[1:]:
        with Counted(model.model) as ran:
            kept = vlm.yes_no(photos(kind), asked(kind, text))
        assert ran.pictures == 0
        assert sum(ran.tokens) < 130
        assert len(ran.tokens) == 1
        assert kept == pytest.approx(LocalVLM(model).yes_no(photos(kind), asked(kind, text)), abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_both_phrasings_go_through_in_one_pass(loaded_as, kind):
    model = loaded_as(kind)
    conversations = [asked(kind, text) for text in WORDS]
    with Counted(model.model) as ran:
        together = LocalVLM(model).yes_no_each(photos(kind), conversations)
    assert len(ran.tokens) == 2
    apart = [LocalVLM(model).yes_no(photos(kind), turns) for turns in conversations]
    assert together == pytest.approx(apart, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_the_same_whether_or_not_the_photo_was_seen_before(loaded_as, kind):
    model = loaded_as(kind)
    vlm = LocalVLM(model)
    vlm.answer(photos(kind), asked(kind, WORDS[0]), max_new_tokens=4)
    again = vlm.answer(photos(kind), asked(kind, WORDS[1]), max_new_tokens=8)
    assert again == LocalVLM(model).answer(photos(kind), asked(kind, WORDS[1]), max_new_tokens=8)


@pytest.mark.parametrize("kind", ["llava", "onevision"])
def test_the_next_turn_goes_on_from_what_was_said(loaded_as, kind):
    model = loaded_as(kind)
    vlm = LocalVLM(model)
    said = vlm.answer(photos(kind), asked(kind, WORDS[0]), max_new_tokens=4)
    talk = [*asked(kind, WORDS[0]), Turn("assistant", said), Turn("user", "Why?")]
    with Counted(model.model) as ran:
        p = vlm.yes_no(photos(kind), talk)
    assert ran.pictures == 0
    assert p == pytest.approx(LocalVLM(model).yes_no(photos(kind), talk), abs=1e-5)


def test_a_photo_in_another_place_of_a_conversation_is_not_encoded_again(loaded):
    model = loaded("llava")
    vlm, (first, second) = LocalVLM(model), photos("pair of llava")
    vlm.yes_no([first, second], asked("pair of llava", WORDS[0]))
    with Counted(model.model) as ran:
        turned = vlm.yes_no([second, first], asked("pair of llava", WORDS[0]))
    assert ran.pictures == 0
    alone = LocalVLM(model).yes_no([second, first], asked("pair of llava", WORDS[0]))
    assert turned == pytest.approx(alone, abs=1e-5)


def test_another_photo_is_not_taken_for_the_one_that_is_kept(loaded):
    vlm = LocalVLM(loaded("llava"))
    dark, light = (np.full((32, 32, 3), v, np.uint8) for v in (0, 255))
    vlm.yes_no([dark], asked("llava", WORDS[0]))
    kept = vlm.yes_no([light], asked("llava", WORDS[0]))
    assert kept == pytest.approx(LocalVLM(loaded("llava")).yes_no([light], asked("llava", WORDS[0])), abs=1e-6)


def test_memory_is_bounded(loaded):
    vlm = LocalVLM(loaded("llava"))
    sizes = []
    for seed in range(10):
        vlm.yes_no([plate(seed, (40, 40))], asked("llava", WORDS[0]))
        sizes.append(vlm._prefixes.bytes)
    assert len(vlm._prefixes._stems) == 4
    assert sizes[-1] == sizes[3]
    assert len(vlm._prefixes.sight._kept) <= 16


def sliding():
    """A LLaVA whose language model looks back eight tokens only."""
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        MistralConfig,
    )

    tokenizer = character_tokenizer()
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8
    )
    text = MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        sliding_window=8,
        max_position_embeddings=512,
        eos_token_id=tokenizer.eos_token_id,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )
    torch.manual_seed(0)
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=CHAT,
        num_additional_image_tokens=1,
    )
    model = LlavaForConditionalGeneration(config).eval()
    return Loaded(model, processor, "cpu", torch.float32, "random", "sliding", ModelSpec(source="sliding"))


def test_a_sliding_window_is_run_again_and_that_is_said_once(caplog):
    model = sliding()
    vlm = LocalVLM(model)
    with caplog.at_level(logging.WARNING):
        found = [vlm.yes_no(photos("llava"), asked("llava", text)) for text in WORDS]
        said = vlm.answer(photos("llava"), asked("llava", WORDS[0]), max_new_tokens=4)
    assert len([r for r in caplog.records if "cannot be cut" in r.message]) == 1
    assert found == [LocalVLM(model).yes_no(photos("llava"), asked("llava", text)) for text in WORDS]
    assert said == LocalVLM(model).answer(photos("llava"), asked("llava", WORDS[0]), max_new_tokens=4)
