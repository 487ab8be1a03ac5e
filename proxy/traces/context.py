"""The context of a trace as HTTP carries it: `traceparent` and `tracestate` (W3C Trace Context, level 1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
STATE = re.compile(rb"[ -~\t]{1,512}")  # longer ones need not be passed on
SAMPLED = 0x01
LATEST, NEVER = b"00", b"ff"


@dataclass(frozen=True, slots=True)
class Parent:
    """The span of somebody else that a call is a part of."""

    trace_id: str
    span_id: str
    sampled: bool
    state: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The same, as HTTP carries it."""
        found = {"traceparent": f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"}
        return found | {"tracestate": self.state} if self.state else found


def parent_of(traceparent: bytes, tracestate: bytes = b"") -> Parent | None:
    """What a caller says that its call is a part of; nothing when it says nothing, or nothing that can be understood."""
    found = PARENT.fullmatch(traceparent) if traceparent else None
    if found is None:
        return None
    version, trace, span, flags, rest = found.groups()
    if version == NEVER or (version == LATEST and rest) or not trace.strip(b"0") or not span.strip(b"0"):
        return None
    state = tracestate.decode() if STATE.fullmatch(tracestate) else ""
    return Parent(trace.decode(), span.decode(), bool(int(flags, 16) & SAMPLED), state)
