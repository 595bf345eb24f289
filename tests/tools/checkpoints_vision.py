"""Small random detectors, segmenters, backbones and image-text towers of the real classes, for the contract tests."""

from __future__ import annotations

import json

import torch
from checkpoints import bert_tokenizer, word_tokenizer


def save_mm_dino(folder):
    """An MM-Grounding-DINO detector, which reads all phrases as one sentence."""
    from transformers import (
        BertConfig,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
        MMGroundingDinoConfig,
        MMGroundingDinoForObjectDetection,
        SwinConfig,
    )

    swin = SwinConfig(
        image_size=64,
        embed_dim=16,
        depths=[1, 1, 1, 1],
        num_heads=[1, 2, 2, 4],
        window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    bert = BertConfig(vocab_size=1030, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    config = MMGroundingDinoConfig(
        backbone_config=swin,
        text_config=bert,
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_queries=12,
        num_feature_levels=5,
        encoder_n_points=2,
        decoder_n_points=2,
        max_text_len=256,
    )
    torch.manual_seed(0)
    MMGroundingDinoForObjectDetection(config).save_pretrained(folder)
    images = GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})
    GroundingDinoProcessor(image_processor=images, tokenizer=bert_tokenizer()).save_pretrained(folder)


def save_owlv2(folder):
    """An OWLv2 detector, which pads a photo to a square."""
    from transformers import Owlv2Config, Owlv2ForObjectDetection, Owlv2ImageProcessor, Owlv2Processor

    tokenizer = word_tokenizer()
    tokenizer.model_max_length = 8
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**shape, "vocab_size": len(tokenizer), "max_position_embeddings": 8, "pad_token_id": 0}
    text |= {"bos_token_id": 2, "eos_token_id": len(tokenizer) - 1}
    torch.manual_seed(0)
    config = Owlv2Config(text_config=text, vision_config={**shape, "image_size": 64, "patch_size": 8})
    config.projection_dim = 32
    Owlv2ForObjectDetection(config).save_pretrained(folder)
    images = Owlv2ImageProcessor(size={"height": 64, "width": 64})
    Owlv2Processor(image_processor=images, tokenizer=tokenizer).save_pretrained(folder)


def _sam2_parts():
    """What SAM 2 and its form for films have in common: a Hiera at 128 pixels, 8 x 8 places at the coarsest level."""
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "num_attention_heads": 1,
        "image_size": [128, 128],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 2, 2, 2],
        "window_size_per_stage": [4, 4, 4, 4],
        "global_attention_blocks": [3],
        "window_positional_embedding_background_size": [4, 4],
    }
    vision = {
        "backbone_config": backbone,
        "backbone_channel_list": [64, 32, 16, 8],
        "fpn_hidden_size": 16,
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
    }
    prompt = {"hidden_size": 16, "image_size": 128, "patch_size": 16, "mask_input_channels": 4}
    decoder = {
        "hidden_size": 16,
        "mlp_dim": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "iou_head_hidden_dim": 16,
        "iou_head_depth": 2,
    }
    return {"vision_config": vision, "prompt_encoder_config": prompt, "mask_decoder_config": decoder}


def save_sam2(folder):
    """A SAM 2 at 128 pixels."""
    from transformers import Sam2Config, Sam2ImageProcessor, Sam2Model, Sam2Processor

    torch.manual_seed(0)
    Sam2Model(Sam2Config(**_sam2_parts())).save_pretrained(folder)
    images = Sam2ImageProcessor(size={"height": 128, "width": 128}, mask_size={"height": 32, "width": 32})
    Sam2Processor(image_processor=images).save_pretrained(folder)


def save_sam2_film(folder):
    """A SAM 2 as it is published: with the memory that follows a part through a film, which photos do not need."""
    from transformers import (
        Sam2ImageProcessor,
        Sam2VideoConfig,
        Sam2VideoModel,
        Sam2VideoProcessor,
        Sam2VideoVideoProcessor,
    )

    config = Sam2VideoConfig(
        **_sam2_parts(),
        image_size=128,
        memory_attention_hidden_size=16,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=16,
        memory_attention_rope_feat_sizes=[8, 8],
        memory_encoder_hidden_size=16,
        memory_encoder_output_channels=8,
        mask_downsampler_embed_dim=16,
        memory_fuser_num_layers=1,
        memory_fuser_embed_dim=16,
        memory_fuser_intermediate_dim=16,
    )
    torch.manual_seed(0)
    Sam2VideoModel(config).save_pretrained(folder)
    size = {"height": 128, "width": 128}
    images = Sam2ImageProcessor(size=size, mask_size={"height": 32, "width": 32})
    Sam2VideoProcessor(image_processor=images, video_processor=Sam2VideoVideoProcessor(size=size)).save_pretrained(
        folder
    )


def sharpened(model):
    """Random weights of 0.02 would let a patch look like any other."""
    model.embeddings.apply(lambda part: part.weight.data.mul_(20) if isinstance(part, torch.nn.Conv2d) else None)
    return model


def save_dinov2(folder):
    """A DINOv2 as it is published: a model without a head, not a backbone."""
    from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

    torch.manual_seed(0)
    config = Dinov2Config(hidden_size=32, num_hidden_layers=4, num_attention_heads=2, image_size=224, patch_size=14)
    sharpened(Dinov2Model(config)).save_pretrained(folder)
    BitImageProcessor(size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224}).save_pretrained(folder)


def save_dinov3(folder):
    """A DINOv3 as it is published, with register tokens."""
    from transformers import DINOv3ViTConfig, DINOv3ViTImageProcessor, DINOv3ViTModel

    torch.manual_seed(0)
    config = DINOv3ViTConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=256,
        patch_size=16,
        num_register_tokens=4,
    )
    sharpened(DINOv3ViTModel(config)).save_pretrained(folder)
    DINOv3ViTImageProcessor(size={"height": 256, "width": 256}).save_pretrained(folder)


def save_siglip(folder):
    """A SigLIP as open_clip has it: timm's tower with attention pooling, a text tower that sees the whole sentence."""
    import open_clip
    from safetensors.torch import save_file

    tokenizer = word_tokenizer()
    tokenizer.save_pretrained(folder)
    text = {
        "context_length": 16,
        "vocab_size": len(tokenizer),
        "width": 64,
        "heads": 2,
        "layers": 1,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
        "norm_kwargs": {"eps": 1e-6},
    }
    vision = {
        "image_size": 160,
        "timm_model_name": "test_vit",
        "timm_model_pretrained": False,
        "timm_pool": "map",
        "timm_proj": "none",
    }
    torch.manual_seed(0)
    model = open_clip.CustomTextCLIP(64, dict(vision), dict(text), init_logit_bias=-10.0)
    for name, values in model.visual.named_parameters():
        if values.ndim > 1 or name.endswith("attn_pool.latent"):
            values.data.normal_(0, 0.2)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors")
    config = {"embed_dim": 64, "init_logit_bias": -10, "custom_text": True, "vision_cfg": vision}
    config["text_cfg"] = {**text, "hf_tokenizer_name": "local"}
    stated = {"model_cfg": config, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}}
    (folder / "open_clip_config.json").write_text(json.dumps(stated))
