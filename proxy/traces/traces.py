"""Whether a call is traced, and what it is known by then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import getrandbits, random

from proxy.core import CALLED, Ids
from proxy.errors import SettingError
from proxy.settings import Settings
from proxy.traces.context import Parent, parent_of
from proxy.traces.steps import NOTHING, TRACER, Attributes, Step, Tracer

Counted = Callable[[str, int], None]  # what became of so many spans: ended, sent, failed


@dataclass(slots=True)  # not frozen: there is one for each call, and freezing costs five times as much
class Trace:
    """What one call is a part of."""

    step: Step  # the call itself
    passed: dict[str, str]  # the context that goes on where the call is not traced here

    def headers(self, within: Step) -> dict[str, str]:
        """The context for a backend that is called in a step."""
        return within.headers() or self.passed


UNTRACED = Trace(NOTHING, {})


class Traces:
    """Decides which calls are traced. A caller's own decision holds; of the other calls, a share is."""

    def __init__(self, tracer: Tracer | None = None, share: float = 1.0) -> None:
        self.tracer, self.share = tracer, share

    @classmethod
    def of(cls, settings: Settings, counted: Counted) -> Traces:
        """As the settings say. Raises SettingError when spans are to be sent, and what sends them is not installed."""
        if settings.traces == "off":
            return cls()
        try:
            from proxy.traces.otlp import Sender  # noqa: PLC0415 - OpenTelemetry is imported only where it is used
        except ImportError:
            expected = "off, or the extra otel installed: pip install 'parapet[otel]'"
            raise SettingError("traces", settings.traces, expected, settings.source("traces")) from None
        return cls(Sender(settings.traces, counted), settings.traces_share)

    def begin(self, request_id: str, traceparent: bytes, tracestate: bytes, name: str, attributes: Attributes) -> Trace:
        """A call begins: what is logged from here on knows its ids. Its step is for the caller of this to enter."""
        parent = parent_of(traceparent, tracestate)
        if self.tracer is None:
            CALLED.set(Ids(request_id, parent.trace_id if parent else "", parent is not None and parent.sampled))
            return Trace(NOTHING, parent.headers if parent else {})
        if parent.sampled if parent else random() < self.share:  # noqa: S311 - nothing secret
            TRACER.set(self.tracer)
            made = self.tracer.begin(name, attributes, parent)
            CALLED.set(Ids(request_id, made.trace_id, True))
            return Trace(made, {})
        parent = parent or Parent(f"{getrandbits(128) or 1:032x}", f"{getrandbits(64) or 1:016x}", False)
        CALLED.set(Ids(request_id, parent.trace_id))
        return Trace(NOTHING, parent.headers)

    def close(self) -> None:
        """Send what has not been sent."""
        if self.tracer is not None:
            self.tracer.close()
