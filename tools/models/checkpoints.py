"""Finds a checkpoint's folder and refuses what is missing, unsafe or damaged before any of it is loaded.

A checkpoint may bring no code of its own: no setting may ask for it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open

from tools.documents import read_json
from tools.errors import InputError, ModelError
from tools.models.packages import packaged_checkpoint
from tools.profiles.specification import ModelSpec

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
WANTED = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "README.md")
"""What a checkpoint needs of a Hub repository; never code, never pickled weights."""
_JSON_BYTES = 100_000_000
"""Largest accepted JSON file; the tokenizer of a large vocabulary takes some 35 MB."""
_JSON_DIGITS = 40
"""Digits of a number; tokenizers write "no limit" as one of 31 digits."""
_SHARD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.safetensors")
CLIP_CONFIG = "open_clip_config.json"
CLIP_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "model.safetensors")
"""Weight files of an open_clip folder; the first that is there is loaded."""
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def locate(spec: ModelSpec, *, download: bool = False) -> Path:
    """The folder of a checkpoint: one on disk, or one in the Hub's cache.

    Args:
        spec: names the folder or Hub id.
        download: fetch what is missing; otherwise the network is not used.

    Raises:
        ModelError: it is not there, or cannot be fetched.
    """
    package = getattr(spec, "package", None)
    if package is not None:
        return packaged_checkpoint(package)
    folder = Path(spec.source).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if folder.exists():
        raise ModelError(f"{folder}: is a file; a checkpoint is a folder with config and safetensors; name its folder.")
    if not is_hub_id(spec.source):
        raise ModelError(f"{folder}: no such folder; correct the profile, or put the checkpoint there.")
    return _in_cache(spec, download)


def is_hub_id(source: str) -> bool:
    """Whether a source is written as the Hub writes its repositories, such as "facebook/sam-vit-base"."""
    return _HUB_ID.fullmatch(source) is not None


def _in_cache(spec: ModelSpec, download: bool) -> Path:
    fetch = f"hf download {spec.source}" + (f" --revision {spec.revision}" if spec.revision else "")
    try:
        found = snapshot_download(
            spec.source,
            revision=spec.revision,
            allow_patterns=list(WANTED),
            local_files_only=not download,
        )
    except (LocalEntryNotFoundError, FileNotFoundError) as error:
        reach = " and the Hub cannot be reached" if download else ""
        raise ModelError(
            f"{spec.source}: no such folder, and not in the Hub's cache{reach}; correct the path, or run `{fetch}`."
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise ModelError(
            f"{spec.source}: cannot be fetched ({brief(error)}); check name and connection, then run `{fetch}`."
        ) from error
    return Path(found)


def read_config(folder: Path, name: str = "config.json", *, mapping: bool = True) -> Any:
    """A checkpoint's configuration.

    Args:
        folder: of the checkpoint.
        name: of the file.
        mapping: refuse anything but a mapping.

    Raises:
        ModelError: there is none, it is no JSON mapping, or it asks for code of its own (`auto_map`).
    """
    path = folder / name
    if not path.exists():
        raise ModelError(f"{folder}: has no {name}; copy the whole checkpoint, not its weights alone.")
    try:
        config = read_json(path, what="configuration", limit=_JSON_BYTES, digits=_JSON_DIGITS)
    except InputError as error:
        raise ModelError(f"{brief(error)} Fetch the checkpoint again.") from error
    if mapping and not isinstance(config, dict):
        raise ModelError(f"{path}: holds no mapping; fetch the checkpoint again.")
    if isinstance(config, dict) and "auto_map" in config:
        raise ModelError(
            f"{folder}: its {name} asks for code of its own (auto_map), which is never run; take a checkpoint whose "
            "class transformers has built in."
        )
    return config


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint, sorted by name; a sharded one must be whole.

    Raises:
        ModelError: there is none, a shard is missing, or the weights are pickled.
    """
    files = sorted(folder.glob("*.safetensors"))
    for index in folder.glob("*.safetensors.index.json"):
        listed = _listed(folder, index.name)
        absent = sorted(name for name in listed if not (folder / name).is_file())
        if absent:
            raise ModelError(f"{folder}: {absent[0]} is missing ({len(absent)} in all); fetch the checkpoint again.")
    if files:
        return files
    pickled = sorted(p.name for pattern in PICKLED for p in folder.glob(pattern))
    if pickled:
        raise ModelError(
            f"{folder}: its weights are pickled ({pickled[0]}), which can run code when read, so only safetensors are "
            "accepted; convert them where you trust them: safetensors.torch.save_file(torch.load("
            f"'{pickled[0]}', weights_only=True), 'model.safetensors')."
        )
    raise ModelError(f"{folder}: has no weights (*.safetensors); fetch or copy the whole checkpoint.")


def _listed(folder: Path, index: str) -> set[str]:
    """The weight files that an index names, all in this folder.

    Raises:
        ModelError: it names none, or something else than a safetensors file of the folder.
    """
    stated = read_config(folder, index).get("weight_map", {})
    names = set(map(str, stated.values())) if isinstance(stated, dict) else {str(stated)}
    for name in sorted(names):
        if not _SHARD.fullmatch(name):
            raise ModelError(
                f"{folder}: {index} names the weight file '{name[:80]}'; accepted are safetensors files of the same "
                "folder; fetch the checkpoint again."
            )
    return names


def checked_weights(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint, each with a whole header and all of its bytes.

    Raises:
        ModelError: as `weight_files`, or a file is damaged or cut short.
    """
    files = weight_files(folder)
    for path in files:
        try:
            with safe_open(path, framework="pt") as file:
                file.keys()
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path}: is damaged ({brief(error)}); fetch or copy the checkpoint again.") from error
    return files


def digest_of(files: Sequence[Path]) -> str:
    """SHA-256 (hex) over the names and contents of weight files.

    A file in the Hub's cache is stored under its own SHA-256, which is then not computed again.
    """
    total = hashlib.sha256()
    for path in files:
        blob = path.resolve().name
        if not (path.is_symlink() and _SHA256.fullmatch(blob)):
            with path.open("rb") as stream:
                blob = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(f"{path.name}:{blob}\n".encode())
    return total.hexdigest()


def brief(error: Exception) -> str:
    """The first line of a library's message, not too long."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:160]


_CODE = ("auto_map", "trust_remote_code", "custom_generate", "custom_pipelines", "use_kernels")
"""Settings that name or allow code outside of the installed libraries."""
_ELSEWHERE = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal", "backbone")
"""Settings that name a built-in by a plain word, or by a repository's name something that is fetched."""
_WEIGHTS = ("use_pretrained_backbone",)
"""Settings that fetch other weights than those of the folder."""


def check_settings(folder: Path) -> None:
    """Check every JSON file of a checkpoint's folder.

    Raises:
        ModelError: one cannot be read, or a setting asks for code or weights from elsewhere.
    """
    if (folder / "adapter_config.json").exists():
        raise ModelError(
            f"{folder}: holds an adapter (adapter_config.json), which names another checkpoint; merge the adapter into "
            "its checkpoint, or remove the file."
        )
    for path in sorted(folder.glob("*.json")):
        found = _asks(read_config(folder, path.name, mapping=False))
        if found:
            raise ModelError(
                f"{folder}: {path.name} sets {found}, which takes code or weights from outside of the folder; that is "
                "never accepted; take a checkpoint whose class is built in."
            )


def _asks(data: Any) -> str:
    """The first setting, at any depth, that asks for something from elsewhere; empty where none does."""
    waiting = [data]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += [value for value in item if isinstance(value, dict | list)]
        if not isinstance(item, dict):
            continue
        for key, value in item.items():
            # A vocabulary may hold any word as a key; its values are whole numbers.
            named = isinstance(value, bool | str | list | dict) and bool(value)
            if named and (key in _CODE or key in _WEIGHTS):
                return str(key)
            if key in _ELSEWHERE and isinstance(value, str) and any(c in value for c in "/:\\"):
                return str(key)
            if isinstance(value, dict | list):
                waiting.append(value)
    return ""
