"""Checkpoints of full size with random weights as ordinary folders: speed and memory do not depend on the values."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import torch
import transformers
import yaml
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    BitImageProcessor,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionImageProcessor,
    LlavaOnevisionProcessor,
    LlavaOnevisionVideoProcessor,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Sam2ImageProcessor,
    Sam2Processor,
    SamImageProcessor,
    SamProcessor,
    SiglipVisionConfig,
)

from prompts import load_yaml
from tools.errors import InputError
from tools.models.loading import Loaded
from tools.profiles.specification import ModelSpec

SEED = 0


def random_onevision(device: str = "cpu", *, small: bool = False) -> Loaded:
    """A language model of the size of llava-onevision-qwen2-0.5b-ov with random weights, and a tokenizer of bytes.

    24 layers of width 896 with 14 heads (2 for keys) and a vocabulary of 151,647 (Qwen2 0.5 B) behind SigLIP so400m of
    26 used layers of width 1152 at 384 pixels, as the published configuration states; up to ten tiles a photo.
    """
    tokenizer = byte_tokenizer()
    side, width, heads, layers = (28, 32, 2, 2) if small else (384, 896, 14, 24)
    text = Qwen2Config(
        vocab_size=len(tokenizer) if small else 151647,
        hidden_size=width,
        num_hidden_layers=layers,
        intermediate_size=4 * width if small else 4864,
        num_attention_heads=heads,
        num_key_value_heads=heads // 7 or 1,
        max_position_embeddings=32768,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    vision = SiglipVisionConfig(
        hidden_size=32 if small else 1152,
        intermediate_size=64 if small else 4304,
        num_hidden_layers=2 if small else 26,
        num_attention_heads=2 if small else 16,
        image_size=side,
        patch_size=14,
        vision_use_head=False,
    )
    pins = [[side * a, side * b] for a in (1, 2, 3) for b in (1, 2, 3)]
    config = LlavaOnevisionConfig(
        vision_config=vision,
        text_config=text,
        image_grid_pinpoints=pins,
        vision_feature_layer=-1,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_aspect_ratio="anyres_max_9",
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
    )
    torch.manual_seed(SEED)
    model = LlavaOnevisionForConditionalGeneration(config).eval().requires_grad_(requires_grad=False)
    patches = side // 14
    images = LlavaOnevisionImageProcessor(size={"height": side, "width": side}, image_grid_pinpoints=pins)
    processor = LlavaOnevisionProcessor(
        image_processor=images,
        video_processor=LlavaOnevisionVideoProcessor(),
        tokenizer=tokenizer,
        num_image_tokens=patches**2,
        vision_feature_select_strategy="full",
        vision_aspect_ratio="anyres_max_9",
        chat_template=str(load_yaml("bench")["chat_template"]),
    )
    name = "llava-onevision-0.5b (random)"
    return Loaded(model.to(device), processor, device, torch.float32, "random", name, ModelSpec(source=name))


def byte_tokenizer() -> Any:
    """A token a byte, with the marks that a language model needs; speed does not depend on the words."""
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


SMALL = {"layers": 2, "width": 32, "head_width": 16, "patch_size": 16}
"""An open_clip image tower for tests."""
_CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image>\n{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def known_sources() -> tuple[str, ...]:
    """Hub ids whose architecture is known here."""
    return tuple(_architectures())


def shapes(source: str) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes of an architecture's weights, found without making them.

    Raises:
        InputError: it is not known here.
    """
    with torch.device("meta"):
        return [(name, tuple(values.shape)) for name, values in _made(source).named_parameters()]


def write_random(source: str, folder: Path) -> None:
    """Writes a checkpoint of an architecture with random weights, its processor and tokenizer included.

    The language model is stored in bfloat16, as it is published; the others in float32.

    Raises:
        InputError: the architecture is not known here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    described = _described(source)
    model = _made(source)
    if "open_clip" in described:
        save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors")
        stated = {"model_cfg": _clip_config(described), "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3}}
        (folder / "open_clip_config.json").write_text(json.dumps(stated), encoding="utf-8")
        return
    if described["model_type"] == "llava_onevision":
        model = model.to(torch.bfloat16)
    model.save_pretrained(folder)
    _PROCESSORS[described["model_type"]](model.config).save_pretrained(folder)


def _architectures() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(
        Path(__file__).with_name("full_size.yaml").read_text(encoding="utf-8")
    )
    return found


def _described(source: str) -> dict[str, Any]:
    known = _architectures()
    if source not in known:
        raise InputError(f"{source}: its architecture is not known to the bench; known are {', '.join(known)}.")
    return known[source]


def _made(source: str) -> Any:
    """The model of an architecture."""
    described = dict(_described(source))
    if "open_clip" in described:
        config = _clip_config(described)
        return open_clip.CLIP(config["embed_dim"], dict(config["vision_cfg"]), dict(config["text_cfg"]))
    kind = described.pop("model_type")
    config = transformers.AutoConfig.for_model(kind, **described)
    names = {
        "dinov2": "Dinov2Model",
        "grounding-dino": "GroundingDinoForObjectDetection",
        "sam": "SamModel",
        "sam2": "Sam2Model",
        "llava_onevision": "LlavaOnevisionForConditionalGeneration",
    }
    if kind == "llava_onevision":
        tokenizer = _bytes_tokenizer()
        for name in ("image", "video"):
            setattr(config, f"{name}_token_index", tokenizer.convert_tokens_to_ids(f"<{name}>"))
        side = config.vision_config.image_size
        config.image_grid_pinpoints = [[side * a, side * b] for a in range(1, 7) for b in range(1, 7)]
        config.text_config.eos_token_id = config.text_config.pad_token_id = tokenizer.eos_token_id
    return getattr(transformers, names[kind])(config)


def _clip_config(described: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = open_clip.get_model_config(described["open_clip"])
    if described.get("shrink"):
        config["vision_cfg"] |= SMALL | {"image_size": 64}
        config["text_cfg"] |= {"width": 32, "heads": 2, "layers": 1}
        config["embed_dim"] = 24
    return config


def _bytes_tokenizer() -> Any:
    """A token a byte; what it makes of a text is about four times as long as a real vocabulary would."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: n for n, letter in enumerate(letters)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made)
    marks = ["<image>", "<video>", "<|im_start|>"]
    tokenizer.add_special_tokens({"eos_token": "<|im_end|>", "pad_token": "<pad>", "additional_special_tokens": marks})
    return tokenizer


def _pieces_tokenizer() -> Any:
    """Word pieces of one letter, at the ids that Grounding DINO has fixed."""
    fixed = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1012: ".", 1029: "?"}
    letters = iter([chr(c) for c in range(97, 123)] + [f"##{chr(c)}" for c in range(97, 123)])
    names = {n: fixed.get(n) or next(letters, f"[unused{n}]") for n in range(1030)}
    made = Tokenizer(models.WordPiece({word: n for n, word in names.items()}, unk_token="[UNK]"))  # noqa: S106
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 102), ("[CLS]", 101))
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    special |= {"mask_token": "[MASK]"}
    return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=256, **special)


def _of_dinov2(config: Any) -> Any:
    side = config.image_size
    return BitImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side})


def _of_grounding_dino(config: Any) -> Any:
    size = {"shortest_edge": 64, "longest_edge": 96} if config.d_model < 64 else None
    images = GroundingDinoImageProcessor(size=size) if size else GroundingDinoImageProcessor()
    return GroundingDinoProcessor(image_processor=images, tokenizer=_pieces_tokenizer())


def _of_sam(config: Any) -> Any:
    side = config.vision_config.image_size
    return SamProcessor(
        image_processor=SamImageProcessor(size={"longest_edge": side}, pad_size={"height": side, "width": side})
    )


def _of_sam2(config: Any) -> Any:
    del config
    return Sam2Processor(image_processor=Sam2ImageProcessor())


def _of_onevision(config: Any) -> Any:
    side = config.vision_config.image_size
    size = {"height": side, "width": side}
    return LlavaOnevisionProcessor(
        image_processor=LlavaOnevisionImageProcessor(size=size, image_grid_pinpoints=config.image_grid_pinpoints),
        tokenizer=_bytes_tokenizer(),
        video_processor=LlavaOnevisionVideoProcessor(size=size),
        num_image_tokens=(side // config.vision_config.patch_size) ** 2,
        vision_feature_select_strategy="full",
        chat_template=_CHAT,
    )


_PROCESSORS: dict[str, Callable[[Any], Any]] = {
    "dinov2": _of_dinov2,
    "grounding-dino": _of_grounding_dino,
    "sam": _of_sam,
    "sam2": _of_sam2,
    "llava_onevision": _of_onevision,
}
