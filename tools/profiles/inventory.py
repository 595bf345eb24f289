"""What each profile needs: every checkpoint with its size, its licence, and whether it lies here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import yaml

from tools.errors import ModelError
from tools.models.checkpoints import locate, weight_files
from tools.profiles.catalog import Profile
from tools.profiles.specification import ModelSpec, Role, Roles

_LICENCE = re.compile(r"^license:\s*(\S+)\s*$", re.MULTILINE)
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class CheckpointItem:
    """The checkpoint of one role."""

    role: str
    source: str
    """Folder, Hub id, server, or the role that it is shared with."""
    state: Literal["on disk", "missing", "shared", "served"]
    size: int | None
    """Bytes of its files, measured where it lies here, about what it is known to weigh where not; None if unknown."""
    licence: str
    """As its card says where it lies here; "unknown" without one."""
    commit: str
    """The Hub's commit that lies here; empty for none."""
    missing: str
    """What is missing, and how to get it; empty where nothing is."""


def inventory(profile: Profile) -> list[CheckpointItem]:
    """The checkpoints of a profile, one a role; the network is not used."""
    items = []
    for name in Roles.model_fields:
        role: Role = name  # type: ignore[assignment]  # the field names are the roles
        written = getattr(profile.roles, name)
        if written is None:
            continue
        shared, served = getattr(written, "shared", None), getattr(written, "served", None)
        if shared is not None:
            items.append(CheckpointItem(name, f"shared with {shared}", "shared", 0, "", "", ""))
        elif served is not None:
            items.append(CheckpointItem(name, f"served at {served.url}", "served", 0, "the server's", "", ""))
        else:
            items.append(_item(name, getattr(written, "package", None) or written.source, profile.role(role)))
    return items


def _item(role: str, source: str, spec: ModelSpec) -> CheckpointItem:
    stated = _known().get(source, {})
    try:
        folder = locate(spec)
        weight_files(folder)
    except ModelError as error:
        size = round(float(stated["gb"]) * 1e9) if "gb" in stated else None
        return CheckpointItem(role, source, "missing", size, str(stated.get("licence", "unknown")), "", str(error))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    commit = folder.name if _COMMIT.fullmatch(folder.name) else ""
    return CheckpointItem(
        role, source, "on disk", size, _licence(folder) or str(stated.get("licence", "unknown")), commit, ""
    )


def _licence(folder: Path) -> str:
    """What the card in a checkpoint's folder states, or nothing."""
    card = folder / "README.md"
    if not card.is_file():
        return ""
    text = card.read_text(encoding="utf-8", errors="replace")
    found = _LICENCE.search(text.split("\n---", 1)[0]) if text.startswith("---") else None
    return found.group(1) if found else ""


@cache
def _known() -> dict[str, dict[str, str | float]]:
    known: dict[str, dict[str, str | float]] = yaml.safe_load(
        (Path(__file__).parents[1] / "checkpoints.yaml").read_text(encoding="utf-8")
    )
    return known
