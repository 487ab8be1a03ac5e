"""APIs that nobody can read here, passed on where the configuration says so: realtime sessions, batches and their files.

Without that they are refused. Each call is counted under `parapet_not_inspected_total` and has a record, the log says at the
start which APIs pass, and `/readyz` names them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote_plus

import aiohttp
import orjson

from proxy import unguarded
from proxy.audit import Record
from proxy.backends.openai import OpenAI
from proxy.errors import AccessError, RequestError, SettingError
from proxy.gateway import Gateway
from proxy.gateway.caller import Caller, ClientLeft, Receive, Scope, Send, Watch

PATHS: Mapping[str, tuple[str, ...]] = {  # of each API that may pass, the beginnings
    "realtime": ("/v1/realtime",),
    "batches": ("/v1/batches",),
    "files": ("/v1/files", "/v1/uploads"),
}
REASONS = {"realtime": "realtime", "batches": "batch", "files": "file"}
SENT = ("content-type", "accept", "openai-beta", "openai-safety-identifier")  # of a caller's headers, those that go on
SAID = ("content-type", "content-disposition")  # of an answer's
KEYED = "openai-insecure-api-key."  # the beginning of a subprotocol in which browsers send a key
PLAIN = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[\w.~:-]+)+", re.ASCII)  # a path that leads nowhere else, however it is read
log = logging.getLogger(__name__)


class Uninspected:
    """What passes, and to whom."""

    def __init__(self, gateway: Gateway) -> None:
        """Raises SettingError for a model without a backend that speaks OpenAI's API."""
        self.gateway = gateway
        self.models: Mapping[str, str] = {str(api): model for api, model in gateway.settings.uninspected.items()}
        self.backends = {api: backend_of(gateway, model) for api, model in self.models.items()}
        self.session: aiohttp.ClientSession | None = None
        for api in self.backends:
            log.warning("%s passes uninspected: no policy holds for what is said there (the setting uninspected)", api)

    def api(self, scope: Scope) -> str:
        """The API that a request is of, if it is one that passes."""
        path, kind = scope.get("path", ""), scope["type"]
        if not self.backends or not PLAIN.fullmatch(path):
            return ""
        for api in self.backends:
            if (kind == "websocket") <= (api == "realtime") and any(
                path == begin or path.startswith(begin + "/") for begin in PATHS[api]
            ):
                return api
        return ""

    async def __call__(self, api: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, and note it."""
        caller = Caller(scope, receive, send)
        record, begun = Record(caller.request_id, "uninspected"), time.perf_counter()
        record.model = self.models[api]
        try:
            record.principal = self.gateway.access.principal(*caller.keys)
            record.not_inspected[REASONS[api]] = 1
            self.gateway.metrics.not_inspected(REASONS[api])
            passing = self.socket if scope["type"] == "websocket" else self.request
            record.status = await passing(self.backends[api], scope, caller)
            record.outcome = "served"
        except RequestError as error:
            record.outcome, record.error = ("denied" if isinstance(error, AccessError) else "bad_request"), error.code
            record.status = error.status
            await refuse(scope, caller, error.message, error.status, error.code)
        except (aiohttp.ClientError, TimeoutError):
            record.outcome, record.error, record.status = "backend_error", "backend_unreachable", 502
            await refuse(scope, caller, "the backend gave no answer", 502, "backend_unreachable")
        except ClientLeft:
            record.outcome, record.status = "client_left", 499
        finally:
            record.seconds = time.perf_counter() - begun
            self.gateway.metrics.called(record.dialect, record.model, record.outcome)
            self.gateway.trail.write(record)

    def client(self) -> aiohttp.ClientSession:
        """The connections."""
        if self.session is None:
            given = self.gateway.settings
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=given.connect_timeout, sock_read=given.first_byte_timeout)
            self.session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)
        return self.session

    async def request(self, backend: OpenAI, scope: Scope, caller: Caller) -> int:
        """One HTTP request, and its answer as it comes. Raises RequestError for one that is too large."""
        body = await caller.body(self.gateway.settings.max_body)
        headers = backend.headers | caller.named(SENT) | {"x-request-id": caller.request_id}
        if "content-type" not in caller.named(SENT):
            headers.pop("Content-Type", None)
        else:
            headers["Content-Type"] = headers.pop("content-type")
        watch = Watch(caller)
        try:
            async with self.client().request(
                scope["method"], address(backend, scope), data=body or None, headers=headers, allow_redirects=False
            ) as answer:
                caller.started = True
                said = [(name.encode(), answer.headers[name].encode()) for name in SAID if name in answer.headers]
                start = {"type": "http.response.start", "status": answer.status, "headers": [*said, *caller.extra]}
                await caller.tell(start)
                async for piece in answer.content.iter_any():
                    await caller.pass_on(piece)
        except asyncio.CancelledError:
            if watch.left:
                raise ClientLeft from None
            raise
        finally:
            watch.stop()
        await caller.end()
        return answer.status

    async def socket(self, backend: OpenAI, scope: Scope, caller: Caller) -> int:
        """One session: what either side says goes to the other, until one of them ends it."""
        await caller.receive()  # websocket.connect
        offered = [each for each in scope.get("subprotocols", ()) if not each.startswith(KEYED)]
        headers = {name: value for name, value in backend.headers.items() if name.lower() != "content-type"}
        headers |= {name: value for name, value in caller.named(SENT).items() if name.startswith("openai")}
        url = "ws" + address(backend, scope).removeprefix("http")
        limit = self.gateway.settings.max_body
        async with self.client().ws_connect(url, headers=headers, protocols=offered, max_msg_size=limit) as far:
            accept = {"type": "websocket.accept", "subprotocol": far.protocol, "headers": caller.extra}
            await caller.tell(accept)
            tasks = [asyncio.create_task(outward(caller, far)), asyncio.create_task(inward(caller, far))]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        return 101

    async def close(self) -> None:
        """Let go of the connections."""
        if self.session is not None:
            await self.session.close()


async def outward(caller: Caller, far: aiohttp.ClientWebSocketResponse) -> None:
    """What the caller says."""
    while True:
        message = await caller.receive()
        if message["type"] != "websocket.receive":
            return
        if message.get("text") is not None:
            await far.send_str(message["text"])
        else:
            await far.send_bytes(message["bytes"])


async def inward(caller: Caller, far: aiohttp.ClientWebSocketResponse) -> None:
    """What the backend says, and how it ends."""
    async for message in far:
        said: dict[str, Any] = {"type": "websocket.send"}
        said["text" if message.type is aiohttp.WSMsgType.TEXT else "bytes"] = message.data
        await caller.tell(said)
    with contextlib.suppress(OSError, RuntimeError):  # the caller has gone
        await caller.send({"type": "websocket.close", "code": far.close_code or 1011})


def address(backend: OpenAI, scope: Scope) -> str:
    """Where a request goes: the caller's path behind the base URL; a model in the query is the backend's own."""
    query: str = scope.get("query_string", b"").decode("latin-1")
    model = f"model={quote(backend.model, safe='')}"
    parts = [model if unquote_plus(each.partition("=")[0]) == "model" else each for each in query.split("&") if each]
    path: str = scope["path"]
    return backend.base_url + path.removeprefix("/v1") + ("?" + "&".join(parts) if parts else "")


def backend_of(gateway: Gateway, model: str) -> OpenAI:
    """The first deployment of a model that speaks OpenAI's API. Raises SettingError."""
    pool = gateway.pools.get(model)
    for deployment in pool.deployments if pool is not None else ():
        if isinstance(deployment.backend, OpenAI):
            return deployment.backend
    expected = "the name of a pool with a backend of the kind openai"
    raise SettingError("uninspected", model, expected, gateway.settings.source("uninspected"))


async def refuse(scope: Scope, caller: Caller, message: str, status: int, code: str) -> None:
    """An error, for a request or a session that has not begun."""
    if scope["type"] != "websocket":
        if not caller.started:
            shape = unguarded.dialect_of(scope["path"])
            said = shape.error(message, status=status, code=code, param=None, request_id=caller.request_id)
            await caller.answer(status, orjson.dumps(said))
        return
    with contextlib.suppress(OSError, RuntimeError):  # it had begun, and has ended
        await caller.send({"type": "websocket.close", "code": 1008 if status < 500 else 1011, "reason": code})
