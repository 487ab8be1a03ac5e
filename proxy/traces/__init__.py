"""Traces of calls: W3C contexts in and out, a span for each step. OpenTelemetry is imported only where spans are sent."""

from proxy.traces.context import Parent, parent_of
from proxy.traces.steps import NOTHING, Attributes, Step, Tracer, current, followed, step
from proxy.traces.traces import UNTRACED, Trace, Traces

__all__ = [
    "NOTHING",
    "UNTRACED",
    "Attributes",
    "Parent",
    "Step",
    "Trace",
    "Tracer",
    "Traces",
    "current",
    "followed",
    "parent_of",
    "step",
]
