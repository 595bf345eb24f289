"""What a profile's models are, in a form that can be compared: the weights themselves, not their names."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.profiles.profile import Profile
    from tools.profiles.spec import Role


def digests(profile: Profile) -> dict[str, str]:
    """By role: SHA-256 (hex) of its weights, without loading them; of a served model, of how the profile names it.

    A role that another one serves as well is left out.

    Raises:
        tools.errors.ModelError: a checkpoint is not on disk.
    """
    from tools.checkpoint import digest_of, locate, weight_files
    from tools.profiles.spec import Roles

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
