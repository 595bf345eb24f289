"""Checkpoints as llama.cpp's server reads them: the embedded language model's language model, and a random image
tower."""

from __future__ import annotations

import json

import numpy as np
from safetensors.numpy import load_file

TEMPLATE = (
    "{{ '<start>' }}{% for message in messages %}{{ ' ' if loop.first else '' }}{{ message.role.capitalize() + ':' }}"
    "{{ ' ' + message.content }}{% if message.role == 'assistant' %}{{ '<end>' }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
"""As nano's own, with the space written out that its tokenizer puts in front, and llama.cpp's does not."""
NORMAL, CONTROL = 1, 3
"""Kinds of tokens in the file."""
PIXELS, PATCH = 64, 16
"""Side of the image tower's input and of its patches."""


def _interleaved(weights, heads):
    """Rows of a query or key projection in the order in which llama.cpp turns them by position."""
    rows, columns = weights.shape
    return weights.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def write_language(folder, path):
    """The language model of a LLaVA folder whose text model is a Llama with byte-level tokens."""
    import gguf

    config = json.loads((folder / "config.json").read_text())["text_config"]
    told = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = dict(told["model"]["vocab"]) | {t["content"]: t["id"] for t in told["added_tokens"]}
    special = {t["content"] for t in told["added_tokens"] if t["special"]}
    tokens = sorted(vocabulary, key=lambda token: vocabulary[token])
    writer = gguf.GGUFWriter(str(path), "llama")
    heads = config["num_attention_heads"]
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([CONTROL if token in special else NORMAL for token in tokens])
    writer.add_token_merges([" ".join(pair) if isinstance(pair, list) else pair for pair in told["model"]["merges"]])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    names = {
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    for name, values in load_file(folder / "model.safetensors").items():
        if not name.startswith("language_model."):
            continue
        short = name.removeprefix("language_model.model.").removesuffix(".weight")
        weights = values.astype(np.float32)
        if short in ("embed_tokens", "norm"):
            writer.add_tensor("token_embd.weight" if short == "embed_tokens" else "output_norm.weight", weights)
            continue
        _, layer, part = short.split(".", 2)
        if part in ("self_attn.q_proj", "self_attn.k_proj"):
            weights = _interleaved(weights, heads)
        writer.add_tensor(f"blk.{layer}.{names[part]}.weight", weights)
    _write(writer)


def write_tower(path, width):
    """A random image tower as LLaVA 1.5's, 4 x 4 patches of 16 pixels, that speaks to a language model of `width`."""
    import gguf

    rng = np.random.default_rng(0)
    writer = gguf.GGUFWriter(str(path), "clip")
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type("mlp")
    writer.add_vision_image_size(PIXELS)
    writer.add_vision_patch_size(PATCH)
    writer.add_vision_embedding_length(32)
    writer.add_vision_feed_forward_length(64)
    writer.add_vision_projection_dim(width)
    writer.add_vision_block_count(1)
    writer.add_vision_head_count(2)
    writer.add_vision_attention_layernorm_eps(1e-5)
    writer.add_vision_image_mean([0.5, 0.5, 0.5])
    writer.add_vision_image_std([0.25, 0.25, 0.25])
    writer.add_bool("clip.use_gelu", True)

    def add(name, *shape, at=0.0):
        writer.add_tensor(name, (rng.normal(0, 0.3, shape) + at).astype(np.float32))

    add("v.patch_embd.weight", 32, 3, PATCH, PATCH)
    add("v.class_embd", 32)
    add("v.position_embd.weight", (PIXELS // PATCH) ** 2 + 1, 32)
    for norm in ("v.pre_ln", "v.post_ln", "v.blk.0.ln1", "v.blk.0.ln2"):
        add(f"{norm}.weight", 32, at=1.0)
        add(f"{norm}.bias", 32)
    for part in ("attn_q", "attn_k", "attn_v", "attn_out"):
        add(f"v.blk.0.{part}.weight", 32, 32)
        add(f"v.blk.0.{part}.bias", 32)
    for part, rows, columns in (("ffn_down", 32, 64), ("ffn_up", 64, 32)):
        add(f"v.blk.0.{part}.weight", rows, columns)
        add(f"v.blk.0.{part}.bias", rows)
    for part, rows, columns in (("mm.0", width, 32), ("mm.2", width, width)):
        add(f"{part}.weight", rows, columns)
        add(f"{part}.bias", rows)
    _write(writer)


def _write(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
