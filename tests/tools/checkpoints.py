"""Small random checkpoints of the real classes, saved as ordinary folders, as the loader meets them in the field."""

from __future__ import annotations

import json

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from prompts import load_yaml

ROLE_OF = {
    "vit_clip": "scorer",
    "resnet_clip": "scorer",
    "backbone": "features",
    "owl": "grounder",
    "dino": "grounder",
    "sam": "segmenter",
    "llava": "vlm",
    "qwen_vl": "vlm",
    "tracer": "tracer",
    "preact": "features",
    "siglip": "scorer",
    "dinov2": "features",
    "dinov3": "features",
    "owlv2": "grounder",
    "mm_dino": "grounder",
    "sam2": "segmenter",
    "sam2_film": "segmenter",
    "llava_next": "vlm",
    "llava_onevision": "vlm",
    "qwen3_vl": "vlm",
    "smolvlm": "vlm",
    "internvl": "vlm",
}
"""What each kind of checkpoint is loaded as; `save_<kind>` of a checkpoints module makes it."""
NOUNS = ["bolt", "nut", "metal", "tray", "red", "screw", "washer", "label"]
CHAT = (
    "{% for m in messages %}{{ m['role'] }}: {% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}{% endfor %}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def plate(seed=0, size=(96, 128)):
    """A photo of something smooth with a little grain, (height, width) given."""
    noise = np.random.default_rng(seed).normal(0, 4, (*size, 3))
    slope = np.linspace(90, 150, size[1])[None, :, None]
    return np.clip(slope + noise, 0, 255).astype(np.uint8)


def words():
    """Every word of the text matcher's prompts, and some nouns."""
    lines = [*load_yaml("states")["normal"], *load_yaml("states")["anomalous"], *load_yaml("templates")["photo"]]
    said = {w.strip(".{}") for line in lines for w in line.replace("-", " ").split()}
    return sorted(said | set(NOUNS))


def word_tokenizer():
    """One token a word, with <end> last in the vocabulary, where open_clip and OWL-ViT look for it."""
    vocabulary = {"<pad>": 0, "<unk>": 1, "<start>": 2}
    for word in words():
        vocabulary.setdefault(word, len(vocabulary))
    vocabulary["<end>"] = len(vocabulary)
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 2), ("<end>", vocabulary["<end>"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", unk_token="<unk>", bos_token="<start>", eos_token="<end>"
    )


def bert_tokenizer():
    """Word pieces at the ids that Grounding DINO has fixed: 101 [CLS], 102 [SEP], 1012 '.', 1029 '?'."""
    fixed = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1012: ".", 1029: "?"}
    free = iter([*words(), ",", "##s", *(chr(c) for c in range(97, 123)), *(f"##{chr(c)}" for c in range(97, 123))])
    names = {n: fixed.get(n) or next(free, f"[unused{n}]") for n in range(1030)}
    made = Tokenizer(models.WordPiece({word: n for n, word in names.items()}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 102), ("[CLS]", 101))
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=256,
    )


def character_tokenizer():
    """One token a byte, so that every option takes several tokens."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: n for n, letter in enumerate(letters)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made)
    tokenizer.add_special_tokens(
        {
            "bos_token": "<s>",
            "eos_token": "</s>",
            "pad_token": "<pad>",
            "additional_special_tokens": [AddedToken("<image>", special=True, normalized=False)],
        }
    )
    return tokenizer


def save_clip(folder, vision):
    """An open_clip folder with its tokenizer inside."""
    import open_clip
    from safetensors.torch import save_file

    tokenizer = word_tokenizer()
    text = {"context_length": 16, "vocab_size": len(tokenizer), "width": 32, "heads": 2, "layers": 1}
    config = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": {**text, "hf_tokenizer_name": "local"}}
    torch.manual_seed(0)
    model = open_clip.CLIP(24, dict(vision), dict(text))
    # Random attention projections of 0.02 would make every patch look alike.
    for values in model.visual.parameters():
        if values.ndim > 1:
            values.data.mul_(3)
    tokenizer.save_pretrained(folder)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors")
    stated = {"model_cfg": config, "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}}
    (folder / "open_clip_config.json").write_text(json.dumps(stated))


def save_vit_clip(folder):
    """A CLIP whose image tower is a transformer: 8 x 8 patches."""
    save_clip(folder, {"image_size": 64, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8})


def save_resnet_clip(folder):
    """A CLIP whose image tower is a modified ResNet: 2 x 2 patches at the end, stride 32."""
    save_clip(folder, {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 16, "patch_size": None})


def save_backbone(folder):
    """A ResNet backbone with two stages of features."""
    from transformers import ConvNextImageProcessor, ResNetBackbone, ResNetConfig

    torch.manual_seed(0)
    config = ResNetConfig(
        embedding_size=16,
        hidden_sizes=[16, 24, 32],
        depths=[1, 1, 1],
        layer_type="basic",
        out_features=["stage1", "stage2"],
    )
    ResNetBackbone(config).save_pretrained(folder)
    ConvNextImageProcessor(size={"shortest_edge": 96}, crop_pct=1.0).save_pretrained(folder)


def save_owl(folder):
    """An OWL-ViT detector, which takes each phrase as a query."""
    from transformers import OwlViTConfig, OwlViTForObjectDetection, OwlViTImageProcessor, OwlViTProcessor

    tokenizer = word_tokenizer()
    tokenizer.model_max_length = 8
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**shape, "vocab_size": len(tokenizer), "max_position_embeddings": 8, "pad_token_id": 0}
    text |= {"bos_token_id": 2, "eos_token_id": len(tokenizer) - 1}
    vision = {**shape, "image_size": 64, "patch_size": 8}
    torch.manual_seed(0)
    OwlViTForObjectDetection(OwlViTConfig(text_config=text, vision_config=vision, projection_dim=32)).save_pretrained(
        folder
    )
    images = OwlViTImageProcessor(size={"height": 64, "width": 64}, do_center_crop=False)
    OwlViTProcessor(image_processor=images, tokenizer=tokenizer).save_pretrained(folder)


def save_dino(folder):
    """A Grounding DINO detector, which reads all phrases as one sentence."""
    from transformers import (
        BertConfig,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
        SwinConfig,
    )

    swin = SwinConfig(
        image_size=64,
        embed_dim=16,
        depths=[1, 1, 1, 1],
        num_heads=[1, 2, 2, 4],
        window_size=4,
        out_features=["stage2", "stage3", "stage4"],
    )
    bert = BertConfig(vocab_size=1030, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    config = GroundingDinoConfig(
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
        num_feature_levels=4,
        encoder_n_points=2,
        decoder_n_points=2,
        max_text_len=256,
    )
    torch.manual_seed(0)
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    images = GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})
    GroundingDinoProcessor(image_processor=images, tokenizer=bert_tokenizer()).save_pretrained(folder)


def save_sam(folder):
    """A SAM at 64 pixels."""
    from transformers import SamConfig, SamImageProcessor, SamModel, SamProcessor

    vision = {
        "hidden_size": 16,
        "output_channels": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 64,
        "patch_size": 8,
        "num_pos_feats": 8,
        "mlp_dim": 32,
        "window_size": 0,
        "global_attn_indexes": [0],
    }
    prompt = {"hidden_size": 16, "image_size": 64, "patch_size": 8, "image_embedding_size": 8, "mask_input_channels": 4}
    decoder = {
        "hidden_size": 16,
        "mlp_dim": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "iou_head_hidden_dim": 16,
        "iou_head_depth": 2,
    }
    torch.manual_seed(0)
    config = SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)
    SamModel(config).save_pretrained(folder)
    images = SamImageProcessor(size={"longest_edge": 64}, pad_size={"height": 64, "width": 64})
    SamProcessor(image_processor=images).save_pretrained(folder)


def save_llava(folder):
    """A LLaVA 1.5 whose tokens are bytes."""
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    tokenizer = character_tokenizer()
    vision = CLIPVisionConfig(
        hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(config)
    # Sharper than random weights of 0.02 are, so that likelihoods differ enough to be compared.
    model.lm_head.weight.data.mul_(20)
    model.save_pretrained(folder)
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=CHAT,
        num_additional_image_tokens=1,
    ).save_pretrained(folder)


def save_qwen_vl(folder):
    """A Qwen2.5-VL, which gives the patches of a photo positions in two dimensions."""
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    tokenizer = character_tokenizer()
    marks = ["<|vision_start|>", "<|image_pad|>", "<|vision_end|>", "<|video_pad|>"]
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    start, photo, end, film = (tokenizer.convert_tokens_to_ids(mark) for mark in marks)
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0},
    }
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_heads": 2,
        "out_hidden_size": 32,
        "patch_size": 8,
        "window_size": 32,
        "fullatt_block_indexes": [1],
    }
    config = Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=photo,
        video_token_id=film,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(config)
    model.lm_head.weight.data.mul_(20)
    model.save_pretrained(folder)
    Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(patch_size=8, min_pixels=1024, max_pixels=4096),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(patch_size=8),
        chat_template=CHAT.replace("<image>", "".join(marks[:3])),
    ).save_pretrained(folder)


def save_tracer(folder):
    """A tracer at 64 px."""
    from tools.models.tracer import Tracer, TracerConfig

    torch.manual_seed(0)
    Tracer(TracerConfig(image_size=64, widths=(4, 8, 8, 8, 8))).save_pretrained(folder)


def save_preact(folder):
    """A pre-activation ResNet that reads out few components."""
    from tools.models.preact_resnet import PreActResNet, PreActResNetConfig

    torch.manual_seed(0)
    config = PreActResNetConfig(stem=8, widths=(16, 32, 64), depths=(1, 1, 1), components=(6, 10))
    PreActResNet(config).save_pretrained(folder)
