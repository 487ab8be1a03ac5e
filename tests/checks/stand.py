"""A server that stands for any service: each test says what it answers. One is started for all tests of a module."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from proxy.backends import pools
from proxy.checks import catalogue
from proxy.core import Segment
from proxy.engine import Guard, Verdict
from proxy.outside import Outside
from proxy.settings import Settings
from tests.world import engine, served

Answerer = Callable[[str, Any], Any]
Test = Callable[..., Coroutine[Any, Any, None]]


def ran(test: Test) -> Callable[..., None]:
    """The test, in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


@dataclass
class Stand:
    """The server, what it answers (a payload, a status, or a coroutine of either), and what it was asked."""

    url: str = ""
    answer: Answerer = lambda *_: 404
    seen: list[tuple[str, Any, dict[str, str]]] = field(default_factory=list)

    async def serve(self, request: Request) -> Response:
        payload = await request.json()
        self.seen.append((request.url.path, payload, dict(request.headers)))
        told = self.answer(request.url.path, payload)
        told = await told if asyncio.iscoroutine(told) else told
        return (
            Response(status_code=told) if isinstance(told, int) else Response(orjson.dumps(told), media_type="application/json")
        )

    def answers(self, answer: Answerer) -> str:
        """From now on, it answers like this; its address."""
        self.answer = answer
        self.seen.clear()
        return self.url


def standing() -> Iterator[Stand]:
    """A stand, as long as a fixture lasts."""
    stand = Stand()
    runner = asyncio.Runner()
    context: contextlib.AbstractAsyncContextManager[str] = served(
        Starlette(routes=[Route("/{path:path}", stand.serve, methods=["POST"])])
    )
    try:
        stand.url = runner.run(entered(context))
        yield stand
    finally:
        runner.run(left(context))
        runner.close()


async def entered(context: contextlib.AbstractAsyncContextManager[str]) -> str:
    return await context.__aenter__()


async def left(context: contextlib.AbstractAsyncContextManager[str]) -> None:
    await context.__aexit__(None, None, None)


@contextlib.contextmanager
def guarded(rules: str, **settings: Any) -> Iterator[Guard]:
    """The guard of a policy with these rules, which asks over real connections."""
    given = Settings(record="off", **settings)
    outside = Outside(given, lambda: pools(given))
    made = engine(f"policy: p\nrules:\n{rules}\n", catalogue=catalogue(given, outside=outside))
    try:
        yield made.guard("", "m")
    finally:
        made.close()
        outside.stop()


async def judged(guard: Guard, text: str, role: Any = "user") -> Verdict:
    """The verdict on one text: of an assistant's, as a completion."""
    return await guard.judge("completion" if role == "assistant" else "prompt", [Segment(text, role, "text")])


async def streamed(guard: Guard, text: str, size: int) -> tuple[str, Any]:
    """What a stream shows of a text that comes in pieces, and the decision."""
    growing = guard.growing()
    channel = growing.channel("assistant", "text")
    shown = ""
    for number, start in enumerate(range(0, len(text), size)):
        shown += channel.push(text[start : start + size])
        if number % 50 == 0:
            await asyncio.sleep(0.001)
    channel.close()
    while channel.waits:
        await growing.wait(binding=True)
        channel.harvest()
    return shown + channel.rest(), growing.decision
