"""Narrators of published sizes with random weights: speed does not depend on what they have learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tools.loading import Loaded

SEED = 0


def random_onevision(device: str = "cpu", *, small: bool = False) -> Loaded:
    """A narrator of the size of llava-onevision-qwen2-0.5b-ov with random weights, and a tokenizer of bytes.

    24 layers of width 896 with 14 heads (2 for keys) and a vocabulary of 151,647 (Qwen2 0.5 B) behind SigLIP so400m of
    26 used layers of width 1152 at 384 pixels, as the published configuration states; up to ten tiles a photo.
    """
    import torch
    from transformers import (
        LlavaOnevisionConfig,
        LlavaOnevisionForConditionalGeneration,
        LlavaOnevisionImageProcessor,
        LlavaOnevisionProcessor,
        LlavaOnevisionVideoProcessor,
        Qwen2Config,
        SiglipVisionConfig,
    )

    from prompts import load_yaml
    from tools.loading import Loaded
    from tools.profiles.spec import ModelSpec

    tokenizer = byte_tokenizer()
    side, width, heads, layers = (28, 32, 2, 2) if small else (384, 896, 14, 24)
    text = Qwen2Config(
        vocab_size=len(tokenizer) if small else 151647, hidden_size=width, num_hidden_layers=layers,
        intermediate_size=4 * width if small else 4864, num_attention_heads=heads, num_key_value_heads=heads // 7 or 1,
        max_position_embeddings=32768, tie_word_embeddings=True, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    vision = SiglipVisionConfig(
        hidden_size=32 if small else 1152, intermediate_size=64 if small else 4304,
        num_hidden_layers=2 if small else 26, num_attention_heads=2 if small else 16, image_size=side, patch_size=14,
        vision_use_head=False,
    )  # fmt: skip
    pins = [[side * a, side * b] for a in (1, 2, 3) for b in (1, 2, 3)]
    config = LlavaOnevisionConfig(
        vision_config=vision, text_config=text, image_grid_pinpoints=pins, vision_feature_layer=-1,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"), vision_aspect_ratio="anyres_max_9",
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
    )  # fmt: skip
    torch.manual_seed(SEED)
    model = LlavaOnevisionForConditionalGeneration(config).eval().requires_grad_(requires_grad=False)
    patches = side // 14
    images = LlavaOnevisionImageProcessor(size={"height": side, "width": side}, image_grid_pinpoints=pins)
    processor = LlavaOnevisionProcessor(
        image_processor=images, video_processor=LlavaOnevisionVideoProcessor(), tokenizer=tokenizer,
        num_image_tokens=patches**2, vision_feature_select_strategy="full", vision_aspect_ratio="anyres_max_9",
        chat_template=str(load_yaml("bench")["chat_template"]),
    )  # fmt: skip
    name = "llava-onevision-0.5b (random)"
    return Loaded(model.to(device), processor, device, torch.float32, "random", name, ModelSpec(source=name))


def byte_tokenizer() -> Any:
    """A token a byte, with the marks that a narrator needs; speed does not depend on the words."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(
        models.BPE({letter: n for n, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, [])
    )
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made)
    marks = [AddedToken(mark, special=True, normalized=False) for mark in ("<image>", "<video>")]
    tokenizer.add_special_tokens(
        {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "additional_special_tokens": marks}
    )
    return tokenizer
