"""Spans by OpenTelemetry, sent in batches from a thread by OTLP over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from proxy import __version__
from proxy.traces.context import Parent
from proxy.traces.steps import STEP, Attributes, Kind, Step

if TYPE_CHECKING:
    from proxy.traces.traces import Counted

PATH = "/v1/traces"
TIMEOUT = 10.0  # seconds for one batch
KINDS = {"client": SpanKind.CLIENT, "internal": SpanKind.INTERNAL}
INVALID = SpanContext(0, 0, False)


class Sender:
    """Makes spans and sends them to a receiver; those that it cannot send are counted, and no call waits."""

    def __init__(self, url: str, counted: Counted) -> None:
        endpoint = url.rstrip("/") if url.rstrip("/").endswith(PATH) else url.rstrip("/") + PATH
        # The SDK's own sampler has nothing to decide: whether a call is traced is known before there is a span.
        resource = Resource.create({"service.name": "parapet", "service.version": __version__})
        self.provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
        self.provider.add_span_processor(Counting(counted))
        self.provider.add_span_processor(BatchSpanProcessor(Exporter(OTLPSpanExporter(endpoint, timeout=TIMEOUT), counted)))
        self.tracer = self.provider.get_tracer("parapet", __version__)

    def begin(self, name: str, attributes: Attributes, parent: Parent | None) -> Step:
        """A call: the first step of a trace, or one within somebody else's."""
        above = NonRecordingSpan(remote(parent) if parent else INVALID)
        return Spanned(self.tracer.start_span(name, set_span_in_context(above), SpanKind.SERVER, dict(attributes)))

    def step(self, name: str, kind: Kind, attributes: Attributes, begun: int | None) -> Step:
        """A step within the current one."""
        above = STEP.get()
        span = above.span if isinstance(above, Spanned) else NonRecordingSpan(INVALID)
        return Spanned(self.tracer.start_span(name, set_span_in_context(span), KINDS[kind], dict(attributes), start_time=begun))

    def close(self) -> None:
        """Send what has not been sent."""
        self.provider.shutdown()


class Spanned:
    """A step that is a span."""

    __slots__ = ("span", "token")
    traced = True

    def __init__(self, span: Span) -> None:
        self.span = span
        self.token: Token[Any] | None = None

    @property
    def trace_id(self) -> str:
        return f"{self.span.get_span_context().trace_id:032x}"

    def note(self, attributes: Attributes) -> None:
        self.span.set_attributes(dict(attributes))

    def failed(self, kind: str) -> None:
        self.span.set_attribute("error.type", kind)
        self.span.set_status(StatusCode.ERROR)

    def headers(self) -> dict[str, str]:
        context = self.span.get_span_context()
        parent = Parent(self.trace_id, f"{context.span_id:016x}", context.trace_flags.sampled, context.trace_state.to_header())
        return parent.headers

    def __enter__(self) -> Self:
        self.token = STEP.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.token is not None:
            STEP.reset(self.token)
        if kind is not None:
            self.failed(kind.__name__)  # its message may quote somebody
        self.span.end()


class Counting(SpanProcessor):
    """Counts the spans that have ended: beside those that were sent, it shows how many were not."""

    def __init__(self, counted: Counted) -> None:
        self.counted = counted

    def on_end(self, span: ReadableSpan) -> None:  # noqa: ARG002 - what a processor is called with
        """One more."""
        self.counted("ended", 1)


class Exporter(SpanExporter):
    """An exporter whose results are counted."""

    def __init__(self, sends: SpanExporter, counted: Counted) -> None:
        self.sends, self.counted = sends, counted

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch."""
        result = self.sends.export(spans)
        self.counted("sent" if result == SpanExportResult.SUCCESS else "failed", len(spans))
        return result

    def shutdown(self) -> None:
        """No more will come."""
        self.sends.shutdown()


def remote(parent: Parent) -> SpanContext:
    """A caller's span."""
    flags = TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT)
    state = TraceState.from_header([parent.state]) if parent.state else None
    return SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), True, flags, state)
