"""The embedded backend: needs no GPU and no model, and answers by repeating what it was told, the same way each time.

It is for trying Parapet out and for tests. It speaks OpenAI's chat completions, whole or streamed in chunks of `chunk`
characters at a `pace`. A message that begins with `call NAME JSON` is answered by a call of the tool NAME with that JSON as
its arguments; anything else by `You said: …`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson

from proxy.backends.base import Answer
from proxy.errors import BackendRefused
from proxy.settings import EchoBackend, Settings

CALL = re.compile(r"call (\w{1,64}) (?=\{)", re.ASCII)
CREATED = 1_700_000_000  # the same in every answer, so that answers can be compared


class Echo:
    """One embedded backend."""

    def __init__(self, model: str, entry: EchoBackend, settings: Settings) -> None:  # noqa: ARG002 - as all backends are made
        self.name = "echo"
        self.model = model
        self.pace, self.size = entry.pace, entry.chunk

    async def call(self, path: str, payload: Mapping[str, Any], request_id: str) -> Answer:
        """Answer at once."""
        if path != "/v1/chat/completions":
            raise BackendRefused(404, orjson.dumps({"error": {"message": "the embedded backend has no such API"}}), "application/json")
        base = {"id": f"chatcmpl-{request_id}", "created": CREATED, "model": self.model}
        return Echoed(base, payload, heard(payload), self.pace, self.size)

    async def close(self) -> None:
        """It holds nothing."""


class Echoed:
    """What it answers."""

    def __init__(self, base: Mapping[str, Any], payload: Mapping[str, Any], text: str, pace: float, size: int) -> None:
        self.base, self.payload, self.pace, self.size = base, payload, pace, size
        self.text = text
        self.stream = payload.get("stream") is True
        self.called = CALL.match(text)

    @property
    def content_type(self) -> str:
        return "text/event-stream" if self.stream else "application/json"

    @property
    def usage(self) -> dict[str, int]:
        told = sum(len(str(message.get("content") or "").split()) for message in self.payload["messages"])
        said = len(self.text.split()) + 2
        return {"prompt_tokens": told, "completion_tokens": said, "total_tokens": told + said}

    async def read(self) -> bytes:
        if self.called:
            name, arguments = self.called[1], self.text[self.called.end() :]
            call = {"id": "call_0", "type": "function", "function": {"name": name, "arguments": arguments}}
            message: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [call]}
        else:
            message = {"role": "assistant", "content": f"You said: {self.text}", "refusal": None}
        choices = [
            {"index": index, "message": message, "logprobs": None, "finish_reason": self.finish}
            for index in range(self.payload.get("n") or 1)
        ]
        return orjson.dumps({**self.base, "object": "chat.completion", "choices": choices, "usage": self.usage})

    @property
    def finish(self) -> str:
        return "tool_calls" if self.called else "stop"

    async def chunks(self) -> AsyncIterator[bytes]:
        numbers = range(self.payload.get("n") or 1)
        for number in numbers:
            yield self.event(number, {"role": "assistant", "content": None if self.called else ""})
        text = self.text[self.called.end() :] if self.called else f"You said: {self.text}"
        if self.called:
            call = {"index": 0, "id": "call_0", "type": "function", "function": {"name": self.called[1], "arguments": ""}}
            for number in numbers:
                yield self.event(number, {"tool_calls": [call]})
        for start in range(0, len(text), self.size):
            piece = text[start : start + self.size]
            delta = {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} if self.called else {"content": piece}
            for number in numbers:
                yield self.event(number, delta)
            if self.pace:
                await asyncio.sleep(self.pace)
        for number in numbers:
            yield self.event(number, {}, self.finish)
        if (self.payload.get("stream_options") or {}).get("include_usage"):
            yield data({**self.base, "object": "chat.completion.chunk", "choices": [], "usage": self.usage})
        yield b"data: [DONE]\n\n"

    def event(self, number: int, delta: Mapping[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": number, "delta": delta, "logprobs": None, "finish_reason": finish}
        return data({**self.base, "object": "chat.completion.chunk", "choices": [choice]})

    def close(self) -> None:
        """Nothing runs on."""


def data(payload: Mapping[str, Any]) -> bytes:
    """One event of a stream."""
    return b"data: " + orjson.dumps(payload) + b"\n\n"


def heard(payload: Mapping[str, Any]) -> str:
    """The text of the last message."""
    content = payload["messages"][-1].get("content")
    if isinstance(content, list):
        return " ".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
    return content if isinstance(content, str) else ""
