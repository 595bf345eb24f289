"""What inspects the photos of a batch: takes a bounded number of jobs, and gives their outcomes as they come."""

from __future__ import annotations

from typing import Protocol

from looktwice.batch.job import Job, Outcome


class Runner(Protocol):
    """One way of inspecting many photos."""

    @property
    def room(self) -> int:
        """How many more jobs it takes now; so no more is read ahead than can be used soon."""
        ...

    @property
    def pending(self) -> int:
        """Jobs taken whose outcome has not been given."""
        ...

    def submit(self, job: Job) -> None:
        """Takes a job; returns at once."""
        ...

    def collect(self, seconds: float) -> list[Outcome]:
        """The outcomes that are there, waiting for one for about so many seconds at most."""
        ...

    def drop(self) -> None:
        """Gives up the jobs that were not begun; those begun still have their outcome."""
        ...

    def close(self) -> None:
        """Ends threads and processes."""
        ...
