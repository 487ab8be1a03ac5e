"""A backend that misbehaves: each way ends in a clear error, leaks nothing, and the next call works."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from proxy.backends.base import Asked
from proxy.backends.openai import OpenAI
from proxy.errors import BackendRefused
from proxy.settings import OpenAIBackend, Settings
from tests.world import BLOCK, CARD, MARKER, REDACT, STREAM, chunk, completion, event, http, misbehaving, piece, world

SAID = event(chunk({"role": "assistant", "content": ""})) + event(chunk({"content": "so far 4111 1111"}))
GOOD = SAID + event(chunk({}, finish="stop")) + b"data: [DONE]\n\n"
HTML = f"<html><h1>{MARKER}</h1></html>".encode()
WORD = f"its text is {MARKER}"


@dataclass(frozen=True)
class Way:
    """One way to misbehave: what is sent, then `hang` or (the default) a closed connection; and what the caller must see."""

    name: str
    sent: bytes
    status: int
    code: str
    stream: bool = False
    hang: bool = False
    reset: bool = False


def broken(**message: Any) -> bytes:
    return http(orjson.dumps(completion(**message)))


def choices(value: object) -> bytes:
    return http(orjson.dumps({"id": "x", "choices": value, "leak": WORD}))


WAYS = [
    Way("hangs before its headers", b"", 504, "backend_timeout", hang=True),
    Way("hangs within its headers", b"HTTP/1.1 200 OK\r\ncontent-ty", 504, "backend_timeout", hang=True),
    Way("hangs in the middle of its body", http(HTML * 3)[:-5], 504, "backend_timeout", hang=True),
    Way("closes before it answers", b"", 502, "backend_unreachable"),
    Way("resets before it answers", b"", 502, "backend_unreachable", reset=True),
    Way("closes in the middle of its body", http(b"{" + HTML)[:-5], 502, "backend_broken"),
    Way("resets in the middle of its body", http(b"{" + HTML)[:-5], 502, "backend_broken", reset=True),
    Way("speaks no HTTP", HTML, 502, "backend_broken"),
    Way("answers HTML", http(HTML, content_type="text/html"), 502, "backend_broken"),
    Way("answers HTML with an error status", http(HTML, "500 Oops", "text/html"), 500, "backend_refused"),
    Way("answers an empty error", http(b"", "503 Busy"), 503, "backend_refused"),
    Way("answers an error of no known shape", http(orjson.dumps({"leak": WORD}), "400 No"), 400, "backend_refused"),
    Way("answers 204", b"HTTP/1.1 204 No Content\r\n\r\n", 502, "backend_refused"),
    Way("redirects", http(HTML, "307 Go", location=f"http://127.0.0.1:1/{MARKER}"), 502, "backend_refused"),
    Way("answers JSON that is no object", http(b'["' + MARKER.encode() + b'"]'), 502, "backend_broken"),
    Way("answers without choices", http(orjson.dumps({"leak": WORD})), 502, "backend_broken"),
    Way("answers choices of a wrong type", choices({"0": WORD}), 502, "backend_broken"),
    Way("answers a choice of a wrong type", choices([WORD]), 502, "backend_broken"),
    Way("answers a message of a wrong type", choices([{"message": WORD}]), 502, "backend_broken"),
    Way("answers content of a wrong type", broken(content={"leak": WORD}), 502, "backend_broken"),
    Way("answers parts of a wrong type", broken(content=[7, WORD]), 502, "backend_broken"),
    Way("answers calls of a wrong type", broken(tool_calls={"leak": WORD}), 502, "backend_broken"),
    Way("answers a lone surrogate", http(b'{"choices": [{"message": {"content": "\\ud800"}}]}'), 502, "backend_broken"),
    Way("nests its answer too deeply", http(b'{"choices": ' + b"[" * 100_000), 502, "backend_broken"),
    Way("streams when not asked to", STREAM + piece(GOOD) + piece(b""), 502, "backend_broken"),
    Way("promises more than it sends", http(orjson.dumps(completion()), **{"content-length": "9999"}), 502, "backend_broken"),
    Way("promises less than it sends", http(orjson.dumps(completion()), **{"content-length": "30"}), 502, "backend_broken"),
    Way("says gzip and sends none", http(HTML, **{"content-encoding": "gzip"}), 502, "backend_broken"),
    Way("sends a bomb", http(zlib.compress(bytes(70 * 2**20)), **{"content-encoding": "deflate"}), 502, "backend_broken"),
    Way("sends a huge header", b"HTTP/1.1 200 OK\r\nx: " + b"a" * 100_000 + b"\r\n\r\n", 502, "backend_broken"),
    Way("answers whole when asked to stream", http(orjson.dumps(completion(WORD))), 502, "backend_broken", stream=True),
    Way("refuses to stream with HTML", http(HTML, "500 Oops", "text/html"), 500, "backend_refused", stream=True),
    Way("hangs in the middle of its stream", STREAM + piece(SAID), 200, "backend_timeout", stream=True, hang=True),
    Way("closes in the middle of its stream", STREAM + piece(SAID), 200, "backend_broken", stream=True),
    Way("resets in the middle of its stream", STREAM + piece(SAID), 200, "backend_broken", stream=True, reset=True),
    Way("ends its stream too early", STREAM + piece(SAID) + piece(b""), 200, "backend_broken", stream=True),
    Way(
        "ends its stream within an event",
        STREAM + piece(SAID + b"data: {" + HTML) + piece(b""),
        200,
        "backend_broken",
        stream=True,
    ),
    Way(
        "streams what is no JSON",
        STREAM + piece(SAID + b"data: " + HTML + b"\n\n"),
        200,
        "backend_broken",
        stream=True,
        hang=True,
    ),
    Way("breaks off within a chunk", STREAM + piece(SAID) + b"fff\r\n" + HTML, 200, "backend_broken", stream=True),
    Way("breaks the rules of chunks", STREAM + b"zz\r\n" + HTML, 502, "backend_broken", stream=True),
]


def gauges(metrics: str) -> list[str]:
    return [line for line in metrics.splitlines() if line.startswith("parapet_calls_in_flight")]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_backend_that(way: Way, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The caller gets an error in the dialect's shape with the request id, marked as the backend's; the next call works."""

    async def behave(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        if request["messages"][0]["content"] == "good":
            writer.write(http(orjson.dumps(completion("all good"))))
            return
        writer.write(way.sent)
        await writer.drain()
        if way.hang:
            await reader.read()
        elif way.reset:
            writer.transport.abort()
        raise ConnectionError

    async def main() -> None:
        timeouts = {"first_byte_timeout": 0.2, "idle_timeout": 0.2}
        async with misbehaving(behave) as address, world(tmp_path, REDACT, backend=address, **timeouts) as parapet:
            answer = await parapet.chat("bad", stream=way.stream)
            assert answer.status_code == way.status
            if way.status == 200:
                *events, last = [orjson.loads(line[6:]) for line in answer.text.split("\n\n") if line]
                assert "".join(e["choices"][0]["delta"].get("content", "") for e in events) == "so far 4111 1111"
            else:
                assert answer.headers["x-parapet-source"] == "backend"
                last = answer.json()
            assert last["error"]["type"] == "backend_error"
            assert last["error"]["code"] == way.code
            assert last["error"]["request_id"] == answer.headers["x-request-id"]
            [record] = parapet.records
            assert (record["outcome"], record["error"], record["status"]) == ("backend_error", way.code, way.status)
            good = await parapet.chat("good")
            assert good.json()["choices"][0]["message"]["content"] == "all good"
            metrics = await parapet.metrics()
            assert gauges(metrics) == ["parapet_calls_in_flight 0.0"]
            assert f'parapet_backend_errors_total{{code="{way.code}",model="m"}} 1.0' in metrics
            for place in (answer.text, metrics, parapet.record.read_text(), caplog.text):
                assert MARKER not in place

    asyncio.run(main())


def test_no_connection(tmp_path: Path) -> None:
    """A port that nobody listens on is the backend's fault, and says so."""

    async def main() -> None:
        async with world(tmp_path, backend="http://127.0.0.1:1/v1") as parapet:
            answer = await parapet.chat()
            assert (answer.status_code, answer.json()["error"]["code"]) == (502, "backend_unreachable")
            assert answer.headers["x-parapet-source"] == "backend"

    asyncio.run(main())


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": f"too long: {CARD}", "type": "bad", "param": "messages", "code": "length", "more": [CARD]}},
        {"object": "error", "message": f"too long: {CARD}", "type": "bad", "param": None, "code": 400},
        {"error": f"too long: {CARD}", "error_type": "validation"},
        {"detail": f"too long: {CARD}"},
    ],
    ids=("openai", "vllm", "tgi", "fastapi"),
)
def test_a_backends_own_error_is_relayed_and_guarded(body: dict[str, Any], tmp_path: Path) -> None:
    """Its status and message reach the caller in the dialect's shape, with the request id; what it quotes is redacted."""

    async def behave(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        writer.write(http(orjson.dumps(body), "422 Unprocessable"))

    async def main() -> None:
        async with misbehaving(behave) as address, world(tmp_path, REDACT, backend=address) as parapet:
            for stream in (False, True):
                answer = await parapet.chat(stream=stream)
                error = answer.json()["error"]
                assert answer.status_code == 422
                assert answer.headers["x-parapet-source"] == "backend"
                assert error["message"] == "too long: <CREDIT_CARD>"
                assert error["request_id"] == answer.headers["x-request-id"]
                assert {"type", "param", "code"} <= error.keys()
                assert CARD not in answer.text

    asyncio.run(main())


def test_a_backends_error_that_a_rule_blocks_is_not_shown(tmp_path: Path) -> None:
    """An error can quote what no caller may see."""

    async def behave(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        writer.write(http(orjson.dumps({"error": {"message": "cannot pay DE89 3704 0044 0532 0130 00 now"}}), "400 No"))

    async def main() -> None:
        async with misbehaving(behave) as address, world(tmp_path, BLOCK, backend=address) as parapet:
            answer = await parapet.chat()
            assert answer.status_code == 400
            assert answer.json()["error"]["message"] == "No bank accounts here."
            assert answer.json()["error"]["code"] == "content_filter"

    asyncio.run(main())


def test_what_the_backend_is_sent(tmp_path: Path) -> None:
    """The redacted request with unknown fields and the request id; never the caller's key, which stays at Parapet."""
    heard: list[Any] = []

    async def behave(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        heard.append(request)
        writer.write(http(orjson.dumps(completion())))

    async def main() -> None:
        async with misbehaving(behave) as address, world(tmp_path, REDACT, backend=address) as parapet:
            unknown: dict[str, Any] = {"x_new": {"b": [1, 2.5, None, True], "a": "ü🙂"}, "top_k": 3}
            message: dict[str, Any] = {"role": "user", "content": f"Pay {CARD} now", "x": {"y": 1}}
            request = {"model": "m", "messages": [message], **unknown}
            await parapet.client.post("/v1/chat/completions", json=request, headers={"authorization": f"Bearer {MARKER}"})
            message["content"] = "Pay <CREDIT_CARD> now"
            assert heard == [request]

    asyncio.run(main())


def test_connections_are_used_again(tmp_path: Path) -> None:
    """Also after a stream whose last bytes come a moment after its last event."""
    connections: set[Any] = set()

    async def behave(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        connections.add(writer)
        if request.get("stream"):
            writer.write(STREAM + piece(GOOD))
            await asyncio.sleep(0.005)
            writer.write(piece(b""))
        else:
            writer.write(http(orjson.dumps(completion())))

    async def main() -> None:
        async with misbehaving(behave) as address, world(tmp_path, REDACT, backend=address) as parapet:
            for stream in (False, True, True, False, True):
                assert (await parapet.chat(stream=stream)).status_code == 200
            assert len(connections) == 1

    asyncio.run(main())


def test_an_error_tells_when_to_try_again(tmp_path: Path) -> None:
    """Those headers are kept, if their values are fit to be passed on; all others are the backend's own affair."""
    kept = {"retry-after": "7", "retry-after-ms": "6500", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset": "1m 2s"}
    dropped = {
        "x-ratelimit-long": "9" * 129,
        "x-ratelimit-odd": "caf\xe9",
        "x-ratelimit-": "1",
        "server": MARKER,
        "set-cookie": "a=b",
    }
    sent = http(b"{}", "429 Too Many Requests", **{name.title(): value for name, value in {**kept, **dropped}.items()})

    async def behave(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        writer.write(sent)

    async def main() -> None:
        async with misbehaving(behave) as address:
            backend = OpenAI("m", OpenAIBackend(kind="openai", base_url=address), Settings())
            with pytest.raises(BackendRefused) as caught:
                await backend.call(Asked("/v1/chat/completions", {}, "id-1"))
            await backend.close()
            assert (caught.value.status, caught.value.headers) == (429, kept)

    asyncio.run(main())


def test_when_to_try_again_reaches_the_caller(tmp_path: Path) -> None:
    """So that its library waits as long as the backend asks."""

    async def behave(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        writer.write(http(b'{"error": {"message": "busy"}}', "429 Too Many Requests", **{"Retry-After": "7"}))

    async def main() -> None:
        async with misbehaving(behave) as address, world(tmp_path, REDACT, backend=address) as parapet:
            answer = await parapet.chat()
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")

    asyncio.run(main())
