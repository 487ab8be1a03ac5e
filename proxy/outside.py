"""How checks ask others: services over HTTP, and the models of the pools. The checks themselves know no wire.

Requests run on the server's event loop once it is `bound`; before that, and for commands without one, on a thread's own. Either
way nobody waits here: who asks gets a future.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping
from concurrent.futures import Future
from random import getrandbits
from typing import Any, TypeVar

import aiohttp

from proxy.backends import Pool
from proxy.backends.base import Asked
from proxy.errors import (
    BackendError,
    BackendOverloaded,
    BackendRefused,
    BackendTimeout,
    CheckDeclined,
    CheckError,
    CheckOverloaded,
    CheckTimeout,
    ParapetError,
)
from proxy.settings import Settings

MAX_ANSWER = 8 * 2**20  # bytes of a service's answer
DECLINED = {400, 413, 422}  # statuses that are about the text, not about the service
Made = TypeVar("Made")


class Outside:
    """Whom checks may ask."""

    def __init__(self, settings: Settings, pools: Callable[[], Mapping[str, Pool]]) -> None:
        """`pools` gives those of the process; it is called once, when a check first needs one."""
        self.settings, self.pools = settings, functools.cache(pools)
        self.loop: asyncio.AbstractEventLoop | None = None
        self.own: Own | None = None
        self.used: Mapping[str, Pool] = {}  # whose connections belong to our own thread's loop
        self.lock = threading.Lock()
        self.sessions: dict[asyncio.AbstractEventLoop, aiohttp.ClientSession] = {}

    @property
    def services(self) -> Collection[str]:
        """The names of the services in the settings."""
        return self.settings.services.keys()

    @property
    def models(self) -> Collection[str]:
        """The names of the pools in the settings."""
        return self.settings.pools.keys()

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on, requests run on this loop."""
        self.loop = loop

    def post(self, to: str, path: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Future[bytes]:
        """What a service answers; `to` is its name, or its address."""
        return self.start(self.posted(to, path, body, headers), timeout)

    def complete(self, model: str, path: str, payload: Mapping[str, Any], timeout: float) -> Future[bytes]:
        """What a model of a pool answers, whole."""
        return self.start(self.completed(model, path, payload), timeout)

    def start(self, work: Coroutine[Any, Any, Made], timeout: float) -> Future[Made]:
        """Begin with it; what goes wrong becomes a CheckError."""
        return asyncio.run_coroutine_threadsafe(self.bounded(work, timeout), self.loop or self.thread())

    async def bounded(self, work: Coroutine[Any, Any, Made], timeout: float) -> Made:
        try:
            return await asyncio.wait_for(work, timeout)
        except CheckError:
            raise
        except (TimeoutError, BackendTimeout):
            raise CheckTimeout("there was no answer in time") from None
        except BackendRefused as error:
            raise of_status(error.status) from None
        except BackendOverloaded as error:
            raise CheckOverloaded(str(error)) from None
        except (BackendError, ParapetError) as error:
            raise CheckError(str(error)) from None
        except aiohttp.ClientError as error:
            raise CheckError(f"the service could not be asked ({type(error).__name__})") from None

    def thread(self) -> asyncio.AbstractEventLoop:
        """The event loop of a thread of our own."""
        with self.lock:
            if self.own is None:
                self.own = Own()
            return self.own.loop

    async def posted(self, to: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        service = self.settings.services.get(to)
        url = (service.url if service else to).rstrip("/") + path
        sent = {"Content-Type": "application/json", **headers}
        if service:
            sent |= service.headers
            if service.api_key_env:
                sent[service.api_key_header] = service.api_key_prefix + self.settings.secrets[service.api_key_env]
        try:
            return await self.exchanged(url, body, sent)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            if asyncio.get_running_loop() not in self.sessions:
                raise  # it was closed here, and for good
            return await self.exchanged(url, body, sent)  # it was closed while it lay idle, as far as anyone can tell

    async def exchanged(self, url: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """One request. A redirect is not followed: it would take the text elsewhere."""
        async with self.session().post(url, data=body, headers=headers, allow_redirects=False) as response:
            if response.status != 200:
                raise of_status(response.status)
            answer = bytearray()
            async for piece in response.content.iter_any():
                answer += piece
                if len(answer) > MAX_ANSWER:
                    raise CheckDeclined("the service's answer is too large")
            return bytes(answer)

    def session(self) -> aiohttp.ClientSession:
        """The connections of the loop that runs."""
        loop = asyncio.get_running_loop()
        if loop not in self.sessions:
            self.sessions[loop] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self.settings.connections, ttl_dns_cache=30, keepalive_timeout=60),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.settings.connect_timeout),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self.sessions[loop]

    async def completed(self, model: str, path: str, payload: Mapping[str, Any]) -> bytes:
        pools = self.pools()
        if self.own is not None and asyncio.get_running_loop() is self.own.loop:
            self.used = pools
        pool = pools.get(model)
        if pool is None:
            raise CheckError(f"there is no pool {model!r}")
        attempt = await pool.call(Asked(path, {**payload, "model": model, "stream": False}, f"{getrandbits(128):032x}"))
        attempt.close()
        return attempt.body

    async def close(self) -> None:
        """Let go of the connections of this loop, and of the thread."""
        self.loop = None
        if session := self.sessions.pop(asyncio.get_running_loop(), None):
            await session.close()
        await asyncio.to_thread(self.stop)

    def stop(self) -> None:
        """Let go of the thread and its connections; what is asked there is called off."""
        with self.lock:
            own, self.own = self.own, None
        if own is not None:
            own.stop(lambda: self.closed(own.loop))

    async def closed(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close all connections of a loop of ours."""
        if session := self.sessions.pop(loop, None):
            await session.close()
        for pool in self.used.values():
            await pool.close()
        self.used = {}


class Own:
    """A thread with an event loop, for processes that have none to offer."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="parapet-outside", daemon=True)
        self.thread.start()

    def stop(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Call off what is under way, do a last thing, and end the thread."""
        asyncio.run_coroutine_threadsafe(self.calm(last), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()

    async def calm(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await last()


def of_status(status: int) -> CheckError:
    """What an error status means: one that is about the text, or one about the service."""
    return (CheckDeclined if status in DECLINED else CheckError)(f"the service answered with status {status}")
