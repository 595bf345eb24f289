"""`auto`: the best profile whose checkpoints are on disk and that fits the device."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

from tools import models
from tools.errors import ModelError
from tools.profiles.catalog import Profile, available_profiles, load_profile, readiness


class Choice(NamedTuple):
    """What `auto` stands for on this machine."""

    profile: Profile
    why: str
    """One line: which, and why not a better one."""


def resolve_profile(name: str | Path = "auto") -> Profile:
    """A profile by name or file; "auto" is the best that is ready, and says why on standard error.

    Raises:
        ModelError: no such profile, or "auto" and none is ready.
    """
    if str(name) != "auto":
        return load_profile(name)
    choice = best_profile()
    _say(choice.why)
    return choice.profile


def best_profile() -> Choice:
    """The highest-ranked profile whose checkpoints are all on disk and that fits the device; never fetches one.

    Raises:
        ModelError: none is ready.
    """
    memory = models.gpu_gib()
    passed: list[str] = []
    shipped = [profile for profile in map(load_profile, available_profiles()) if profile.auto]
    for profile in sorted(shipped, key=lambda p: -p.rank):
        obstacle = _obstacle(profile, memory)
        if obstacle is None:
            reasons = f" ({'; '.join(passed)})" if passed else ""
            where = f"a GPU of {memory:.0f} GiB" if memory else "the CPU"
            return Choice(profile, f"profile {profile.name}: the best that is on disk and fits {where}{reasons}")
        passed.append(f"{profile.name}: {obstacle}")
    raise ModelError(f"no profile is ready: {'; '.join(passed)}; run `looktwice doctor` to see what each one misses.")


def _say(line: str) -> None:
    """Logs to "looktwice"; where nobody has set up logging, the line goes to standard error by itself."""
    log = logging.getLogger("looktwice")
    if log.hasHandlers():
        log.info("%s", line)
        return
    # For this line alone: a library that leaves handlers behind decides what its user's other lines look like.
    handler, level = logging.StreamHandler(), log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        log.info("%s", line)
    finally:
        log.setLevel(level)
        log.removeHandler(handler)


def _obstacle(profile: Profile, memory: float | None) -> str | None:
    """Why a profile cannot be taken, or None."""
    if memory is None and not profile.cpu:
        return f"wants a GPU of {profile.gpu_gib:.0f} GiB"
    if memory is not None and memory < profile.gpu_gib and not profile.cpu:
        return f"wants {profile.gpu_gib:.0f} GiB of GPU memory, there are {memory:.0f}"
    absent = [state.role for state in readiness(profile) if not state.ready]
    return f"{', '.join(absent)} not on disk" if absent else None
