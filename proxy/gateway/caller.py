"""The caller's side of a call: what it sent, and the way to answer it, over plain ASGI."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from random import getrandbits
from typing import Any
from urllib.parse import parse_qsl

import orjson

from proxy.errors import RequestError
from proxy.gateway.form import parsed_form

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

MOMENT = 0.02  # seconds
LONGEST_QUERY = 4096  # bytes that are looked at
REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
KEYS = (b"authorization", b"x-api-key", b"x-goog-api-key")  # the headers in which clients send their key


class ClientLeft(Exception):
    """The caller closed the connection; nobody waits for the answer."""


class Caller:
    """Whoever calls, and what has been sent back so far."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.receive, self.send = receive, send
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.params: Mapping[str, str] = params_of(scope)
        self.request_id = request_id_of(self.headers.get(b"x-request-id", b""))
        self.extra: Headers = [(b"x-request-id", self.request_id.encode())]  # headers of whatever is answered
        self.started = self.streaming = False  # the answer has begun, so its status stands; it comes in pieces

    @property
    def keys(self) -> list[str]:
        """What may be a key, from the headers."""
        return [self.headers.get(name, b"").decode("latin-1") for name in KEYS]

    @property
    def context(self) -> tuple[bytes, bytes]:
        """The trace that the call is a part of, as its headers say it."""
        return self.headers.get(b"traceparent", b""), self.headers.get(b"tracestate", b"")

    def named(self, names: tuple[str, ...]) -> dict[str, str]:
        """Those of its headers that are there."""
        if not names:
            return {}
        found = ((name, self.headers.get(name.encode(), b"")) for name in names)
        return {name: value.decode("latin-1") for name, value in found if value}

    async def body(self, limit: int) -> bytes:
        """The request's body. Raises RequestError when it is too large."""
        length = self.headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > limit:
            raise too_large(limit)
        pieces, size, more = [], 0, True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > limit:
                raise too_large(limit)
            more = message.get("more_body", False)
        return b"".join(pieces)

    async def payload(self, limit: int, *, form: bool) -> Any:
        """The request's body, parsed. Raises RequestError."""
        body = await self.body(limit)
        if not form:
            return parsed(body)
        kind = self.headers.get(b"content-type", b"")
        return await asyncio.to_thread(parsed_form, body, kind)

    async def tell(self, message: MutableMapping[str, Any]) -> None:
        """Send to the caller. Raises ClientLeft when the caller has gone."""
        try:
            await self.send(message)
        except OSError:
            raise ClientLeft from None

    async def begin(self, content_type: bytes) -> None:
        """Begin an answer that comes in pieces."""
        self.started = self.streaming = True
        headers = [(b"content-type", content_type), (b"cache-control", b"no-cache"), *self.extra]
        await self.tell({"type": "http.response.start", "status": 200, "headers": headers})

    async def pass_on(self, out: bytes) -> None:
        """Send more of an answer that has begun."""
        if out:
            await self.tell({"type": "http.response.body", "body": out, "more_body": True})

    async def end(self, out: bytes = b"") -> None:
        """End an answer that has begun."""
        with contextlib.suppress(OSError):  # the caller has gone
            await self.send({"type": "http.response.body", "body": out})

    async def answer(self, status: int, body: bytes, content_type: bytes = b"application/json") -> None:
        """Send a whole answer."""
        self.started = True
        headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), *self.extra]
        with contextlib.suppress(OSError):  # the caller has gone
            await self.send({"type": "http.response.start", "status": status, "headers": headers})
            await self.send({"type": "http.response.body", "body": body})


class Watch:
    """Cancels the task that made it when the caller leaves.

    It listens from a moment later on: a task that listens costs more than all else that is done for an answer that is soon there.
    """

    def __init__(self, caller: Caller) -> None:
        self.caller, self.work = caller, asyncio.current_task()
        self.task: asyncio.Task[None] | None = None
        self.heard = False  # the caller has left, and the task was cancelled
        self.timer = asyncio.get_running_loop().call_later(MOMENT, self.begin)

    def begin(self) -> None:
        """Listen from now on."""
        self.task = asyncio.create_task(self.listen())

    async def listen(self) -> None:
        """Until the caller leaves."""
        while (await self.caller.receive())["type"] != "http.disconnect":
            pass
        if self.work is not None:
            self.heard = True
            self.work.cancel()

    @property
    def left(self) -> bool:
        """Whether the task was cancelled because the caller has left, and for no other reason."""
        return self.heard and self.work is not None and self.work.uncancel() == 0

    def stop(self) -> None:
        """The task needs no watching any more."""
        self.timer.cancel()
        if self.task is not None:
            self.task.cancel()


def too_large(limit: int) -> RequestError:
    """A body with more bytes than that."""
    return RequestError(f"the body is larger than max_body, {limit} bytes", status=413, code="body_too_large")


def params_of(scope: Scope) -> Mapping[str, str]:
    """The parameters of a path that has some, and those of its query, each behind a question mark."""
    given = scope.get("path_params")
    if not given:
        return {}
    query = scope.get("query_string", b"")[:LONGEST_QUERY].decode("latin-1")
    return {**given, **{f"?{name}": value for name, value in parse_qsl(query)}}


def request_id_of(given: bytes) -> str:
    """The caller's request id, if it is fit to be written down, else a new one."""
    return given.decode() if REQUEST_ID.fullmatch(given) else f"{getrandbits(128):032x}"


def parsed(body: bytes) -> Any:
    """The body as JSON. What is sent on is written anew from this, so the backend sees what was inspected."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise RequestError(f"the body is not valid JSON: {error.msg.partition(':')[0]} at {place}", code="invalid_json") from None
