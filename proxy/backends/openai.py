"""A relay to a server that speaks OpenAI's API, over pooled connections."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from weakref import WeakSet

import aiohttp
import orjson
from yarl import URL

from proxy import __version__
from proxy.backends.base import Answer, Asked
from proxy.backends.patience import Patience
from proxy.dialects import Upload
from proxy.errors import BackendBroken, BackendRefused, BackendTimeout, BackendUnreachable, RequestError
from proxy.settings import OpenAIBackend, Settings

if TYPE_CHECKING:
    from aiohttp.tracing import Trace

MAX_ANSWER = 64 * 2**20  # bytes of a whole answer, or of the body of an error
MOST_URLS = 64  # that are kept, of paths that come again and again
SETTLE = 0.1  # seconds that the end of a connection's answer is waited for; longer, and it costs less to make a new one
RELAYED = "application/json"
ALWAYS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": f"parapet/{__version__}"}  # else aiohttp has its own
VERSION = re.compile(r"^/v1[a-z0-9]*(?=/)")  # of the caller's path: the base URL has its own
WHEN = re.compile(r"retry-after|retry-after-ms|x-ratelimit-[a-z0-9-]{1,64}")  # headers of an error that say when to try again
FIT = re.compile(r"[ -~]{1,128}")  # a value of theirs that is passed on: printable ASCII
REUSED: ContextVar[bool] = ContextVar("REUSED", default=False)  # whether this call's connection has served another before


class OpenAI:
    """One deployment. The session belongs to the event loop that first calls it."""

    def __init__(self, model: str, entry: OpenAIBackend, settings: Settings) -> None:
        self.base_url = entry.base_url.rstrip("/")
        host = "/".join(self.base_url.split("/")[:3])
        self.asked = host + entry.probe_path if entry.probe_path else f"{self.base_url}/models"
        self.model = entry.model or model
        self.settings = settings
        self.headers = {"Content-Type": RELAYED, **ALWAYS, **entry.headers}
        if entry.api_key_env:
            key = settings.secrets[entry.api_key_env]
            self.headers |= {entry.api_key_header: key} if entry.api_key_header else {"Authorization": f"Bearer {key}"}
        self.urls: dict[str, URL] = {}
        self.session: aiohttp.ClientSession | None = None

    async def call(self, asked: Asked) -> Answer:
        """Send it; the caller's path /v1/… is joined to the base URL, which ends in /v1."""
        url = self.url(asked.path)
        body = self.body(asked)
        patience = Patience()
        try:
            response = await self.send(asked, url, body, patience)
        except BaseException:
            patience.close()
            raise
        answer = Relayed(response, self.settings, patience)
        if response.status == 200:
            return answer
        try:
            raise BackendRefused(response.status, await answer.read(), response.content_type, when(response.headers))
        finally:
            answer.close()

    def url(self, path: str) -> URL:
        """Where a path of the API is at this deployment."""
        url = self.urls.get(path)
        if url is None:
            url = URL(self.base_url + VERSION.sub("", path.replace("{model}", quote(self.model, safe="")), count=1))
            if len(self.urls) < MOST_URLS:
                self.urls[path] = url
        return url

    def body(self, asked: Asked) -> Callable[[], Any]:
        """Makes the body, anew each time that it is sent. Raises RequestError."""
        payload = asked.payload if "{model}" in asked.path else {**asked.payload, "model": self.model}
        if asked.method != "POST":
            return lambda: None
        if asked.form:
            return lambda: form(payload)
        try:
            body = orjson.dumps(payload)
        except orjson.JSONEncodeError:
            raise RequestError("the request is nested more than 250 levels deep", code="too_deep") from None
        return lambda: aiohttp.BytesPayload(body, content_type=RELAYED)

    async def send(self, asked: Asked, url: URL, body: Callable[[], Any], patience: Patience) -> aiohttp.ClientResponse:
        """The response, once its headers are there. A redirect is not followed: it would take the text elsewhere."""
        session = self.session or self.connect()
        headers = {**asked.headers, **self.headers, "x-request-id": asked.request_id}
        if asked.form:
            del headers["Content-Type"]  # it has the boundary of its own

        async def ask() -> aiohttp.ClientResponse:
            return await session.request(asked.method, url, data=body(), headers=headers, allow_redirects=False)

        try:
            with patience(self.settings.first_byte_timeout):
                try:
                    return await ask()
                except aiohttp.ClientConnectorError:
                    raise
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                    if not REUSED.get():
                        raise
                    # It was closed while it lay idle, as far as anyone can tell. Once only: a request may be what kills servers.
                    return await ask()
        except TimeoutError:  # aiohttp's own time-outs are of this kind too
            raise BackendTimeout("the backend did not begin to answer in time") from None
        except aiohttp.ClientConnectorError:
            raise BackendUnreachable("no connection to the backend could be made") from None
        except aiohttp.ClientResponseError:
            raise BackendBroken("the backend answered with something that is not HTTP") from None
        except aiohttp.ClientError:
            raise BackendUnreachable("the connection to the backend broke before it answered") from None

    async def probe(self, seconds: float) -> None:
        """Ask the server whether it is well. Raises BackendError when it is not, or does not say so in time."""
        session = self.session or self.connect()
        try:
            async with asyncio.timeout(seconds), session.get(self.asked, headers=self.headers, allow_redirects=False) as response:
                if response.status >= 300:
                    raise BackendRefused(response.status, b"", "")
        except TimeoutError:
            raise BackendTimeout("the backend did not say in time that it is well") from None
        except aiohttp.ClientError:
            raise BackendUnreachable("the backend could not be asked whether it is well") from None

    def connect(self) -> aiohttp.ClientSession:
        """The session; idle connections are kept for the next calls."""
        self.session = aiohttp.ClientSession(
            connector=Connector(limit=self.settings.connections, ttl_dns_cache=30, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.settings.connect_timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=2**18,
        )
        return self.session

    async def close(self) -> None:
        """Close the session."""
        if self.session is not None:
            await self.session.close()


def form(payload: Mapping[str, Any]) -> aiohttp.FormData:
    """A payload as a multipart form."""
    made = aiohttp.FormData(default_to_multipart=True)
    for name, value in payload.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Upload):
                made.add_field(name, each.data, filename=each.name, content_type=each.content_type)
            else:
                made.add_field(name, each)
    return made


def when(headers: Mapping[str, str]) -> dict[str, str]:
    """Of a backend's headers, those that tell the caller when to try again; of one that comes twice, the first."""
    named = {name.lower(): headers[name] for name in headers}
    return {name: value for name, value in named.items() if WHEN.fullmatch(name) and FIT.fullmatch(value)}


class Connector(aiohttp.TCPConnector):
    """Connections, of which it tells whether they have served another call before."""

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        connection = await super().connect(req, traces, timeout)
        handler = connection.protocol
        reused = handler in self.served
        REUSED.set(reused)
        if handler is not None and not reused:
            self.served.add(handler)
        return connection

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.served: WeakSet[Any] = WeakSet()


class Relayed:
    """An answer that comes over HTTP."""

    def __init__(self, response: aiohttp.ClientResponse, settings: Settings, patience: Patience) -> None:
        self.response, self.settings, self.patience = response, settings, patience

    @property
    def content_type(self) -> str:
        return self.response.content_type

    async def read(self) -> bytes:
        content = self.response.content
        come = b"" if content.exception() else content.read_nowait()  # most often all of it, with the headers
        piece = come or await self.piece(self.settings.first_byte_timeout)
        pieces, size = [piece], len(piece)
        while piece and not content.at_eof():
            piece = await self.piece(self.settings.idle_timeout)
            pieces.append(piece)
            size += len(piece)
            if size > MAX_ANSWER:
                raise BackendBroken("the backend's answer is too large")
        return b"".join(pieces)

    async def chunks(self) -> AsyncIterator[bytes]:
        wait = self.settings.first_byte_timeout  # headers may come before any work is done
        while piece := await self.piece(wait):
            yield piece
            wait = self.settings.idle_timeout

    async def piece(self, wait: float) -> bytes:
        """What has come since, or nothing at the end; waits for it that many seconds at most. Raises BackendError."""
        try:
            with self.patience(wait):
                return await self.response.content.readany()
        except TimeoutError:
            raise BackendTimeout("the backend stopped in the middle of its answer") from None
        except (aiohttp.ClientError, aiohttp.http_exceptions.HttpProcessingError, ConnectionError, ValueError):
            raise BackendBroken("the connection to the backend broke in the middle of its answer") from None

    async def settle(self) -> None:
        content = self.response.content
        with contextlib.suppress(TimeoutError, aiohttp.ClientError, ConnectionError), self.patience(SETTLE):
            while not content.at_eof():
                await content.readany()

    def close(self) -> None:
        self.patience.close()
        self.response.release()  # which closes a connection that has more to come
