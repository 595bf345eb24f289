"""Reads profiles from YAML: those that are shipped, and anybody's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tools.display_text import display_text
from tools.documents import read_yaml
from tools.errors import InputError, ModelError
from tools.profiles.spec import ModelSpec, Role, Roles

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

        That of a narrator on a server has no source.

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
