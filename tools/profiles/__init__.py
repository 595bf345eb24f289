"""Profiles: which checkpoint serves each role, as YAML files, and which of them are ready on this machine.

Nothing here loads a model or fetches one.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from tools.profiles.catalog import Profile, RoleState, available_profiles, load_profile, readiness
    from tools.profiles.selection import Choice, best_profile, resolve_profile
    from tools.profiles.specification import ModelSpec, Role
else:
    __getattr__, __dir__, _ = lazy_loader.attach(
        __name__,
        submod_attrs={
            "catalog": ["Profile", "RoleState", "available_profiles", "load_profile", "readiness"],
            "selection": ["Choice", "best_profile", "resolve_profile"],
            "specification": ["ModelSpec", "Role"],
        },
    )

__all__ = [
    "Choice",
    "ModelSpec",
    "Profile",
    "Role",
    "RoleState",
    "available_profiles",
    "best_profile",
    "load_profile",
    "readiness",
    "resolve_profile",
]
