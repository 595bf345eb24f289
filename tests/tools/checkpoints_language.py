"""Small random vision-language models of the real classes, with their real processors, for the contract tests."""

from __future__ import annotations

import torch
from checkpoints import CHAT, character_tokenizer

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image>\n{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The template of OneVision, Qwen-VL and InternVL, where the answer begins a line."""
CAPITALISED = (
    "<|im_start|>{% for m in messages %}{{ m['role'] | capitalize }}:{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image>{% else %} {{ c['text'] }}{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""The template of SmolVLM."""
GRID = [[32, 64], [64, 32], [64, 64]]
"""Sizes, (height, width), that models of tiles cut a photo to."""


def tokenizer_with(*marks):
    """Bytes and a model's own marks."""
    tokenizer = character_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>", "<|im_start|>", "<|im_end|>", *marks]})
    return tokenizer


def language(tokenizer, **more):
    """A language model of two layers, as its configuration."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        **more,
    }


def tower(**more):
    """An image tower of two layers at 32 pixels, 4 x 4 patches."""
    return {
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 8,
        **more,
    }


def save(model_class, config, processor, folder):
    """Random weights, sharper than 0.02 makes them, so that likelihoods differ enough to be compared."""
    torch.manual_seed(0)
    model = model_class(config)
    torch.manual_seed(1)
    for name, values in model.named_parameters():
        if values.ndim > 1:
            values.data.mul_(3)
        if getattr(values, "data", None) is not None and not torch.isfinite(values).all():
            values.data.normal_(0, 0.1)
        if name.endswith(("image_newline", "class_embedding", "cls_token", "position_embeddings")):
            values.data.normal_(0, 0.1)
    model.get_output_embeddings().weight.data.mul_(6)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def save_llava_next(folder):
    """A LLaVA-NeXT, which shows a photo whole and in tiles."""
    from transformers import (
        LlavaNextConfig,
        LlavaNextForConditionalGeneration,
        LlavaNextImageProcessor,
        LlavaNextProcessor,
    )

    tokenizer = tokenizer_with()
    config = LlavaNextConfig(
        vision_config={"model_type": "clip_vision_model", **tower()},
        text_config={"model_type": "mistral", **language(tokenizer)},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=GRID,
        vision_feature_layer=-2,
    )
    images = LlavaNextImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}, image_grid_pinpoints=GRID
    )
    processor = LlavaNextProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=CHAT,
        num_additional_image_tokens=1,
    )
    save(LlavaNextForConditionalGeneration, config, processor, folder)


def save_llava_onevision(folder):
    """A LLaVA-OneVision: tiles for one photo, none for several."""
    from transformers import (
        LlavaOnevisionConfig,
        LlavaOnevisionForConditionalGeneration,
        LlavaOnevisionImageProcessor,
        LlavaOnevisionProcessor,
        LlavaOnevisionVideoProcessor,
    )

    tokenizer = tokenizer_with("<video>")
    config = LlavaOnevisionConfig(
        vision_config={"model_type": "siglip_vision_model", "vision_use_head": False, **tower()},
        text_config={"model_type": "qwen2", **language(tokenizer)},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=GRID,
    )
    size = {"height": 32, "width": 32}
    processor = LlavaOnevisionProcessor(
        image_processor=LlavaOnevisionImageProcessor(size=size, image_grid_pinpoints=GRID),
        tokenizer=tokenizer,
        video_processor=LlavaOnevisionVideoProcessor(size=size),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=CHATML,
    )
    save(LlavaOnevisionForConditionalGeneration, config, processor, folder)


def save_qwen3_vl(folder):
    """A Qwen3-VL, which feeds the features of a photo into several layers."""
    from transformers import (
        Qwen2VLImageProcessor,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
        Qwen3VLProcessor,
        Qwen3VLVideoProcessor,
    )

    marks = ["<|vision_start|>", "<|image_pad|>", "<|vision_end|>", "<|video_pad|>"]
    tokenizer = tokenizer_with(*marks)
    start, photo, end, film = (tokenizer.convert_tokens_to_ids(mark) for mark in marks)
    ropes = {"rope_type": "default", "mrope_section": [4, 2, 2], "mrope_interleaved": True, "rope_theta": 10000.0}
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_heads": 2,
        "out_hidden_size": 32,
        "patch_size": 8,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0, 1],
    }
    config = Qwen3VLConfig(
        text_config=language(tokenizer, head_dim=16, rope_parameters=ropes),
        vision_config=vision,
        image_token_id=photo,
        video_token_id=film,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )
    size = {"shortest_edge": 1024, "longest_edge": 4096}
    processor = Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(patch_size=8, size=size),
        tokenizer=tokenizer,
        video_processor=Qwen3VLVideoProcessor(patch_size=8),
        chat_template=CHATML.replace("<image>\n", "".join(marks[:3])),
    )
    save(Qwen3VLForConditionalGeneration, config, processor, folder)


def save_smolvlm(folder):
    """A SmolVLM: rows and columns of tiles, told apart by marks, and the whole photo after them."""
    from transformers import (
        SmolVLMConfig,
        SmolVLMForConditionalGeneration,
        SmolVLMImageProcessor,
        SmolVLMProcessor,
        SmolVLMVideoProcessor,
    )

    places = [f"<row_{row}_col_{column}>" for row in range(1, 4) for column in range(1, 4)]
    tokenizer = tokenizer_with("<fake_token_around_image>", "<end_of_utterance>", "<global-img>", *places)
    config = SmolVLMConfig(
        vision_config=tower(),
        text_config={"model_type": "llama", **language(tokenizer)},
        scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
    )
    images = SmolVLMImageProcessor(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    films = SmolVLMVideoProcessor(
        size={"longest_edge": 64},
        max_image_size={"longest_edge": 32},
        fps=1,
        num_frames=2,
        video_sampling={"fps": 1, "max_frames": 2, "video_size": {"longest_edge": 32}},
    )
    processor = SmolVLMProcessor(
        image_processor=images, tokenizer=tokenizer, video_processor=films, image_seq_len=4, chat_template=CAPITALISED
    )
    save(SmolVLMForConditionalGeneration, config, processor, folder)


def save_internvl(folder):
    """An InternVL: tiles by the photo's shape, each of a quarter of its patches."""
    from transformers import (
        GotOcr2ImageProcessor,
        InternVLConfig,
        InternVLForConditionalGeneration,
        InternVLProcessor,
        InternVLVideoProcessor,
    )

    tokenizer = tokenizer_with()
    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>", *named.values()]})
    tokenizer._set_model_specific_special_tokens(named)
    tokenizer.init_kwargs["extra_special_tokens"] = named
    config = InternVLConfig(
        vision_config=tower(),
        text_config={"model_type": "qwen2", **language(tokenizer)},
        image_seq_length=4,
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        tie_word_embeddings=False,
    )
    size = {"height": 32, "width": 32}
    processor = InternVLProcessor(
        image_processor=GotOcr2ImageProcessor(size=size, crop_to_patches=True, max_patches=4),
        tokenizer=tokenizer,
        video_processor=InternVLVideoProcessor(size=size),
        image_seq_length=4,
        chat_template=CHATML.replace("<image>", "<IMG_CONTEXT>"),
    )
    save(InternVLForConditionalGeneration, config, processor, folder)
