"""What a call says of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reports = Literal["all", "anomalous", "none"]
"""Of which photos a report's folder is written, beside the line that each photo has."""


@dataclass(frozen=True)
class BatchOptions:
    """What the command line says of a batch."""

    workers: int | None = None
    watch: bool = False
    every: float = 2.0
    idle: float | None = None
    reports: Reports = "all"
    patience: float = 600.0
    ray: str | None = None
    metrics_port: int | None = None
    spans: bool = False

    @property
    def asked(self) -> bool:
        """Whether any of them asks for a batch, however many photos there are."""
        return self != BatchOptions()
