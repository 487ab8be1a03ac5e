"""The official SDK, unchanged but for its base_url: whole, streamed, with tools, with a response_format, and its errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest
from pydantic import BaseModel

from tests.world import BLOCK, CARD, IBAN, MAIL, REDACT, completion, http, misbehaving, world

Talk = Callable[[openai.AsyncOpenAI], Awaitable[Any]]
PAY = {
    "type": "function",
    "function": {"name": "pay", "description": "Pay.", "strict": True, "parameters": {"type": "object", "properties": {}}},
}


class Payment(BaseModel):
    """What a structured answer holds."""

    card: str
    amount: int


def talk(folder: Path, say: Talk, *policies: str, backend: str = "") -> Any:
    """Let the SDK talk to Parapet over the embedded backend."""

    async def main() -> Any:
        async with world(folder, *policies, backend=backend) as parapet:
            return await say(
                openai.AsyncOpenAI(api_key="any", base_url="http://parapet/v1", http_client=parapet.client, max_retries=0)
            )

    return asyncio.run(main())


def test_a_whole_completion(tmp_path: Path) -> None:
    """Typed, redacted, with the usage of the backend."""
    answer = talk(
        tmp_path, lambda c: c.chat.completions.create(model="m", messages=[{"role": "user", "content": f"I am {MAIL}"}]), REDACT
    )
    assert answer.choices[0].message.content == "You said: I am <EMAIL_ADDRESS>"
    assert answer.usage.total_tokens > 0


def test_a_stream(tmp_path: Path) -> None:
    """The deltas join to the same text; the last chunk holds the usage."""

    async def say(client: openai.AsyncOpenAI) -> tuple[str, Any]:
        text, last = "", None
        stream = await client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": f"look up the customer with {CARD}"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for last in stream:
            text += "".join(choice.delta.content or "" for choice in last.choices)
        return text, last

    text, last = talk(tmp_path, say, REDACT)
    assert "<CREDIT_CARD>" in text
    assert "4111 1111" not in text
    assert last.usage.total_tokens > 0


def test_a_tool_call(tmp_path: Path) -> None:
    """Its arguments stay JSON, whole and streamed."""

    async def say(client: openai.AsyncOpenAI) -> list[Any]:
        messages: Any = [{"role": "user", "content": f'call pay {{"card": "{CARD}", "amount": 5}}'}]
        tools: Any = [PAY]
        whole = await client.chat.completions.create(model="m", messages=messages, tools=tools)
        async with client.chat.completions.stream(model="m", messages=messages, tools=tools) as stream:
            return [whole, await stream.get_final_completion()]

    for answer in talk(tmp_path, say, "policy: p\nrules:\n  - {id: a, check: pii, direction: completion, action: redact}\n"):
        [call] = answer.choices[0].message.tool_calls
        assert call.function.name == "pay"
        assert orjson.loads(call.function.arguments) == {"card": "<CREDIT_CARD>", "amount": 5}
        assert answer.choices[0].finish_reason == "tool_calls"


def test_a_structured_answer(tmp_path: Path) -> None:
    """What `parse` makes of a response_format is redacted and typed."""

    async def behave(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        assert request["response_format"]["json_schema"]["name"] == "Payment"
        writer.write(http(orjson.dumps(completion(orjson.dumps({"card": CARD, "amount": 5}).decode()))))

    async def main() -> Any:
        async with misbehaving(behave) as address, world(tmp_path, REDACT, backend=address) as parapet:
            client = openai.AsyncOpenAI(api_key="any", base_url="http://parapet/v1", http_client=parapet.client, max_retries=0)
            return await client.chat.completions.parse(
                model="m", messages=[{"role": "user", "content": "pay"}], response_format=Payment
            )

    assert asyncio.run(main()).choices[0].message.parsed == Payment(card="<CREDIT_CARD>", amount=5)


def test_a_blocked_prompt(tmp_path: Path) -> None:
    """A BadRequestError with the code content_filter and the rule's message."""
    with pytest.raises(openai.BadRequestError) as caught:
        talk(tmp_path, lambda c: c.chat.completions.create(model="m", messages=[{"role": "user", "content": IBAN}]), BLOCK)
    assert caught.value.code == "content_filter"
    assert "No bank accounts here." in caught.value.message
    assert caught.value.request_id


def test_an_unknown_model(tmp_path: Path) -> None:
    """A NotFoundError, as from OpenAI."""
    with pytest.raises(openai.NotFoundError):
        talk(tmp_path, lambda c: c.chat.completions.create(model="x", messages=[{"role": "user", "content": "hi"}]))


def test_the_models(tmp_path: Path) -> None:
    """What the configuration serves."""

    async def say(client: openai.AsyncOpenAI) -> list[str]:
        return [model.id async for model in await client.models.list()]

    assert talk(tmp_path, say) == ["m"]
