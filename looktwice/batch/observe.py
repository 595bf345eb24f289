"""What a run tells machines: a structured log beside the results, and counters for Prometheus on a port."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from looktwice.batch.journal import kind_of
from tools.display_text import display_text
from tools.errors import InputError

if TYPE_CHECKING:
    from looktwice.batch.job import Outcome
    from looktwice.batch.run import Batch, Tally

LOG = "log.jsonl"


class Observer(Protocol):
    """Somebody who is told what a run does."""

    def started(self, batch: Batch, *, resumed: bool, done: int) -> None:
        """Before the first photo."""
        ...

    def outcome(self, outcome: Outcome) -> None:
        """After each photo, once its line is on disk."""
        ...

    def waiting(self, pending: int) -> None:
        """How many photos are on their way."""
        ...

    def ended(self, tally: Tally) -> None:
        """After the last photo, whatever ended the run."""
        ...


class Several:
    """Tells several observers."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def started(self, batch: Batch, *, resumed: bool, done: int) -> None:
        """Before the first photo."""
        for observer in self._observers:
            observer.started(batch, resumed=resumed, done=done)

    def outcome(self, outcome: Outcome) -> None:
        """After each photo."""
        for observer in self._observers:
            observer.outcome(outcome)

    def waiting(self, pending: int) -> None:
        """How many photos are on their way."""
        for observer in self._observers:
            observer.waiting(pending)

    def ended(self, tally: Tally) -> None:
        """After the last photo."""
        for observer in self._observers:
            observer.ended(tally)


class EventLog:
    """One line of JSON an event, in log.jsonl; a full disk costs lines of the log, never the run."""

    def __init__(self, out: Path) -> None:
        self._path = out / LOG
        self._told = False

    def started(self, batch: Batch, *, resumed: bool, done: int) -> None:
        """Start or resumption."""
        self._write("resumed" if resumed else "started", inputs=[str(p) for p in batch.inputs], done=done)

    def outcome(self, outcome: Outcome) -> None:
        """A photo; with a traceback where something broke."""
        found = {
            "file": outcome.job.name,
            "kind": kind_of(outcome.status, outcome.report),
            "seconds": {stage: round(value, 4) for stage, value in outcome.seconds.items()},
        }
        if outcome.error is not None:
            found |= {"error": display_text(outcome.error)}
        if outcome.detail:
            found |= {"detail": outcome.detail}
        self._write("photo", **found)

    def waiting(self, pending: int) -> None:
        """Nothing: what is on its way changes all the time."""

    def ended(self, tally: Tally) -> None:
        """The end, or the stop; nothing where the log was removed, and no word where it cannot be written."""
        self._told = True
        if not self._path.exists():
            return
        self._write(
            "ended",
            status=tally.status,
            kinds=dict(tally.kinds),
            seconds={k: round(v, 3) for k, v in tally.seconds.items()},
            wall=round(tally.wall, 3),
        )

    def _write(self, event: str, **values: Any) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            with self._path.open("a", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(json.dumps({"at": at, "event": event, **values}, ensure_ascii=False) + "\n")
        except OSError as error:
            if not self._told:
                self._told = True
                sys.stderr.write(
                    f"looktwice: {display_text(str(self._path))}: not written ({error.strerror}); the run goes on.\n"
                )


class Counters:
    """Counters in the text format of Prometheus, at http://127.0.0.1:PORT/metrics while the run lasts."""

    def __init__(self, port: int, *, address: str = "127.0.0.1") -> None:
        """Opens the port.

        Raises:
            InputError: the package is not installed, or the port is taken.
        """
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server
        except ImportError as error:
            raise InputError(
                "--metrics-port needs prometheus-client; install it by `pip install 'looktwice[metrics]'`."
            ) from error
        registry = CollectorRegistry()
        self._photos = Counter(
            "looktwice_photos", "Photos, by what they were found to be.", ["kind"], registry=registry
        )
        self._seconds = Counter("looktwice_stage_seconds", "Seconds, by stage.", ["stage"], registry=registry)
        self._pending = Gauge("looktwice_pending", "Photos on their way.", registry=registry)
        for kind in ("good", "anomalous", "refused", "failed"):
            self._photos.labels(kind)
        try:
            self._server, _ = start_http_server(port, addr=address, registry=registry)
        except (OSError, OverflowError) as error:
            raise InputError(
                f"port {port}: cannot be opened for counters ({error}); give --metrics-port a free one."
            ) from error

    def started(self, batch: Batch, *, resumed: bool, done: int) -> None:
        """Nothing: counters count this call."""

    def outcome(self, outcome: Outcome) -> None:
        """Counts a photo and its seconds."""
        self._photos.labels(kind_of(outcome.status, outcome.report)).inc()
        for stage, value in outcome.seconds.items():
            self._seconds.labels(stage).inc(value)

    def waiting(self, pending: int) -> None:
        """Photos on their way."""
        self._pending.set(pending)

    def ended(self, tally: Tally) -> None:
        """Closes the port."""
        self._server.shutdown()
        self._server.server_close()
