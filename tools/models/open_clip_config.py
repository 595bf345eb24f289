"""Checks an open_clip configuration against the fields that open_clip knows, and loads the folder without asking it."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import open_clip
from open_clip.coca_model import MultimodalCfg
from open_clip.model import CLIPTextCfg, CLIPVisionCfg
from open_clip.transform import PreprocessCfg, image_transform_v2

from tools.errors import ModelError
from tools.models.checkpoints import CLIP_CONFIG, CLIP_WEIGHTS, read_config

if TYPE_CHECKING:
    from torch.nn import Module

_TOP = frozenset({"model_cfg", "preprocess_cfg"})
_MODEL = frozenset(
    {
        "embed_dim",
        "vision_cfg",
        "text_cfg",
        "multimodal_cfg",
        "quick_gelu",
        "custom_text",
        "init_logit_scale",
        "init_logit_bias",
        "nonscalar_logit_scale",
    }
)
_TOKENIZER = frozenset({"clean", "strip_sep_token", "language", "reduction_mask"})
_LAYER = frozenset({"approximate", "eps", "elementwise_affine", "bias"})
_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")


def check_clip(folder: Path) -> None:
    """Refuse an open_clip folder whose configuration is not plain.

    Raises:
        ModelError: a field is unknown, names something outside of the folder, or is no mapping where one belongs.
    """
    config = read_config(folder, CLIP_CONFIG)
    model = config.get("model_cfg")
    if not isinstance(model, dict) or not isinstance(model.get("text_cfg"), dict):
        raise ModelError(f"{folder}: its {CLIP_CONFIG} has no model_cfg with a text_cfg; fetch the checkpoint again.")
    _check(folder, "", config, _TOP)
    _check(folder, "model_cfg", model, _MODEL)
    known = {"text_cfg": CLIPTextCfg, "vision_cfg": CLIPVisionCfg, "multimodal_cfg": MultimodalCfg}
    for part, shape in known.items():
        stated = model.get(part, {})
        _check(folder, f"model_cfg.{part}", stated, {field.name for field in fields(shape)})
        _check_part(folder, f"model_cfg.{part}", stated)
    _check(folder, "preprocess_cfg", config.get("preprocess_cfg") or {}, {f.name for f in fields(PreprocessCfg)})


def clip_model(folder: Path) -> Module:
    """The model that a checked configuration describes, with the safetensors weights of its folder.

    Raises:
        ModelError: it has no weights of an accepted name.
    """
    weights = next((folder / name for name in CLIP_WEIGHTS if (folder / name).is_file()), None)
    if weights is None:
        raise ModelError(f"{folder}: has none of {', '.join(CLIP_WEIGHTS)}; give the scorer's weights such a name.")
    model: Module = open_clip.create_model(
        f"local-dir:{folder}", load_weights=False, pretrained_image=False, pretrained_text=False
    )
    # open_clip itself would take a pickled file of another name before a checked one.
    open_clip.load_checkpoint(model, str(weights))
    return model


def clip_preprocess(model: Module) -> Any:
    """A function from a PIL image to the (3, H, W) tensor that a model of `clip_model` takes."""
    stated: Any = model.visual
    return image_transform_v2(PreprocessCfg(**stated.preprocess_cfg), is_train=False)


def clip_tokenizer(folder: Path) -> Any:
    """The tokenizer of a checked folder: its own where the configuration names one, else open_clip's."""
    where = f"local-dir:{folder}"
    if read_config(folder, CLIP_CONFIG)["model_cfg"]["text_cfg"].get("hf_tokenizer_name"):
        return open_clip.get_tokenizer(where, trust_remote_code=False, local_files_only=True)
    return open_clip.get_tokenizer(where)


def _check_part(folder: Path, where: str, part: dict[str, Any]) -> None:
    """Check the values of a tower's fields that could lead elsewhere."""
    if part.get("hf_model_name"):
        raise ModelError(
            f"{folder}: its text tower is described on the Hub or in another folder (hf_model_name "
            f"'{part['hf_model_name']}'), which is never loaded; take a CLIP whose text tower is open_clip's own."
        )
    timm = part.get("timm_model_name")
    if timm is not None and not (isinstance(timm, str) and _PLAIN.fullmatch(timm)):
        raise ModelError(
            f"{folder}: {where}.timm_model_name is '{str(timm)[:80]}'; accepted is the plain name of a model of timm."
        )
    for name, accepted in (("tokenizer_kwargs", _TOKENIZER), ("act_kwargs", _LAYER), ("norm_kwargs", _LAYER)):
        inner = part.get(name) or {}
        _check(folder, f"{where}.{name}", inner, accepted)
        for key, value in inner.items():
            if isinstance(value, dict | list):
                raise ModelError(
                    f"{folder}: {where}.{name}.{key} in {CLIP_CONFIG} holds several values; accepted is one word, "
                    "number or truth value; correct it."
                )


def _check(folder: Path, where: str, stated: Any, accepted: frozenset[str] | set[str]) -> None:
    if not isinstance(stated, dict):
        raise ModelError(f"{folder}: {where} in {CLIP_CONFIG} is no mapping; fetch the checkpoint again.")
    unknown = sorted(set(stated) - accepted)
    if unknown:
        raise ModelError(
            f"{folder}: {CLIP_CONFIG} has the field {where}{'.' if where else ''}{unknown[0][:60]}, which is not "
            f"accepted; accepted are {', '.join(sorted(accepted))}; remove it, or take another checkpoint."
        )
