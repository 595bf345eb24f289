"""What a batch tells machines: a structured log, Prometheus counters and OpenTelemetry spans."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from looktwice.batch.records import KINDS, kind_of
from tools.display_text import display_text
from tools.errors import InputError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

    from looktwice.batch.records import PhotoOutcome
    from looktwice.batch.run import BatchPlan, Tally

LOG = "log.jsonl"


class Observer(Protocol):
    """Somebody who is told what a run does."""

    def started(self, batch: BatchPlan, *, resumed: bool, done: int) -> None:
        """Before the first photo."""
        ...

    def outcome(self, outcome: PhotoOutcome) -> None:
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

    def started(self, batch: BatchPlan, *, resumed: bool, done: int) -> None:
        """Before the first photo."""
        for observer in self._observers:
            observer.started(batch, resumed=resumed, done=done)

    def outcome(self, outcome: PhotoOutcome) -> None:
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

    def started(self, batch: BatchPlan, *, resumed: bool, done: int) -> None:
        """Start or resumption."""
        self._write("resumed" if resumed else "started", inputs=[str(p) for p in batch.inputs], done=done)

    def outcome(self, outcome: PhotoOutcome) -> None:
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
        for kind in KINDS:
            self._photos.labels(kind)
        try:
            self._server, _ = start_http_server(port, addr=address, registry=registry)
        except (OSError, OverflowError) as error:
            raise InputError(
                f"port {port}: cannot be opened for counters ({error}); give --metrics-port a free one."
            ) from error

    def started(self, batch: BatchPlan, *, resumed: bool, done: int) -> None:
        """Nothing: counters count this call."""

    def outcome(self, outcome: PhotoOutcome) -> None:
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


EXPORTERS = "opentelemetry_traces_exporter"
"""Entry points under which packages offer exporters; the names are those of OTEL_TRACES_EXPORTER."""
DEFAULT = "otlp"


class Spans:
    """An observer that makes spans.

    The seconds of steps were measured where they ran, perhaps in another process. Spans are laid one after the other
    and end when the photo's line was written, so that lengths are true and the moments true to the order of steps.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        """Takes where spans go.

        Args:
            provider: by default the one that the program has set, else one that exports as OTEL_* says.

        Raises:
            InputError: the packages are not installed, or there is no such exporter.
        """
        self._provider = provider or provider_of_environment()
        self._tracer = self._provider.get_tracer("looktwice")

    def started(self, batch: BatchPlan, *, resumed: bool, done: int) -> None:
        """Nothing: a run may last for days, and a span is sent when it ends."""

    def outcome(self, outcome: PhotoOutcome) -> None:
        """The spans of a photo and of its steps."""
        from opentelemetry.trace import Status, StatusCode, set_span_in_context

        lengths = {stage: round(seconds * 1e9) for stage, seconds in outcome.seconds.items()}
        ended = time.time_ns()
        at = ended - sum(lengths.values())
        whole = self._tracer.start_span("looktwice.inspect", start_time=at, attributes=_attributes(outcome))
        if outcome.error is not None:
            whole.set_status(Status(StatusCode.ERROR, display_text(outcome.error)))
        within = set_span_in_context(whole)
        for stage, length in lengths.items():
            step = self._tracer.start_span(f"looktwice.{stage}", within, start_time=at)
            at += length
            step.end(at)
        whole.end(ended)

    def waiting(self, pending: int) -> None:
        """Nothing: what is on its way has no span yet."""

    def ended(self, tally: Tally) -> None:
        """Sends what has not been sent."""
        self._provider.force_flush()


def provider_of_environment() -> TracerProvider:
    """The provider that the program has set, else one that exports as OTEL_TRACES_EXPORTER and its like say.

    Raises:
        InputError: the packages are not installed, or there is no such exporter.
    """
    try:
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise InputError("--spans needs OpenTelemetry; install it by `pip install 'looktwice[otel]'`.") from error
    there = trace.get_tracer_provider()
    if isinstance(there, TracerProvider):
        return there
    made = TracerProvider()
    for name in os.environ.get("OTEL_TRACES_EXPORTER", DEFAULT).split(","):
        if name.strip() != "none":
            made.add_span_processor(BatchSpanProcessor(_exporter(name.strip())))
    return made


def _exporter(name: str) -> SpanExporter:
    """An exporter by its name in OTEL_TRACES_EXPORTER.

    Raises:
        InputError: no installed package offers it.
    """
    sought = name
    if name == DEFAULT:
        protocol = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", protocol)
        sought = f"otlp_proto_{protocol.split('/')[0]}"
    found = {point.name: point for point in entry_points(group=EXPORTERS)}
    if sought not in found:
        raise InputError(
            f"OTEL_TRACES_EXPORTER is '{name}', for which nothing is installed; there are: "
            f"{', '.join(sorted({*found, 'none'}))}; or install the exporter's package."
        )
    exporter: SpanExporter = found[sought].load()()
    return exporter


def _attributes(outcome: PhotoOutcome) -> dict[str, str | float | int]:
    """What a span says of a photo."""
    kind = kind_of(outcome.status, outcome.report)
    found: dict[str, str | float | int] = {"looktwice.file": display_text(outcome.job.name), "looktwice.kind": kind}
    if outcome.report is not None:
        verdict = outcome.report["verdict"]
        found |= {
            "looktwice.product": display_text(outcome.report["product"]),
            "looktwice.profile": outcome.report["profile"],
            "looktwice.verdict": verdict["word"],
            "looktwice.score": verdict["score"],
            "looktwice.looks": len(outcome.report["looks"]),
        }
    return found
