"""Scripted deployments in a pool of their own, with a clock that a test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from proxy.backends import Asked, Attempt, Pool
from proxy.backends.breaker import MISSED
from proxy.errors import BackendError, BackendRefused
from proxy.metrics import Metrics
from proxy.settings import EchoBackend
from proxy.settings import Pool as Terms

COUNTED = WeakKeyDictionary[Pool, Metrics]()  # where each pool is counted


@dataclass
class Clock:
    """Seconds, as far as the test lets them pass."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Said:
    """An answer: whole, or a stream of pieces, of which an error may be the last."""

    pieces: tuple[bytes | BackendError, ...]
    content_type: str = "application/json"
    closed: bool = False

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, BackendError):
                raise piece
            yield piece

    async def settle(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


@dataclass
class Scripted:
    """A backend that answers each call as `script` says: with an answer, an error, or when a future is done."""

    script: list[Any] = field(default_factory=list)
    heard: list[Asked] = field(default_factory=list)
    default: Any = b"{}"

    async def call(self, asked: Asked) -> Said:
        self.heard.append(asked)
        step = self.script.pop(0) if self.script else self.default
        if isinstance(step, asyncio.Future):
            step = await step
        if isinstance(step, BackendError):
            raise step
        if isinstance(step, bytes):
            return Said((step,), "text/event-stream" if asked.stream else "application/json")
        assert isinstance(step, Said)
        return step

    async def close(self) -> None:
        pass


@dataclass
class Well(Scripted):
    """One that can be asked whether it is well."""

    sick: BackendError | None = None
    enough: asyncio.Event = field(default_factory=asyncio.Event)  # it has been asked more often than a breaker needs
    probes: int = 0

    async def probe(self, seconds: float) -> None:
        self.probes += 1
        if self.probes > MISSED:
            self.enough.set()
        if self.sick is not None:
            raise self.sick


def pool(*backends: Scripted, clock: Callable[[], float] | None = None, rows: tuple[Any, ...] = (), **terms: Any) -> Pool:
    """A pool of scripted backends; `rows` say what each may take."""
    entries = [EchoBackend(kind="echo", **(rows[number] if rows else {})) for number in range(len(backends))]
    metrics = Metrics(["m"])
    made = Pool("m", Terms(backends=tuple(entries), **terms), backends, metrics, clock or Clock())
    COUNTED[made] = metrics
    return made


def asked(team: str = "", key: str = "", path: str = "/v1/chat/completions", stream: bool = False, **payload: Any) -> Asked:
    """A call."""
    return Asked(path, payload, "id-1", stream=stream, team=team, key=key)


def refused(status: int, **headers: str) -> BackendRefused:
    """An error status."""
    return BackendRefused(status, b"{}", "application/json", {name.replace("_", "-"): value for name, value in headers.items()})


async def called(made: Pool, call: Asked | None = None) -> Attempt:
    """One call, ended well."""
    attempt = await made.call(call or asked())
    attempt.close()
    return attempt


def sample(made: Pool, name: str, **labels: str) -> float:
    """What a metric of the pool shows; 0 for what was never counted."""
    return COUNTED[made].registry.get_sample_value(name, {"model": "m", **labels}) or 0.0
