"""Scripted servers that speak the protocols of two providers, Anthropic's and Gemini's, and what misbehaves like them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
TEXTS = ("Pay to 4111 1111", " 1111 1111 today")
CALL = {"city": "Oslo"}


def http(body: object, status: str = "200 OK", **headers: str) -> bytes:
    """A whole HTTP response."""
    sent = body if isinstance(body, bytes) else orjson.dumps(body)
    lines = {"content-type": "application/json", "content-length": str(len(sent)), **headers}
    return f"HTTP/1.1 {status}\r\n".encode() + b"".join(f"{k}: {v}\r\n".encode() for k, v in lines.items()) + b"\r\n" + sent


def piece(data: bytes) -> bytes:
    """A chunk of a chunked response; an empty one ends it."""
    return b"%x\r\n%s\r\n" % (len(data), data)


@dataclass
class Heard:
    """One request."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Provider:
    """A server: `protocol` says how it answers, `trouble` how it misbehaves, if it does."""

    protocol: Callable[[Heard], list[bytes]]
    address: str = ""
    trouble: str = ""
    heard: list[Heard] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)  # a caller has left it hanging

    async def answer(self, heard: Heard, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One answer, well or badly."""
        pieces = self.protocol(heard)
        match self.trouble:
            case "":
                for each in pieces:
                    writer.write(each)
                    await writer.drain()
                    await asyncio.sleep(0)
            case "breaks off":  # within its answer
                for each in pieces[: len(pieces) // 2] or [pieces[0][:-5]]:
                    writer.write(each)
                    await writer.drain()
                await asyncio.sleep(0.2)  # an abort takes back what has not been read
                writer.transport.abort()
            case "ends early":  # as HTTP has it, all is well
                for each in [*pieces[: len(pieces) // 2], piece(b"")]:
                    writer.write(each)
            case "hangs":
                await reader.read()
                self.left.set()
            case "hangs within":
                for each in pieces[: len(pieces) // 2]:
                    writer.write(each)
                    await writer.drain()
                await reader.read()
                self.left.set()
            case "dies":
                raise ConnectionError
            case _:
                writer.write(self.refusal())

    def refusal(self) -> bytes:
        """An answer that is no answer, or an error status."""
        if self.trouble == "html":
            return http(b"<html>zanzibar-marker-7391</html>", **{"content-type": "text/html"})
        if self.trouble == "redirects":
            return http(b"", "307 Go", location=self.address + "/elsewhere")
        words = {"message": "it says zanzibar no", "status": "X", "type": "some_error", "code": int(self.trouble[:3])}
        headers = {"retry-after": "7"} if self.trouble[:3] == "429" else {}
        return http({"type": "error", "error": words}, self.trouble, **headers)


@contextlib.asynccontextmanager
async def provider(protocol: Callable[[Heard], list[bytes]]) -> AsyncIterator[Provider]:
    """The server on a socket."""
    made, tasks = Provider(protocol), set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().strip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = orjson.loads(await reader.readexactly(int(headers.get("content-length", "0"))) or b"{}")
                made.heard.append(Heard(first.split()[1], headers, body))
                await made.answer(made.heard[-1], reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    made.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def anthropic(heard: Heard) -> list[bytes]:
    """Anthropic's Messages: a text, and a call of a tool if the request has one."""
    assert heard.path == "/v1/messages", heard.path
    tools, usage = heard.body.get("tools"), {"input_tokens": 5, "output_tokens": 9}
    base = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x"}
    if not heard.body.get("stream"):
        content: list[dict[str, Any]] = [{"type": "text", "text": "".join(TEXTS)}]
        if tools:
            content.append({"type": "tool_use", "id": "toolu_1", "name": "weather", "input": CALL})
        return [http({**base, "content": content, "stop_reason": "tool_use" if tools else "end_turn", "usage": usage})]
    events: list[tuple[str, dict[str, Any]]] = [
        ("message_start", {"message": {**base, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}}),
        ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
        *(("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": text}}) for text in TEXTS),
        ("content_block_stop", {"index": 0}),
    ]
    if tools:
        block = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
        parts = ('{"city": ', '"Oslo"}')
        events += [
            ("content_block_start", {"index": 1, "content_block": block}),
            *(
                ("content_block_delta", {"index": 1, "delta": {"type": "input_json_delta", "partial_json": part}})
                for part in parts
            ),
            ("content_block_stop", {"index": 1}),
        ]
    stop = {"delta": {"stop_reason": "tool_use" if tools else "end_turn"}, "usage": {"output_tokens": 9}}
    events += [("message_delta", stop), ("message_stop", {})]
    shown = [f"event: {name}\n".encode() + b"data: " + orjson.dumps({"type": name, **data}) + b"\n\n" for name, data in events]
    return [STREAM, *map(piece, shown), piece(b"")]


def gemini(heard: Heard) -> list[bytes]:
    """Gemini's generateContent and its embeddings."""
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 9, "totalTokenCount": 14}
    if "mbedContents" in heard.path:
        count = len(heard.body["requests"])
        return [http({"embeddings": [{"values": [0.5, -1.0, float(number)]} for number in range(count)]})]
    assert "enerateContent" in heard.path, heard.path

    def candidate(*parts: dict[str, Any], end: bool) -> dict[str, Any]:
        content = {"role": "model", "parts": list(parts)}
        return {
            "candidates": [{"content": content, "index": 0} | ({"finishReason": "STOP"} if end else {})],
            "usageMetadata": usage,
        }

    said: list[dict[str, Any]] = [{"text": text} for text in TEXTS]
    calls: list[dict[str, Any]] = [{"functionCall": {"name": "weather", "args": CALL}}] if heard.body.get("tools") else []
    if "streamGenerateContent" not in heard.path:
        return [http(candidate(*said, *calls, end=True))]
    each = [*said, *calls]
    events = [orjson.dumps(candidate(part, end=number == len(each))) for number, part in enumerate(each, 1)]
    return [STREAM, *(piece(b"data: " + event + b"\r\n\r\n") for event in events), piece(b"")]
