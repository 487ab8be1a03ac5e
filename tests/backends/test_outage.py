"""Deployments that die, hang and come back under load: every call is answered once, or fails with a clear error."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.settings import OpenAIBackend, Pool
from tests.gateway.test_pools import said
from tests.world import REDACT, STREAM, World, chunk, completion, event, http, misbehaving, piece, world

CALLS = 600


def deployment(name: str, state: dict[str, str], begun: Counter[str]) -> Callable[..., Coroutine[Any, Any, None]]:
    """A server that works, is dead or hangs, as `state` says at the time."""

    async def behave(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        if state[name] == "hung":
            await reader.read()
        if state[name] != "well":
            raise ConnectionError
        text = request["messages"][0]["content"]
        begun[text] += 1
        await asyncio.sleep(0.02)
        if not request.get("stream"):
            writer.write(http(orjson.dumps(completion(f"answer {text}"))))
            return
        writer.write(STREAM + piece(event(chunk({"role": "assistant", "content": f"answer {text}"}))))
        await writer.drain()
        await asyncio.sleep(0.03)
        if state[name] == "dead":
            raise ConnectionError
        writer.write(piece(event(chunk({}, finish="stop")) + b"data: [DONE]\n\n") + piece(b""))

    return behave


async def call(parapet: World, number: int) -> str:
    """What became of one call, whole or streamed."""
    try:
        answer = await asyncio.wait_for(parapet.chat(f"q{number}q", stream=number % 2 == 0), 60)
    except TimeoutError:
        return "hung"
    if answer.status_code == 200 and "backend_" not in answer.text:
        return "answered" if said(answer) == f"answer q{number}q" else "wrong or doubled"
    return "clear error" if "backend_" in answer.text else "unclear error"


@pytest.mark.slow
def test_an_outage_under_load_hangs_and_doubles_nothing(tmp_path: Path) -> None:
    """One of three deployments dies, another hangs, both come back: nearly all calls are answered, none twice."""
    state, begun = dict.fromkeys("abc", "well"), Counter[str]()

    async def outage() -> None:
        for pause, name, what in ((0.5, "a", "dead"), (0.7, "b", "hung"), (1.2, "a", "well"), (0.5, "b", "well")):
            await asyncio.sleep(pause)
            state[name] = what

    async def main() -> Counter[str]:
        a, b, c = (misbehaving(deployment(name, state, begun)) for name in "abc")
        async with a as first, b as second, c as third:
            rows = tuple(OpenAIBackend(kind="openai", base_url=address) for address in (first, second, third))
            terms: dict[str, Any] = {"failures": 3, "cool_down": "500ms", "retries": 2, "retry_share": 1}
            pools = {"m": Pool(backends=rows, **terms)}
            async with world(tmp_path, REDACT, pools=pools, first_byte_timeout=1.0, idle_timeout=1.0) as parapet:
                at_once = asyncio.Semaphore(24)

                async def one(number: int) -> str:
                    async with at_once:
                        return await call(parapet, number)

                results = asyncio.gather(*(one(number) for number in range(CALLS)))
                await outage()
                return Counter(await results)

    ended = asyncio.run(main())
    assert ended.keys() <= {"answered", "clear error"}, ended
    assert ended.total() == CALLS
    assert ended["answered"] > CALLS * 0.8, ended
    assert max(begun.values()) <= 3
