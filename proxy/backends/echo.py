"""The embedded backend: needs no GPU and no model, and answers by repeating what it was told, the same way each time.

It is for trying Parapet out and for tests. It speaks OpenAI's chat completions, whole or streamed in chunks of `chunk`
characters at a `pace`. It answers `You said: …`, but for messages that begin with

    look up …         the file of a customer, who is made up, with a card, an address and a number
    show the key …    a private key, which opens nothing
    call NAME {…}     a call of the tool NAME with that JSON as its arguments
    call NAME …       the same, with the customer's data as its arguments

so that one can see what a completion's guard does.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson

from proxy.backends.base import Answer, Asked
from proxy.errors import BackendRefused, BackendUnsupported
from proxy.settings import EchoBackend, Settings

CALL = re.compile(r"call (\w{1,64})\b\s*", re.ASCII)
CUSTOMER = {"name": "Kim Sample", "email": "kim.sample@example.com", "card": "4111 1111 1111 1111", "phone": "+1 415 555 2671"}
FILE = "The customer is {name}, e-mail {email}, phone number {phone}, card {card}, with us since 2019."
KEY = "-----{} PRIVATE KEY-----\n" + "bm90IGEga2V5LCBvbmx5IHRoZSBzaGFwZSBvZiBvbmUu" * 3 + "\n-----{} PRIVATE KEY-----"
MOST = 128  # choices, as in OpenAI's API
CREATED = 1_700_000_000  # the same in every answer, so that answers can be compared


class Echo:
    """One embedded backend."""

    def __init__(self, model: str, entry: EchoBackend, settings: Settings) -> None:  # noqa: ARG002 - as all backends are made
        self.model = model
        self.pace, self.size = entry.pace, entry.chunk

    async def call(self, asked: Asked) -> Answer:
        """Answer at once."""
        payload = asked.payload
        if asked.path != "/v1/chat/completions":
            raise BackendUnsupported("the embedded backend has no such API")
        number, options = payload.get("n"), payload.get("stream_options")
        if number is not None and not (type(number) is int and 1 <= number <= MOST):
            raise refusal(f"n must be a whole number from 1 to {MOST}")
        if options is not None and not isinstance(options, dict):
            raise refusal("stream_options must be an object")
        base = {"id": f"chatcmpl-{asked.request_id}", "created": CREATED, "model": self.model}
        return Echoed(base, payload, heard(payload), self.pace, self.size)

    async def close(self) -> None:
        """It holds nothing."""


class Echoed:
    """What it answers."""

    def __init__(self, base: Mapping[str, Any], payload: Mapping[str, Any], text: str, pace: float, size: int) -> None:
        self.base, self.payload, self.pace, self.size = base, payload, pace, size
        self.stream = payload.get("stream") is True
        self.tool = called[1] if (called := CALL.match(text)) else ""
        self.said = arguments(text[called.end() :]) if called else answer(text)

    @property
    def content_type(self) -> str:
        return "text/event-stream" if self.stream else "application/json"

    @property
    def usage(self) -> dict[str, int]:
        told = sum(len(str(message.get("content") or "").split()) for message in self.payload["messages"])
        said = len(self.said.split())
        return {"prompt_tokens": told, "completion_tokens": said, "total_tokens": told + said}

    async def read(self) -> bytes:
        if self.tool:
            call = {"id": "call_0", "type": "function", "function": {"name": self.tool, "arguments": self.said}}
            message: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [call]}
        else:
            message = {"role": "assistant", "content": self.said, "refusal": None}
        choices = [
            {"index": index, "message": message, "logprobs": None, "finish_reason": self.finish}
            for index in range(self.payload.get("n") or 1)
        ]
        return orjson.dumps({**self.base, "object": "chat.completion", "choices": choices, "usage": self.usage})

    @property
    def finish(self) -> str:
        return "tool_calls" if self.tool else "stop"

    async def chunks(self) -> AsyncIterator[bytes]:
        numbers = range(self.payload.get("n") or 1)
        for number in numbers:
            yield self.event(number, {"role": "assistant", "content": None if self.tool else ""})
        if self.tool:
            call = {"index": 0, "id": "call_0", "type": "function", "function": {"name": self.tool, "arguments": ""}}
            for number in numbers:
                yield self.event(number, {"tool_calls": [call]})
        for start in range(0, len(self.said), self.size):
            piece = self.said[start : start + self.size]
            delta = {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} if self.tool else {"content": piece}
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

    async def settle(self) -> None:
        """Nothing follows."""

    def close(self) -> None:
        """Nothing runs on."""


def refusal(message: str, status: int = 400) -> BackendRefused:
    """An error as OpenAI's API has it."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return BackendRefused(status, orjson.dumps({"error": error}), "application/json")


def answer(text: str) -> str:
    """What is said to a text."""
    if text.lower().startswith("look up"):
        return FILE.format(**CUSTOMER)
    if text.lower().startswith("show the key"):
        return "Here it is:\n" + KEY.format("BEGIN", "END")
    return f"You said: {text}"


def arguments(text: str) -> str:
    """The arguments of a tool call."""
    return text if text.startswith("{") else orjson.dumps(CUSTOMER).decode()


def data(payload: Mapping[str, Any]) -> bytes:
    """One event of a stream."""
    return b"data: " + orjson.dumps(payload) + b"\n\n"


def heard(payload: Mapping[str, Any]) -> str:
    """The text of the last message."""
    content = payload["messages"][-1].get("content")
    if isinstance(content, list):
        return " ".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
    return content if isinstance(content, str) else ""
