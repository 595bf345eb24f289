"""What a result was made with: versions, weights, seeds, hardware and time."""

from __future__ import annotations

import datetime
import os
import platform
from importlib.metadata import PackageNotFoundError, version

from pydantic import BaseModel, ConfigDict

LIBRARIES = (
    "looktwice", "torch", "torchvision", "transformers", "open_clip_torch", "langgraph", "numpy", "scipy",
    "scikit-learn", "scikit-image", "pillow",
)  # fmt: skip
"""Whose versions can change a figure."""


class RunRecord(BaseModel):
    """One session of a run; a resumed run keeps that of its last."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    python: str
    platform: str
    processor: str
    cores: int
    device: str
    versions: dict[str, str]
    models: dict[str, str]
    """SHA-256 of each role's checkpoint."""
    seed: int
    started: str
    """ISO 8601, UTC."""
    seconds: float
    """Spent on images over all sessions, by their own clocks."""


def record(*, device: str, models: dict[str, str], seed: int, started: str, seconds: float) -> RunRecord:
    """The record of this process."""
    return RunRecord(
        python=platform.python_version(),
        platform=platform.platform(),
        processor=_processor(),
        cores=os.cpu_count() or 1,
        device=device,
        versions={name: found for name in LIBRARIES if (found := _version(name))},
        models=models,
        seed=seed,
        started=started,
        seconds=round(seconds, 3),
    )


def now() -> str:
    """The time, in ISO 8601 and UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _processor() -> str:
    """The processor's own name where the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
            named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        named = []
    return named[0] if named else platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
