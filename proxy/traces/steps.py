"""The steps of a call, as spans where the call is traced, and as nothing where it is not."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType, TracebackType
from typing import Literal, Protocol, Self

from proxy.traces.context import Parent

Kind = Literal["client", "internal"]
Value = str | int | float | bool
Attributes = Mapping[str, Value]
NO_ATTRIBUTES: Attributes = MappingProxyType({})


class Step(Protocol):
    """A step under way; `with` ends it. An exception that passes marks it as failed, by its kind alone."""

    @property
    def traced(self) -> bool:
        """Whether anybody will see it: if not, nothing needs to be made to be noted."""
        ...

    @property
    def trace_id(self) -> str:
        """The trace that it is a part of."""
        ...

    def note(self, attributes: Attributes) -> None:
        """Say more of it: names, numbers and kinds, never a text that a caller or a backend wrote."""
        ...

    def failed(self, kind: str) -> None:
        """It did not come to a good end."""
        ...

    def headers(self) -> dict[str, str]:
        """The context for whoever is called from here."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class Tracer(Protocol):
    """Makes spans and sends them somewhere."""

    def begin(self, name: str, attributes: Attributes, parent: Parent | None) -> Step:
        """A call: the first step of a trace, or one within somebody else's."""
        ...

    def step(self, name: str, kind: Kind, attributes: Attributes, begun: int | None) -> Step:
        """A step within the current one; `begun` in nanoseconds since 1970, now if nothing is said."""
        ...

    def close(self) -> None:
        """Send what has not been sent."""
        ...


class Untraced:
    """A step that nobody follows."""

    traced = False
    trace_id = ""

    def note(self, attributes: Attributes) -> None:
        """Nothing."""

    def failed(self, kind: str) -> None:
        """Nothing."""

    def headers(self) -> dict[str, str]:
        """No context."""
        return {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing."""


NOTHING = Untraced()
TRACER: ContextVar[Tracer | None] = ContextVar("TRACER", default=None)  # of the call that is served, if it is traced
STEP: ContextVar[Step | None] = ContextVar("STEP", default=None)  # the innermost that is under way


def followed() -> bool:
    """Whether the call is traced: if not, nothing needs to be made to be noted."""
    return TRACER.get() is not None


def current() -> Step:
    """The innermost step that is under way."""
    return STEP.get() or NOTHING


def step(name: str, attributes: Attributes = NO_ATTRIBUTES, *, kind: Kind = "internal", begun: int | None = None) -> Step:
    """A step of the call that is served."""
    tracer = TRACER.get()
    return NOTHING if tracer is None else tracer.step(name, kind, attributes, begun)
