"""What a run is, beside its results: a folder that holds a run of another kind is refused, and told how it differs."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.products.files import in_yaml
from evals.run.results import PREDICTIONS
from looktwice.batch.records import file_digest
from tools.errors import InputError
from tools.files import read_bytes, write_once
from tools.profiles.catalog import Profile, digests

if TYPE_CHECKING:
    from agent.products.spec import ProductSpec
MANIFEST = "manifest.json"
PACKAGES = ("looktwice", "torch", "transformers", "open_clip_torch", "numpy", "pillow")
"""Whose versions can change an answer."""
LARGEST = 1_000_000
"""Bytes of a manifest."""
Value = str | int | float | bool | None


class RunManifest(BaseModel):
    """Everything that an answer depends on, apart from the photo."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    schema_: Literal["looktwice-batch/1"] = Field(default="looktwice-batch/1", alias="schema")
    options: dict[str, Value]
    product: dict[str, str]
    """Its name, and the digest of what it was learned from."""
    models: dict[str, str]
    """By role: the digest of its checkpoint."""
    versions: dict[str, str]

    def differences(self, other: RunManifest) -> list[str]:
        """What `other` has otherwise, in words."""
        found = []
        for field in ("options", "product", "models", "versions"):
            there, here = getattr(self, field), getattr(other, field)
            for key in sorted({*there, *here}):
                if there.get(key) != here.get(key):
                    found.append(f"{_said(field, key)} {_short(there.get(key))} there, {_short(here.get(key))} here")
        return found


def describe_run(profile: Profile, product: Mapping[str, str], options: Mapping[str, Value]) -> RunManifest:
    """The manifest of a run on this machine.

    Raises:
        tools.errors.ModelError: a checkpoint is not on disk.
    """
    return RunManifest(options=dict(options), product=dict(product), models=digests(profile), versions=versions())


def product_digest(
    name: str, references: Sequence[Path], normal: str, saved: ProductSpec | None = None
) -> dict[str, str]:
    """Name and digest of what the photos are compared with; nothing is learned for it.

    What is learned from photos named in the call follows from these photos and words. It is not compared itself, since
    its last digits depend on the number of threads.

    Args:
        name: of the product; empty where the photos themselves say what it is.
        references: files of the photos of good ones.
        normal: what good means, in the user's words.
        saved: the file of a product that the call names.

    Raises:
        InputError: a reference cannot be read.
    """
    content = hashlib.sha256(json.dumps(normal).encode())
    if saved is not None:
        content.update(in_yaml(saved.model_copy(update={"references": ()})).encode())
    for reference in references:
        try:
            content.update(file_digest(reference).encode())
        except OSError as error:
            raise InputError(
                f"{reference}: cannot be read ({error.strerror}); give another reference photo."
            ) from error
    return {"name": name, "digest": content.hexdigest()}


def versions() -> dict[str, str]:
    """Of Python and of the packages that can change an answer."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def held_manifest(out: Path) -> RunManifest | None:
    """The manifest of the run that a folder holds; None where it holds none.

    Raises:
        InputError: the file is none of ours.
    """
    path = out / MANIFEST
    return _read(path, read_bytes(path, limit=LARGEST, what="manifest of a batch")) if path.exists() else None


def _read(path: Path, content: bytes) -> RunManifest:
    try:
        return RunManifest.model_validate_json(content)
    except ValidationError as error:
        raise InputError(f"{path}: is not the manifest of a batch; give another --out folder.") from error


def claim(out: Path, manifest: RunManifest) -> bool:
    """Makes a folder this run's own; whether it already was.

    Raises:
        InputError: it holds another run, one of another kind, or results without a manifest.
    """
    path = out / MANIFEST
    if (out / PREDICTIONS).exists():
        raise InputError(f"{out}: holds a run of `looktwice eval` ({PREDICTIONS}); give another --out folder.")
    if not path.exists() and (out / "results.jsonl").exists():
        raise InputError(f"{out}: has results.jsonl but no {MANIFEST}; give another --out folder.")
    content = manifest.model_dump_json(indent=2, by_alias=True) + "\n"
    held = write_once(path, content, limit=LARGEST, what="manifest of a batch")
    if held is None:
        return False
    differing = _read(path, held).differences(manifest)
    if differing:
        raise InputError(
            f"{out}: holds a run of another kind ({'; '.join(differing)}); call it as that run was called, or give "
            "another --out folder."
        )
    return True


def _said(field: str, key: str) -> str:
    """What differs, as people call it."""
    if field == "options":
        return f"--{key}".replace("_", "-")
    return {"product": f"product's {key}", "models": f"{key}'s checkpoint"}.get(field, key)


def _short(value: Value) -> str:
    """A value in words, digests cut to what tells them apart."""
    if value is None:
        return "none"
    text = str(value)
    return text[:12] if len(text) == 64 else repr(value) if isinstance(value, str) else text
