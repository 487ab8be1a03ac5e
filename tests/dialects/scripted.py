"""A backend with a script: a server that answers each path as it was told, whole or in pieces, and notes what it was sent."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.world import served

Script = Callable[[Any], Any]  # of a payload: an answer, or a list of pieces for a stream


@dataclass
class Backend:
    """What the script says, and what came."""

    scripts: Mapping[str, Script]
    base: str = ""  # of the scripts' paths
    address: str = ""
    paths: list[str] = field(default_factory=list)
    payloads: list[Any] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        """One call."""
        path = request.url.path.removeprefix(self.base)
        body = await request.body()
        payload = orjson.loads(body) if request.headers.get("content-type", "").startswith("application/json") else body
        self.paths.append(path)
        self.payloads.append(payload)
        script = self.scripts.get(path)
        if script is None:
            return Response(orjson.dumps({"error": {"message": "no such path"}}), 404, media_type="application/json")
        said = script(payload)
        if isinstance(said, Response):
            return said
        if isinstance(said, list):
            return StreamingResponse(pieces(said), media_type="text/event-stream")
        return Response(orjson.dumps(said), media_type="application/json")


async def pieces(said: Iterable[bytes]) -> AsyncIterator[bytes]:
    """A stream, piece by piece."""
    for piece in said:
        yield piece


@contextlib.asynccontextmanager
async def scripted(scripts: Mapping[str, Script], base: str = "/v1") -> AsyncIterator[Backend]:
    """The backend on a real socket."""
    backend = Backend(scripts, base)
    app = Starlette(routes=[Route("/{path:path}", backend.answer, methods=["GET", "POST", "DELETE"])])
    async with served(app) as address:
        backend.address = address + base
        yield backend
