"""What Parapet is measured against: the barest relays that a Python proxy can be, and an application that answers by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypedDict

import aiohttp
import orjson
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bench.backend import Script

PATH = "/v1/chat/completions"
JSON = {"content-type": "application/json"}


class _State(TypedDict):
    session: aiohttp.ClientSession


def _session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    return aiohttp.ClientSession(connector=connector, auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None, connect=5))


def _starlette(endpoint: Callable[[Request], Awaitable[Response]]) -> ASGIApp:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[_State]:
        async with _session() as session:
            yield {"session": session}

    return Starlette(routes=[Route(PATH, endpoint, methods=["POST"])], lifespan=lifespan)


def relay(upstream: str) -> ASGIApp:
    """The bare relay: bytes in, bytes out. A whole answer goes out as one, since a StreamingResponse would double its cost."""

    async def endpoint(request: Request) -> Response:
        session: aiohttp.ClientSession = request.state.session
        answer = await session.post(upstream + PATH, data=await request.body(), headers=JSON)
        headers = {"content-type": answer.headers["content-type"]}
        if answer.content_type != "text/event-stream":
            return Response(await answer.read(), answer.status, headers)
        return StreamingResponse(answer.content.iter_any(), answer.status, headers, background=BackgroundTask(answer.release))

    return _starlette(endpoint)


def parsed(upstream: str) -> ASGIApp:
    """The bare relay that also parses and writes the request, the answer, and each event of a stream."""

    async def endpoint(request: Request) -> Response:
        session: aiohttp.ClientSession = request.state.session
        asked = orjson.loads(await request.body())
        answer = await session.post(upstream + PATH, data=orjson.dumps(asked), headers=JSON)
        if asked.get("stream"):
            done = BackgroundTask(answer.release)
            return StreamingResponse(_events(answer.content), answer.status, media_type="text/event-stream", background=done)
        said = orjson.loads(await answer.read())
        return Response(orjson.dumps(said), answer.status, media_type="application/json")

    return _starlette(endpoint)


async def _events(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    rest = b""
    async for data in content.iter_any():
        *events, rest = (rest + data).split(b"\n\n")
        yield b"".join(map(_rewritten, events))


def _rewritten(event: bytes) -> bytes:
    source = event.removeprefix(b"data: ")
    return event + b"\n\n" if source == b"[DONE]" else b"data: " + orjson.dumps(orjson.loads(source)) + b"\n\n"


class Plain:
    """The relay without Starlette: a plain ASGI application around an aiohttp client."""

    def __init__(self, upstream: str) -> None:
        self._url = upstream + PATH
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _nothing_to_start(scope, receive, send)
            return
        if self._session is None:
            self._session = _session()
        async with self._session.post(self._url, data=await _body(receive), headers=JSON) as answer:
            kind = answer.headers["content-type"].encode()
            await send({"type": "http.response.start", "status": answer.status, "headers": [(b"content-type", kind)]})
            async for data in answer.content.iter_any():
                await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class Answering:
    """No relay: the server's own cost, with an application that says by itself what the backend would say."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._whole = [answer.partition(b"\r\n\r\n")[2] for answer in script.whole]
        self._turn = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _nothing_to_start(scope, receive, send)
            return
        asked = await _body(receive)
        self._turn = (self._turn + 1) % len(self._whole)
        if b'"stream":true' not in asked:
            whole = self._whole[self._turn]
            length = str(len(whole)).encode()
            await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS, (b"content-length", length)]})
            await send({"type": "http.response.body", "body": whole})
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        clock = asyncio.get_running_loop()
        began = clock.time()
        for number, event in enumerate(self._script.beats(self._turn, usage=True)):
            await asyncio.sleep(began + number * self._script.pace - clock.time())
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


_HEADERS = [(b"content-type", b"application/json")]


async def _body(receive: Receive) -> bytes:
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def _nothing_to_start(scope: Scope, receive: Receive, send: Send) -> None:
    while scope["type"] == "lifespan":
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def application(name: str, upstream: str) -> ASGIApp:
    """The application of that name: relay, parsed, plain (around the backend at `upstream`), or answering (without one)."""
    if name == "answering":
        return Answering(Script.of())
    makers: dict[str, Callable[[str], ASGIApp]] = {"relay": relay, "parsed": parsed, "plain": Plain}
    return makers[name](upstream)
