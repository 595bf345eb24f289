"""OpenTelemetry spans of a batch: one an inspection, one a step, sent as the standard OTEL_* variables say."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from looktwice.batch.journal import kind_of
from tools.display_text import display_text
from tools.errors import InputError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

    from looktwice.batch.job import Outcome
    from looktwice.batch.run import Batch, Tally

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

    def started(self, batch: Batch, *, resumed: bool, done: int) -> None:
        """Nothing: a run may last for days, and a span is sent when it ends."""

    def outcome(self, outcome: Outcome) -> None:
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
    from importlib.metadata import entry_points

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


def _attributes(outcome: Outcome) -> dict[str, str | float | int]:
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
