"""A load generator for the loopback, over kept connections: so many calls at once, or so many a second, and how long each took.

In the open loop calls are due at fixed times, whatever becomes of those before, and the time of a call begins when it was due: a
system that stalls does not stall its own measurement (what Gil Tene calls coordinated omission).
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import httptools

_SAYS = re.compile(rb'"content":\s*"[^"]')  # text, and not only the role that opens a stream
_EVENT = b"\ndata:"  # JSON escapes its line ends, so no text can look like this


@dataclass(frozen=True, slots=True)
class Call:
    """One call; times are in seconds from the moment its bytes were written, or were due in an open loop."""

    status: int  # 0: the connection was lost, could not be made, or the load's patience ran out
    seconds: float
    first: float  # to the first byte of the body
    text: float  # to the first read of the body that carries text of the answer
    gap: float  # the longest wait between two reads of the body
    size: int  # bytes of the body
    events: int  # server-sent events in it
    number: int = 0  # of its body


@dataclass(frozen=True, slots=True)
class Load:
    """What to send: each body once, in order, over `connections` that each wait for an answer before their next call.

    With a `rate`, calls begin at that many a second, over as many connections as it takes, `connections` at most.
    """

    url: str
    bodies: Sequence[bytes]
    connections: int = 1
    seconds: float = 120.0  # no call begins later than this
    patience: float = 30.0  # seconds after which a call is given up
    rate: float = 0.0  # calls a second, in an open loop; 0: the loop is closed
    ramp: float = 0.0  # seconds over which the connections begin, one after the other
    headers: Mapping[str, str] = field(default_factory=dict)
    keep: int = 8  # so many good answers are kept, to be looked at afterwards


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a load."""

    calls: tuple[Call, ...]
    seconds: float  # by the clock on the wall, from the first call to the last answer
    answers: tuple[bytes, ...]

    @property
    def good(self) -> tuple[Call, ...]:
        """The calls that were answered with status 200."""
        return tuple(call for call in self.calls if call.status == 200)


class _Exchange:
    """One call on the wire: takes what the parser reads, and ends in a `Call`."""

    def __init__(self, done: asyncio.Future[Call], number: int, *, keep: bool, due: float = 0.0) -> None:
        self._done, self._number, self._keep = done, number, keep
        self._parser = httptools.HttpResponseParser(self)
        self._first = self._text = self._gap = 0.0
        self._size = self._events = 0
        self._opening = b""  # of the body, until there is text in it
        self._tail = b"\n"
        self.body: list[bytes] = []
        self.closes = False
        self._began = self._now = due or time.perf_counter()

    def feed(self, data: bytes) -> None:
        now = time.perf_counter()
        if self._size:
            self._gap = max(self._gap, now - self._now)
        self._now = now
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.lost()

    def on_body(self, body: bytes) -> None:
        if not self._size:
            self._first = self._now - self._began
        self._size += len(body)
        if self._keep:
            self.body.append(body)
        if not self._text:
            self._opening += body
            if _SAYS.search(self._opening):
                self._text = self._now - self._began
        seen = self._tail + body
        self._events += seen.count(_EVENT)
        self._tail = seen[1 - len(_EVENT) :]

    def on_message_complete(self) -> None:
        self.closes = not self._parser.should_keep_alive()
        self._finish(self._parser.get_status_code())

    def lost(self) -> None:
        self.closes = True
        self._finish(0)

    def _finish(self, status: int) -> None:
        if not self._done.done():
            took = time.perf_counter() - self._began
            call = Call(status, took, self._first or took, self._text or took, self._gap, self._size, self._events, self._number)
            self._done.set_result(call)


class _Wire(asyncio.Protocol):
    """One kept connection, one call at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._exchange: _Exchange | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods, not by its class

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        if self._exchange is not None:
            self._exchange.lost()

    def data_received(self, data: bytes) -> None:
        if self._exchange is not None:
            self._exchange.feed(data)

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def write(self, message: bytes, exchange: _Exchange) -> None:
        self._exchange = exchange
        if self._transport is None:
            exchange.lost()
        else:
            self._transport.write(message)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class _Run:
    """One load on its way: the messages that are left, and the calls that are done."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._address = _loopback(load.url)
        self._loop = asyncio.get_running_loop()
        self._messages = self._compose()
        self._calls: list[Call] = []
        self._answers: list[bytes] = []

    async def __call__(self) -> Outcome:
        if self._load.rate:
            return await self._open_loop()
        wires = [await self._connect() for _ in range(self._load.connections)]
        began = time.perf_counter()
        deadline = began + self._load.seconds
        await asyncio.gather(*(self._work(wire, place, deadline) for place, wire in enumerate(wires)))
        return Outcome(tuple(self._calls), time.perf_counter() - began, tuple(self._answers))

    async def _open_loop(self) -> Outcome:
        """Calls at a fixed rate; one that finds no connection free waits, and its time runs."""
        free: asyncio.Queue[_Wire] = asyncio.Queue()
        for _ in range(self._load.connections):
            free.put_nowait(_Wire())
        began = time.perf_counter()
        calls: set[asyncio.Task[None]] = set()
        for place, (number, message) in enumerate(self._messages):
            due = began + place / self._load.rate
            if due > began + self._load.seconds:
                break
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.create_task(self._due(free, number, message, due))
            calls.add(task)
            task.add_done_callback(calls.discard)
        await asyncio.gather(*calls)
        while not free.empty():
            free.get_nowait().close()
        return Outcome(tuple(self._calls), time.perf_counter() - began, tuple(self._answers))

    async def _due(self, free: asyncio.Queue[_Wire], number: int, message: bytes, due: float) -> None:
        wire = await free.get()
        if not wire.open:
            wire = await self._connect()
        free.put_nowait(await self._call(wire, number, message, due))

    def _compose(self) -> Iterator[tuple[int, bytes]]:
        host = f"{self._address.host}:{self._address.port}"
        headers = {"host": host, "content-type": "application/json", "accept": "*/*"} | dict(self._load.headers)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {self._address.path} HTTP/1.1\r\n{lines}".encode()
        for number, body in enumerate(self._load.bodies):
            yield number, head + b"content-length: %d\r\n\r\n" % len(body) + body

    async def _connect(self) -> _Wire:
        try:
            _, wire = await self._loop.create_connection(_Wire, self._address.host, self._address.port)
        except OSError:
            wire = _Wire()  # closed: its call is counted as lost
        return wire

    async def _work(self, wire: _Wire, place: int, deadline: float) -> None:
        await asyncio.sleep(self._load.ramp * place / self._load.connections)
        for number, message in self._messages:
            if time.perf_counter() > deadline:
                break
            if not wire.open:
                wire = await self._connect()
            wire = await self._call(wire, number, message)
        wire.close()

    async def _call(self, wire: _Wire, number: int, message: bytes, due: float = 0.0) -> _Wire:
        done: asyncio.Future[Call] = self._loop.create_future()
        exchange = _Exchange(done, number, keep=len(self._answers) < self._load.keep, due=due)
        giving_up = self._loop.call_later(self._load.patience, wire.close)
        wire.write(message, exchange)
        call = await done
        giving_up.cancel()
        self._calls.append(call)
        if call.status == 200 and len(self._answers) < self._load.keep:
            self._answers.append(b"".join(exchange.body))
        if exchange.closes:
            wire.close()
        return wire


@dataclass(frozen=True, slots=True)
class _Address:
    host: str
    port: int
    path: str


def _loopback(url: str) -> _Address:
    """The parts of an address on this machine; raises ValueError for any other."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or not parts.port or not ipaddress.ip_address(parts.hostname).is_loopback:
        raise ValueError(f"{url}: expected http://127.0.0.1:PORT/…, for load is sent to the loopback only")
    return _Address(parts.hostname, parts.port, parts.path or "/")


async def send(load: Load) -> Outcome:
    """Sends the load; raises ValueError when its address is not on this machine."""
    return await _Run(load)()
