"""The way of one call, through the application's own door: what callers, backends, records and metrics see."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from proxy.settings import Key
from tests.world import (
    BLOCK,
    CARD,
    IBAN,
    MARKER,
    REDACT,
    STREAM,
    WATCH,
    ask,
    chunk,
    completion,
    event,
    http,
    misbehaving,
    piece,
    served,
    world,
)

URL = "/v1/chat/completions"


def test_keys(tmp_path: Path) -> None:
    """Without a known key 401, in either header; the record names the key and never shows it."""
    key = Key(name="ci", sha256=hashlib.sha256(MARKER.encode()).hexdigest(), team="payments", app="shop")

    async def main() -> None:
        async with world(tmp_path, keys=(key,)) as parapet:
            for name, value in (
                ("x", b""),
                ("authorization", b"Bearer wrong"),
                ("authorization", b"Bearer "),
                ("x-api-key", b"\xfc"),
            ):
                answer = await parapet.client.post(URL, json=ask(), headers=[(name.encode(), value)])
                assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")
                assert parapet.records[-1]["outcome"] == "denied"
            for headers in ({"authorization": f"Bearer {MARKER}"}, {"authorization": f"bearer {MARKER}"}, {"x-api-key": MARKER}):
                answer = await parapet.client.post(URL, json=ask(), headers=headers)
                assert answer.status_code == 200
                assert parapet.records[-1]["principal"] == {"key": "ci", "app": "shop", "team": "payments"}
            assert MARKER not in parapet.record.read_text()

    asyncio.run(main())


def test_no_text_is_left_behind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Prompts, completions, errors, names of fields: whatever is said, records, metrics, headers and logs do not repeat it."""
    caplog.set_level(logging.DEBUG)
    secret = f"{MARKER} {CARD} {MARKER}@example.com"
    request: dict[str, Any] = {
        "messages": [
            {"role": "system", "content": secret, "name": MARKER},
            {"role": "user", "content": [{"type": "text", "text": secret}, {"type": MARKER, MARKER: MARKER}], MARKER: MARKER},
            {
                "role": "assistant",
                "tool_calls": [{"id": MARKER, "function": {"name": MARKER, "arguments": f'{{"{MARKER}": "{secret}"}}'}}],
            },
            {"role": "tool", "tool_call_id": MARKER, "content": secret},
        ],
        "tools": [
            {"type": "function", "function": {"name": MARKER, "parameters": {"properties": {MARKER: {"description": secret}}}}}
        ],
        "metadata": {MARKER: secret},
        MARKER: secret,
    }

    async def main() -> None:
        seen: list[str] = []
        for name, policies in {"redact": (REDACT,), "block": (BLOCK,), "watch": (WATCH,)}.items():
            folder = tmp_path / name
            folder.mkdir()
            async with world(folder, *policies) as parapet:
                for stream in (False, True):
                    answer = await parapet.chat(**request, stream=stream)
                    assert answer.status_code == 200
                    seen.append(str(answer.headers))
                blocked = await parapet.chat(f"{MARKER} {IBAN}")
                seen += [str(blocked.headers), await parapet.metrics(), parapet.record.read_text()]
                assert parapet.records[0]["prompt"]["findings"]
                assert parapet.records[0]["not_inspected"] == {}
                if name == "block":
                    assert (blocked.status_code, blocked.json()["error"]["param"]) == (400, "messages[0].content")
                    seen.append(blocked.text)
        for place in (*seen, caplog.text):
            assert MARKER not in place
            assert "4111 1111" not in place

    asyncio.run(main())


def test_what_was_not_inspected_is_counted(tmp_path: Path) -> None:
    """Parts that no check can read are in the record and in the metric, each with its reason."""

    async def main() -> None:
        parts = [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "hi"}, {"type": "input_audio"}]
        async with world(tmp_path, REDACT) as parapet:
            await parapet.chat(messages=[{"role": "user", "content": parts}])
            counted = {"image": 1, "audio": 1}
            assert parapet.records[0]["not_inspected"] == counted
            metrics = await parapet.metrics()
            for reason in counted:
                assert f'parapet_not_inspected_total{{reason="{reason}"}} 1.0' in metrics

    asyncio.run(main())


def test_headers_and_records_of_a_call(tmp_path: Path) -> None:
    """The request id of the caller is kept when it is one; the decision and the policies are in headers and record."""

    async def main() -> None:
        async with world(tmp_path, REDACT) as parapet:
            answer = await parapet.client.post(URL, json=ask(f"Pay {CARD}"), headers={"x-request-id": "abc-1"})
            assert answer.headers["x-request-id"] == "abc-1"
            assert answer.headers["x-parapet-decision"] == "redact"
            assert answer.headers["x-parapet-policy"].startswith("redacting@")
            assert answer.json()["choices"][0]["message"]["content"] == "You said: Pay <CREDIT_CARD>"
            forged = await parapet.client.post(URL, json=ask(), headers={"x-request-id": "a b\t" + "c" * 200})
            assert len(forged.headers["x-request-id"]) == 32
            first = parapet.records[0]
            assert first["prompt"]["findings"][0]["place"] == "messages[0].content"
            assert (first["prompt"]["rule"], first["prompt"]["policies"]) == ("no-cards", [answer.headers["x-parapet-policy"]])
            assert (first["outcome"], first["status"], first["backend"], first["model"]) == ("served", 200, "echo-1", "m")

    asyncio.run(main())


def test_a_blocked_completion(tmp_path: Path) -> None:
    """Whole: a refusal in its place; streamed: cut, with content_filter for every choice, and the backend's call is closed."""
    closed = asyncio.Event()

    async def behave(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        if not request.get("stream"):
            writer.write(http(orjson.dumps(completion(f"Pay {IBAN} now"))))
            return
        writer.write(STREAM + piece(event(chunk({"content": f"Pay {IBAN} now, please."}))))
        assert await reader.read() == b""
        closed.set()
        raise ConnectionError

    async def main() -> None:
        async with misbehaving(behave) as address, world(tmp_path, BLOCK, backend=address) as parapet:
            whole = (await parapet.chat()).json()["choices"][0]
            assert whole["message"] == {"role": "assistant", "content": None, "refusal": "No bank accounts here."}
            assert whole["finish_reason"] == "content_filter"
            streamed = await parapet.chat(stream=True)
            assert streamed.status_code == 200
            assert "content_filter" in streamed.text
            assert "DE89" not in streamed.text
            assert streamed.text.endswith("data: [DONE]\n\n")
            await asyncio.wait_for(closed.wait(), 5)
            assert [record["outcome"] for record in parapet.records] == ["blocked_completion"] * 2
            assert {record["completion"]["rule"] for record in parapet.records} == {"no-iban"}

    asyncio.run(main())


def test_a_blocked_prompt_never_reaches_the_backend(tmp_path: Path) -> None:
    """400 with the rule and its message; streams too."""

    async def behave(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        raise AssertionError

    async def main() -> None:
        async with misbehaving(behave) as address, world(tmp_path, BLOCK, backend=address) as parapet:
            for stream in (False, True):
                answer = await parapet.chat(f"Pay {IBAN} now", stream=stream)
                error = answer.json()["error"]
                assert (answer.status_code, error["code"], error["message"]) == (400, "content_filter", "No bank accounts here.")
                assert (error["policy"], error["rule"]) == ("blocking", "no-iban")
                assert "x-parapet-source" not in answer.headers

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_when_the_client_leaves_the_backends_call_is_cancelled(stream: bool, tmp_path: Path) -> None:
    """The backend sees its connection closed; the record says client_left; nothing is under way."""
    begun, closed = asyncio.Event(), asyncio.Event()

    async def behave(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        if request.get("stream"):
            writer.write(STREAM + piece(event(chunk({"content": "one "}))))
        begun.set()
        await reader.read()
        closed.set()
        raise ConnectionError

    async def leave(url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        body = orjson.dumps(ask(stream=stream))
        writer.write(f"POST {URL} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        await begun.wait()
        await asyncio.sleep(0.05)
        writer.close()

    async def main() -> None:
        async with misbehaving(behave) as address:
            parapet = world(tmp_path, REDACT, backend=address)
            async with served(parapet.app) as url:
                await asyncio.wait_for(leave(url), 10)
                await asyncio.wait_for(closed.wait(), 10)
                async with httpx.AsyncClient(base_url=url) as client:
                    for _ in range(100):
                        metrics = (await client.get("/metrics")).text
                        if "parapet_calls_in_flight 0.0" in metrics and parapet.records:
                            break
                        await asyncio.sleep(0.02)
            [record] = parapet.records
            assert (record["outcome"], record["status"]) == ("client_left", 499)
            assert 'outcome="client_left"} 1.0' in metrics
            assert "parapet_calls_in_flight 0.0" in metrics

    asyncio.run(main())


@pytest.mark.slow
def test_tokens_are_saved_when_a_caller_leaves_a_stream(tmp_path: Path) -> None:
    """The mean of the answers so far, less what had come: the backend writes no more for nobody."""

    async def behave(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        if not request.get("stream"):
            writer.write(http(orjson.dumps(completion("fine") | {"usage": {"prompt_tokens": 1, "completion_tokens": 100}})))
            return
        writer.write(STREAM + piece(event(chunk({"content": "one two three four five six. "}))))
        await reader.read()
        raise ConnectionError

    async def main() -> None:
        async with misbehaving(behave) as address:
            parapet = world(tmp_path, REDACT, backend=address)
            async with served(parapet.app) as url, httpx.AsyncClient(base_url=url) as client:
                assert (await client.post(URL, json=ask())).status_code == 200
                async with client.stream("POST", URL, json=ask(stream=True)) as answer:
                    await anext(answer.aiter_bytes())
                for _ in range(200):
                    page = (await client.get("/metrics")).text
                    if 'outcome="client_left"' in page:
                        break
                    await asyncio.sleep(0.02)
            [line] = [line for line in page.split("\n") if line.startswith("parapet_tokens_saved_total")]
            assert 'direction="completion",model="m"' in line
            assert 80 < float(line.split()[-1]) < 100

    asyncio.run(main())


@pytest.mark.slow
def test_a_client_that_reads_slowly_slows_the_backend(tmp_path: Path) -> None:
    """Nobody hoards a stream that its reader does not take: what the backend can write is bounded by buffers."""
    written = 0

    async def behave(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        nonlocal written
        writer.write(STREAM)
        data = piece(event(chunk({"content": "some words and no more " * 400})) * 8)
        while written < 2**29:
            writer.write(data)
            written += len(data)
            await writer.drain()

    async def main() -> None:
        async with misbehaving(behave) as address:
            parapet = world(tmp_path, REDACT, backend=address)
            async with served(parapet.app) as url:
                host, port = url.removeprefix("http://").split(":")
                _, writer = await asyncio.open_connection(host, int(port), limit=2**16)
                body = orjson.dumps(ask(stream=True))
                writer.write(f"POST {URL} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
                before = -1
                while written != before:  # it stands still once every buffer is full
                    before = written
                    await asyncio.sleep(0.5)
                writer.close()
            assert 0 < written < 2**26

    asyncio.run(main())


def test_a_caller_that_leaves_while_it_sends(tmp_path: Path) -> None:
    """Nobody is there to be answered: no error, a record, nothing under way."""

    async def main() -> None:
        sent: list[Any] = []
        messages = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]

        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        async with world(tmp_path) as parapet:
            scope = {"type": "http", "method": "POST", "path": URL, "headers": [], "query_string": b"", "root_path": ""}
            await parapet.app(scope, receive, send)
            assert sent == []
            assert parapet.records[0]["outcome"] == "client_left"
            assert (await parapet.chat("hello")).status_code == 200
            assert "parapet_calls_in_flight 0.0" in await parapet.metrics()

    asyncio.run(main())
