"""Profiles on disk: reading their YAML files, which checkpoints are there, their digests, sizes and licences."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tools.display_text import display_text
from tools.documents import read_yaml
from tools.errors import InputError, ModelError
from tools.models.checkpoints import digest_of, locate, weight_files
from tools.profiles.specification import ModelSpec, Role, Roles

_SHIPPED = Path(__file__).parent
_INSTALLED = _SHIPPED.parent.parent
"""The folder that holds tools/ and nano/: sources of a shipped profile are relative to it."""
_YAML = (".yaml", ".yml")


class Profile(BaseModel):
    """Five roles, their checkpoints, and the machine that they are meant for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    about: str = ""
    """For whom it is, and what it cannot do."""
    rank: int = 0
    """Of two profiles that are ready, `auto` takes the higher."""
    auto: bool = True
    """Whether `auto` may take it at all."""
    gpu_gib: float = Field(default=0.0, ge=0)
    """GPU memory that it wants, in GiB."""
    cpu: bool = True
    """Whether it is of use without a GPU."""
    roles: Roles
    home: Path = Field(default=Path(), exclude=True)
    """The folder that relative sources are relative to; set by `load_profile`."""

    def role(self, role: Role) -> ModelSpec:
        """The checkpoint of one role, its folder made absolute; a shared one is that of the role it shares.

        That of a language model on a server has no source.

        Raises:
            ModelError: the profile does without this role.
        """
        spec: ModelSpec | None = getattr(self.roles, role)
        if spec is None:
            raise ModelError(f"profile '{self.name}' names no {role}; add it under `roles`.")
        shared: Role | None = getattr(spec, "shared", None)
        if shared is not None:
            return self.role(shared)
        if not spec.source:
            return spec
        return spec.model_copy(update={"source": self._absolute(spec.source)})

    def _absolute(self, source: str) -> str:
        # A Path raises where a name is too long, holds a zero byte or begins with an unknown user.
        written = Path(os.path.expanduser(source))  # noqa: PTH111
        folder = self.home / written
        is_folder = os.path.isdir(folder)  # noqa: PTH112
        is_path = written.is_absolute() or source.startswith(".") or is_folder or len(written.parts) != 2
        return str(folder) if is_path else source


def available_profiles() -> tuple[str, ...]:
    """Names of the shipped profiles, sorted."""
    return tuple(sorted(p.stem for p in _SHIPPED.glob("*.yaml")))


def load_profile(name: str | Path) -> Profile:
    """Reads a profile; nothing of its checkpoints is touched.

    Args:
        name: of a shipped profile, or the path of a YAML file, whose relative sources are relative to it.

    Raises:
        ModelError: no such profile, or one that says something that profiles do not have.
    """
    own = str(name).endswith(_YAML)
    path = Path(name).expanduser() if own else _SHIPPED / f"{name}.yaml"
    if not own and str(name) not in available_profiles():
        raise ModelError(
            f"profile '{name}': no such profile; accepted are auto, {', '.join(available_profiles())}, or the path of "
            "a YAML file of your own."
        )
    return _validated(path, _read(path), (path.parent if own else _INSTALLED).resolve())


def _read(path: Path) -> dict[str, Any]:
    try:
        data, _ = read_yaml(path, what="profile")
    except InputError as error:
        raise ModelError(f"{error} Compare it with a shipped profile.") from error
    if not isinstance(data, dict):
        raise ModelError(f"{path}: holds no mapping; a profile has `name` and `roles`.")
    return data


def _validated(path: Path, data: dict[str, Any], home: Path) -> Profile:
    try:
        return Profile.model_validate({"name": path.stem, **data, "home": home})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        found = display_text(str(first["input"]), 80)
        raise ModelError(
            f"{path}: {where}: {first['msg']} (found '{found}'); correct it; the roles are "
            f"{', '.join(Roles.model_fields)}."
        ) from error


@dataclass(frozen=True)
class RoleState:
    """Whether one role could be loaded now."""

    role: Role
    source: str
    """The folder or Hub id, as the profile says it."""
    ready: bool
    missing: str
    """What is missing and how to get it; empty where nothing is."""


def readiness(profile: Profile) -> list[RoleState]:
    """Looks for each role's checkpoint on disk and in the Hub's cache; the network is not used.

    The files are looked for, not read: a damaged one shows when it is loaded. A server is not asked:
    one that is named counts as ready.
    """
    states = []
    for role in Roles.model_fields:
        known: Role = role  # type: ignore[assignment]  # the field names are the roles
        written = getattr(profile.roles, role)
        if written is None:
            continue
        served = getattr(written, "served", None)
        if served is not None:
            states.append(RoleState(known, f"served at {served.url}", ready=True, missing=""))
            continue
        source = getattr(written, "package", None) or written.source
        if getattr(written, "shared", None):
            source = f"shared with {written.shared}"
        try:
            weight_files(locate(profile.role(known)))
        except ModelError as error:
            states.append(RoleState(known, source, ready=False, missing=str(error)))
        else:
            states.append(RoleState(known, source, ready=True, missing=""))
    return states


def digests(profile: Profile) -> dict[str, str]:
    """By role: SHA-256 (hex) of its weights, without loading them; of a served model, of how the profile names it.

    A role that another one serves as well is left out.

    Raises:
        tools.errors.ModelError: a checkpoint is not on disk.
    """
    found: dict[str, str] = {}
    for name in Roles.model_fields:
        role: Role = name  # type: ignore[assignment]  # the field names are the roles
        written = getattr(profile.roles, role)
        if written is None or getattr(written, "shared", None) is not None:
            continue
        if getattr(written, "served", None) is not None:
            found[role] = hashlib.sha256(written.model_dump_json().encode()).hexdigest()
        else:
            found[role] = digest_of(weight_files(locate(profile.role(role))))
    return found
