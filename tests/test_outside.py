"""How checks ask others: connections that died idle, answers without end, and who runs the requests."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from proxy.backends import pools
from proxy.errors import CheckDeclined, CheckError, CheckTimeout
from proxy.outside import MAX_ANSWER, Outside
from proxy.settings import Settings
from tests.checks.stand import ran
from tests.world import http, misbehaving


async def asked(outside: Outside, url: str, timeout: float = 5.0) -> bytes:
    return await asyncio.wrap_future(outside.post(url, "/x", b"{}", {}, timeout))


@ran
async def test_a_connection_that_died_idle_is_made_anew_once() -> None:
    """A request that nobody answered is sent a second time, and not a third."""
    served: list[str] = []

    async def behave(_: Any, writer: asyncio.StreamWriter, __: asyncio.StreamReader) -> None:
        served.append("request")
        if len(served) == 2 or len(served) > 3:
            raise ConnectionError  # it closes without an answer
        writer.write(http(b"{}"))

    outside = Outside(Settings(), dict)
    outside.bind(asyncio.get_running_loop())
    async with misbehaving(behave) as url:
        assert await asked(outside, url) == b"{}"
        assert await asked(outside, url) == b"{}"
        assert len(served) == 3
        with pytest.raises(CheckError, match="could not be asked"):
            await asked(outside, url)
        assert len(served) == 5
    await outside.close()


@ran
async def test_an_answer_without_end_and_one_that_never_comes_are_given_up() -> None:
    """Neither memory nor patience is without bounds."""

    async def endless(_: Any, writer: asyncio.StreamWriter, __: asyncio.StreamReader) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (MAX_ANSWER * 2))
        for _ in range(2 * MAX_ANSWER // 2**20):
            writer.write(b"x" * 2**20)
            await writer.drain()

    async def silent(*_: Any) -> None:
        await asyncio.sleep(5)

    outside = Outside(Settings(), dict)
    outside.bind(asyncio.get_running_loop())
    async with misbehaving(endless) as url:
        with pytest.raises(CheckDeclined, match="too large"):
            await asked(outside, url)
    async with misbehaving(silent) as url:
        with pytest.raises(CheckTimeout):
            await asked(outside, url, timeout=0.2)
    await outside.close()


def test_a_process_without_a_server_asks_on_a_thread_of_its_own() -> None:
    """Which is there from the first question until it is stopped."""
    given = Settings()
    outside = Outside(given, lambda: pools(given))
    payload = {"messages": [{"role": "user", "content": "hello"}]}
    assert b"You said: hello" in outside.complete("echo", "/v1/chat/completions", payload, 5.0).result(5)
    assert "parapet-outside" in {thread.name for thread in threading.enumerate()}
    with pytest.raises(CheckError, match="no pool 'nobody'"):
        outside.complete("nobody", "/v1/chat/completions", payload, 5.0).result(5)
    outside.stop()
    assert "parapet-outside" not in {thread.name for thread in threading.enumerate()}
