"""The one loader: a folder or Hub id becomes a model with its processor, from safetensors and without remote code."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from torch import OutOfMemoryError
from transformers.models.auto import modeling_auto
from transformers.models.auto.modeling_auto import MODEL_FOR_BACKBONE_MAPPING_NAMES

from tools import models
from tools.errors import InputError, ModelError
from tools.models.checkpoints import (
    CLIP_CONFIG,
    CLIP_WEIGHTS,
    brief,
    check_settings,
    checked_weights,
    digest_of,
    locate,
    read_config,
)
from tools.models.logging_filters import quiet
from tools.models.onednn import quicken
from tools.models.placement import placement, plain_where_packing_fails
from tools.models.remote_code import own_code_refused
from tools.profiles.specification import FeaturesSpec, ModelSpec, Role

_OWN = {
    "looktwice_preact_resnet": ("tools.models.preact_resnet", "PreActResNet"),
    "looktwice_tracer": ("tools.models.tracer", "Tracer"),
    "looktwice_efficientnet_lite": ("tools.models.efficientnet_lite", "EfficientNetLite"),
}
"""Module and class of the model types that transformers does not have."""
HALVED: tuple[Role, ...] = ("scorer", "features", "vlm")
"""Roles that "auto" keeps in bfloat16 on a GPU: what they give is compared after it was brought back to float32."""
_SHOWN = 3
"""So many names are listed in a message."""


class ClipProcessor(NamedTuple):
    """What goes before an open_clip model."""

    preprocess: Callable[[Any], torch.Tensor]
    """A PIL image to (3, H, W)."""
    tokenizer: Callable[[list[str]], torch.Tensor]
    """Texts to (N, L) token ids."""


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model that is ready to run."""

    model: Any
    """In evaluation mode, without gradients, on `device`."""
    processor: Any
    """The transformers processor (None where a backbone has none), or a `ClipProcessor`."""
    device: str
    """Such as "cpu" or "cuda:0"."""
    dtype: torch.dtype
    """Of its floating point inputs."""
    digest: str
    """SHA-256 (hex) over its safetensors: the key of every cache of what it computes."""
    name: str
    """Folder name or Hub id, for people."""
    spec: ModelSpec


def load_model(spec: ModelSpec, role: Role, device: str = "auto", *, download: bool = False) -> Loaded:
    """Loads one checkpoint for one role.

    Args:
        spec: which, and how.
        role: decides the class that the checkpoint must have.
        device: "auto" (the first GPU, else the CPU), "cpu", "cuda", "cuda:1", "mps".
        download: fetch a Hub id that is not on disk; otherwise the network is not used.

    Raises:
        ModelError: missing, unsafe, damaged, incomplete, or of the wrong class for the role.
        InputError: the device is not there.
        torch.OutOfMemoryError: the device has too little memory.
    """
    device = resolve_device(device)
    dtype = _dtype(spec, role, device)
    folder = locate(spec, download=download)
    with quiet(), own_code_refused():
        build = _open_clip if role == "scorer" else _transformers
        _check_class(folder, role)
        check_settings(folder)
        files = checked_weights(folder)
        try:
            model, processor = build(folder, spec, role, device, dtype)
        except (OutOfMemoryError, ModelError):
            raise
        except ImportError as error:
            raise ModelError(f"{folder}: needs a package that is not installed ({brief(error)}).") from error
        except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{folder}: cannot be loaded as {role} ({brief(error)}); fetch or copy the checkpoint again, whole."
            ) from error
    # Image processors hand read-only photos to torch, which nothing then writes to.
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
    model.eval().requires_grad_(requires_grad=False)
    _check_finite(folder, model.state_dict().items())
    if hasattr(model, "fold_batch_norms"):
        model.fold_batch_norms()
    quicken(model)
    return Loaded(model, processor, device, dtype, digest_of(files), _name(spec, folder), spec)


def resolve_device(name: str = "auto") -> str:
    """A device that is there.

    Raises:
        InputError: it is not.
    """
    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    if torch.cuda.is_available():
        there[:0] = ["cuda", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))]
    if name == "auto":
        return there[0]
    if name not in there:
        raise InputError(f"device '{name}' is not here; accepted are auto, {', '.join(there)}.")
    return name


def _dtype(spec: ModelSpec, role: Role, device: str) -> torch.dtype:
    """The number format asked for; "auto" is float32, and half of that on a GPU for the roles that bear it."""
    chosen = spec.dtype
    if chosen == "auto":
        chosen = "bfloat16" if device.startswith("cuda") and role in HALVED else "float32"
        if device.startswith("cuda") and chosen == "bfloat16" and not torch.cuda.is_bf16_supported():
            chosen = "float16" if role == "vlm" else "float32"
    dtype: torch.dtype = getattr(torch, chosen)
    return dtype


def _name(spec: ModelSpec, folder: Path) -> str:
    package: str | None = getattr(spec, "package", None)
    if package is not None:
        return package
    return folder.name if Path(spec.source).expanduser().is_dir() else spec.source


def _check_class(folder: Path, role: Role) -> None:
    """Refuses a checkpoint whose class cannot serve the role.

    Raises:
        ModelError: it cannot, or there is no configuration to tell.
    """
    if role == "scorer":
        if not (folder / CLIP_CONFIG).is_file() and (folder / "config.json").is_file():
            kind = read_config(folder).get("model_type", "unknown")
            raise ModelError(
                f"{folder}: is a transformers checkpoint of type '{kind}', but a scorer is an open_clip folder "
                f"({CLIP_CONFIG} beside {CLIP_WEIGHTS[0]}); name one in the profile."
            )
        models.check_clip(folder)
        return
    if (folder / CLIP_CONFIG).is_file() and not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder}: is an open_clip checkpoint, which serves as scorer, not as {role}; name another in the profile"
            f"{' or say `shared: scorer`' if role == 'features' else ''}."
        )
    kind = read_config(folder).get("model_type")
    accepted = _accepted_types(role)
    if kind not in accepted:
        raise ModelError(
            f"{folder}: is of type '{kind}', which cannot serve as {role}; accepted are {', '.join(sorted(accepted))}."
        )


def _accepted_types(role: Role) -> set[str]:
    """Model types that transformers can load for a role and that its tool can drive."""
    if role == "grounder":
        # OmDet-Turbo is loaded by the same class but reads phrases in a way of its own.
        return set(modeling_auto.MODEL_FOR_ZERO_SHOT_OBJECT_DETECTION_MAPPING_NAMES) - {"omdet-turbo"}
    if role == "segmenter":
        return {"sam", "sam2", "sam2_video"}
    if role in ("tracer", "backbone"):
        return {"looktwice_tracer" if role == "tracer" else "looktwice_efficientnet_lite"}
    if role == "features":
        # timm's own backbones are loaded by timm, from the network.
        return set(modeling_auto.MODEL_FOR_BACKBONE_MAPPING_NAMES) - {"timm_backbone"} | {"looktwice_preact_resnet"}
    return set(modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES)


def _open_clip(folder: Path, spec: ModelSpec, role: Role, device: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """An open_clip folder; its tokenizer is the folder's own where the configuration names one."""
    del spec, role
    model = models.clip_model(folder).to(device, dtype)
    return model, ClipProcessor(models.clip_preprocess(model), models.clip_tokenizer(folder))


def _transformers(folder: Path, spec: ModelSpec, role: Role, device: str, dtype: torch.dtype) -> tuple[Any, Any]:
    """A transformers folder, by the auto class of the role."""
    options: dict[str, Any] = {"dtype": dtype, "attn_implementation": spec.attention}
    options |= placement(spec, device, dtype)
    if isinstance(spec, FeaturesSpec) and spec.layers:
        options["out_features"] = list(spec.layers)
    model, loading = _class_of(folder, role).from_pretrained(
        folder,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
        **options,
    )
    _check_complete(folder, loading)
    if spec.quantisation == "4bit" and device == "cpu":
        plain_where_packing_fails(model)
    safe = {"local_files_only": True, "trust_remote_code": False}
    if role not in ("features", "tracer", "backbone"):
        processor = transformers.AutoProcessor.from_pretrained(folder, **safe)  # nosec B615  # a folder on disk
    elif (folder / "preprocessor_config.json").is_file():
        processor = transformers.AutoImageProcessor.from_pretrained(folder, **safe)  # nosec B615  # a folder on disk
    else:
        processor = None
    return model if "device_map" in options else model.to(device), processor


def _class_of(folder: Path, role: Role) -> Any:
    """The auto class of a role; for a backbone its own class, since AutoBackbone asks the Hub even for a folder."""
    kind = read_config(folder)["model_type"]
    if kind in _OWN:
        module, name = _OWN[kind]
        return getattr(import_module(module), name)
    if role == "features":
        return getattr(transformers, MODEL_FOR_BACKBONE_MAPPING_NAMES[kind])
    names = {
        "grounder": "AutoModelForZeroShotObjectDetection",
        "segmenter": "AutoModelForMaskGeneration",
        "vlm": "AutoModelForImageTextToText",
    }
    return getattr(transformers, names[role])


def _check_complete(folder: Path, loading: dict[str, Any]) -> None:
    """Refuses weights that leave a part of the model as it was drawn at random.

    Raises:
        ModelError: a tensor is missing or of another shape.
    """
    mismatched = [item[0] if isinstance(item, tuple) else item for item in loading.get("mismatched_keys", ())]
    for problem, keys in (("lack", loading.get("missing_keys", ())), ("have other shapes for", mismatched)):
        if keys:
            listed = ", ".join(sorted(map(str, keys))[:_SHOWN])
            raise ModelError(
                f"{folder}: its weights {problem} {len(keys)} of the model's tensors ({listed}, ...); fetch the "
                "checkpoint again, or one of the class that its config.json names."
            )


def _check_finite(folder: Path, stored: Iterable[tuple[str, Any]]) -> None:
    """Refuses weights, or running statistics of a normalisation, that are not numbers.

    Raises:
        ModelError: a tensor holds NaN or infinity.
    """
    for name, values in stored:
        # What was left on disk has no values here.
        if values.is_floating_point() and not values.is_meta and not bool(torch.isfinite(values).all()):
            raise ModelError(
                f"{folder}: {name} holds NaN or infinity, so the checkpoint is damaged or was saved from a training "
                "that diverged; fetch it again, or train it anew."
            )
