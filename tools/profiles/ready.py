"""Which roles of a profile have their checkpoint on disk."""

from __future__ import annotations

from dataclasses import dataclass

from tools.errors import ModelError
from tools.profiles.profile import Profile
from tools.profiles.spec import Role, Roles


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
    from tools.checkpoint import locate, weight_files

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
        source = f"shared with {written.shared}" if getattr(written, "shared", None) else written.source
        try:
            weight_files(locate(profile.role(known)))
        except ModelError as error:
            states.append(RoleState(known, source, ready=False, missing=str(error)))
        else:
            states.append(RoleState(known, source, ready=True, missing=""))
    return states
