"""Bad input at the gateway's door: each kind gets a clear error, nothing of it is repeated, and the next call works."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.world import MARKER, REDACT, World, ask, completion, http, misbehaving, world

URL = "/v1/chat/completions"


async def post(parapet: World, body: bytes, **headers: str) -> httpx.Response:
    return await parapet.client.post(URL, content=body, headers={"content-type": "application/json", **headers})


async def works(parapet: World) -> None:
    """The next call is served, and none is under way."""
    assert (await parapet.chat("hello")).json()["choices"][0]["message"]["content"] == "You said: hello"
    assert "parapet_calls_in_flight 0.0" in await parapet.metrics()


BASE = '{"model": "m", "messages": [{"role": "user", "content": "%s"}]%s}'
BODIES: dict[str, tuple[bytes | str, int, str]] = {
    "empty": (b"", 400, "invalid_json"),
    "not JSON": (f"{{{MARKER}", 400, "invalid_json"),
    "not UTF-8": (b'{"model": "\xff"}', 400, "invalid_json"),
    "cut": (BASE[:-10], 400, "invalid_json"),
    "a list": (f'["{MARKER}"]', 400, "invalid_request"),
    "NaN": (BASE % ("x", ', "temperature": NaN'), 400, "invalid_json"),
    "lone surrogate": (BASE % ("\\ud800", ""), 400, "invalid_json"),
    "100,000 levels": (BASE % ("x", ', "x": ' + "[" * 100_000 + "]" * 100_000), 400, "invalid_json"),
    "no messages": ('{"model": "m"}', 400, "invalid_request"),
    "empty messages": ('{"model": "m", "messages": []}', 400, "invalid_request"),
    "messages as text": (f'{{"model": "m", "messages": "{MARKER}"}}', 400, "invalid_request"),
    "a message as text": (f'{{"model": "m", "messages": ["{MARKER}"]}}', 400, "invalid_request"),
    "a role as list": (f'{{"model": "m", "messages": [{{"role": ["{MARKER}"]}}]}}', 400, "invalid_request"),
    "an unknown role": (f'{{"model": "m", "messages": [{{"role": "{MARKER}"}}]}}', 400, "invalid_request"),
    "content as number": ('{"model": "m", "messages": [{"role": "user", "content": 7}]}', 400, "invalid_request"),
    "model as number": ('{"model": 7, "messages": [{"role": "user", "content": "x"}]}', 400, "invalid_request"),
    "stream as text": (BASE % (MARKER, ', "stream": "yes"'), 400, "invalid_request"),
    "stream as number": (BASE % (MARKER, ', "stream": 1'), 400, "invalid_request"),
    "tools as text": (BASE % ("x", f', "tools": "{MARKER}"'), 400, "invalid_request"),
    "unknown model": (BASE.replace('"m"', f'"{MARKER}"') % ("x", ""), 404, "model_not_found"),
    "10,000 messages": (
        orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}] * 10_000}),
        400,
        "too_many_segments",
    ),
    "too large": (b" " * (2**20 + 1), 413, "body_too_large"),
    "absurd n": (BASE % ("x", ', "n": 1000000000'), 400, ""),
    "n as text": (BASE % ("x", f', "n": "{MARKER}"'), 400, ""),
    "stream_options as text": (BASE % ("x", f', "stream": true, "stream_options": "{MARKER}"'), 400, ""),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_bad_request(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each gets a clear error in the dialect's shape with the request id, and a record; none repeats it; the next call works."""
    body, status, code = BODIES[name]
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        async with world(tmp_path, max_body=2**20) as parapet:
            answer = await post(parapet, body.encode() if isinstance(body, str) else body)
            error = answer.json()["error"]
            assert (answer.status_code, error["code"] or "") == (status, code)
            assert answer.headers["x-request-id"] == error["request_id"] == parapet.records[0]["request_id"]
            assert {"message", "type", "param"} <= error.keys()
            assert parapet.records[0]["status"] == status
            await works(parapet)
            for place in (answer.text, await parapet.metrics(), parapet.record.read_text(), caplog.text):
                assert MARKER not in place
                assert "Traceback" not in place

    asyncio.run(main())


def test_a_body_that_grows_too_large_without_saying_so(tmp_path: Path) -> None:
    """Without a content-length, reading stops at the limit."""

    async def main() -> None:
        sent = 0

        async def body() -> Any:
            nonlocal sent
            while sent < 2**24:
                sent += 2**16
                yield b" " * 2**16

        async with world(tmp_path, max_body=2**20) as parapet:
            answer = await parapet.client.post(URL, content=body())
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
            assert sent < 2**21
            await works(parapet)

    asyncio.run(main())


@pytest.mark.parametrize(
    "extra",
    [
        {"x": orjson.Fragment(b"[" * 200 + b"]" * 200)},
        {"seed": 2**63, "x": -(2**63)},
        {"x": "\x00", "messages": [{"role": "user", "content": "hello", "name": "\x00"}]},
        {"x": orjson.Fragment(b'{"a": 1, "a": 2}')},
    ],
    ids=("200 levels", "big numbers", "NULs", "a key twice"),
)
def test_what_is_odd_and_allowed_is_served(extra: dict[str, Any], tmp_path: Path) -> None:
    """JSON allows it, so the backend may judge it; of a key that is there twice, it sees what was inspected."""
    heard: list[Any] = []

    async def behave(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        heard.append(request)
        writer.write(http(orjson.dumps(completion())))

    async def main() -> None:
        async with misbehaving(behave) as address, world(tmp_path, REDACT, backend=address) as parapet:
            body = orjson.dumps({**ask("hello"), **extra})
            assert (await post(parapet, body)).status_code == 200
            assert heard == [orjson.loads(body)]

    asyncio.run(main())


def test_a_request_that_cannot_be_written_again_is_refused(tmp_path: Path) -> None:
    """JSON of 1,000 levels can be read and not be written: an error that says so, before the backend is asked."""

    async def behave(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        raise AssertionError

    async def main() -> None:
        async with misbehaving(behave) as address, world(tmp_path, backend=address) as parapet:
            answer = await post(parapet, (BASE % ("x", ', "x": ' + "[" * 1000 + "]" * 1000)).encode())
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "too_deep")
            assert "parapet_calls_in_flight 0.0" in await parapet.metrics()

    asyncio.run(main())
