"""What travels through a batch: a photo to inspect, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tools.display_text import display_text

Status = Literal["inspected", "refused", "failed"]
"""Inspected; refused for what the file holds; or failed for another reason, and tried again when the run resumes."""


@dataclass(frozen=True)
class Job:
    """One photo to inspect."""

    path: Path
    name: str
    """How results call it: its path below the folder that was named, or as it was named."""
    folder: str | None
    """Name of its report's folder inside the output folder; None where only the line is kept."""
    tries: int = 0
    """How often a process ended while it inspected this photo."""


@dataclass(frozen=True)
class Outcome:
    """What became of one photo; small, so that it can travel between processes."""

    job: Job
    status: Status
    digest: str | None
    """SHA-256 (hex) of the file's bytes; None where they could not be read."""
    report: dict[str, Any] | None = None
    """The report as JSON values, of an inspected photo."""
    error: str | None = None
    """One sentence, of a photo that was not inspected."""
    detail: str = ""
    """A traceback for the log."""
    disk_full: bool = False
    """Whether the report could not be written for want of room, which every other photo would meet as well."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By stage: decode, the steps of the inspection, write."""


class Line(BaseModel):
    """One line of results.jsonl (inspected and refused) or failures.jsonl (failed)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    digest: str | None
    status: Status
    folder: str | None
    error: str | None
    seconds: dict[str, float]
    report: dict[str, Any] | None

    @classmethod
    def of(cls, outcome: Outcome) -> Line:
        """The line of an outcome."""
        return cls(
            file=display_text(outcome.job.name),
            digest=outcome.digest,
            status=outcome.status,
            folder=outcome.job.folder if outcome.status == "inspected" else None,
            error=display_text(outcome.error) if outcome.error is not None else None,
            seconds={stage: round(value, 4) for stage, value in outcome.seconds.items()},
            report=outcome.report,
        )
