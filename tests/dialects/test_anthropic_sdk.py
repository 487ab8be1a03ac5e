"""Anthropic's SDK, unchanged but for its base_url, over a real server and a scripted backend: typed results in every case."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anthropic
import orjson
import pytest

from tests.dialects.test_anthropic_stream import events, message, named
from tests.world import BLOCK, CARD, IBAN, MAIL, REDACT, STREAM, http, misbehaving, piece, served, world

pytestmark = pytest.mark.slow
Talk = Callable[[anthropic.AsyncAnthropic], Awaitable[Any]]
HEARD: list[Any] = []  # what reached the backend
ASK: dict[str, Any] = {"model": "m", "max_tokens": 99}


async def repeat(request: Any, writer: asyncio.StreamWriter, _: asyncio.StreamReader) -> None:
    """A backend that says what it was told: whole, streamed, or as a call of the first tool."""
    HEARD.append(request)
    said = request["messages"][-1]["content"]
    if "max_tokens" not in request:
        writer.write(http(orjson.dumps({"input_tokens": len(said)})))
        return
    if "tools" in request:
        block = {"type": "tool_use", "id": "toolu_1", "name": request["tools"][0]["name"], "input": {"card": said}}
        source = orjson.dumps(block["input"]).decode()
    else:
        block, source = {"type": "text", "text": said}, said
    if not request.get("stream"):
        writer.write(http(orjson.dumps(message([block], stop_reason="tool_use" if "tools" in request else "end_turn"))))
        return
    pieces = [source[start : start + 3] for start in range(0, len(source), 3)]
    writer.write(STREAM + b"".join(piece(named(event)) for event in events([block], [pieces])) + piece(b""))


async def overload(_: Any, writer: asyncio.StreamWriter, __: asyncio.StreamReader) -> None:
    """A backend that has too much to do."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": f"no room for {CARD}"}}
    writer.write(http(orjson.dumps(error), status="529 Overloaded"))


def talk(folder: Path, say: Talk, *policies: str, backend: Any = repeat) -> Any:
    """Let the SDK talk to Parapet."""
    HEARD.clear()

    async def main() -> Any:
        async with (
            misbehaving(backend) as address,
            served(world(folder, *policies, backend=address).app) as url,
            anthropic.AsyncAnthropic(api_key="any", base_url=url, max_retries=0) as client,
        ):
            return await say(client)

    return asyncio.run(main())


def user(text: Any) -> list[Any]:
    return [{"role": "user", "content": text}]


def test_a_whole_message(tmp_path: Path) -> None:
    """Typed and redacted; the prompt reaches the backend redacted, nested blocks and all."""
    nested = [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": f"found {MAIL}"}]}]
    called: Any = [{"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"to": MAIL}}]}]

    async def say(client: anthropic.AsyncAnthropic) -> Any:
        messages = [*user(f"I am {MAIL}"), *called, *user(nested), *user(f"It is {MAIL}")]
        return await client.messages.create(messages=messages, system=f"Serve {MAIL}", **ASK)

    answer = talk(tmp_path, say, REDACT)
    assert answer.content[0].text == "It is <EMAIL_ADDRESS>"
    assert (answer.stop_reason, answer.usage.output_tokens) == ("end_turn", 9)
    assert MAIL not in str(HEARD)
    assert HEARD[0]["messages"][1]["content"][0]["input"] == {"to": "<EMAIL_ADDRESS>"}


def test_a_stream(tmp_path: Path) -> None:
    """The helper of the SDK sees the same text."""

    async def say(client: anthropic.AsyncAnthropic) -> Any:
        async with client.messages.stream(messages=user(f"pay {CARD}, please"), **ASK) as stream:
            text = "".join([piece async for piece in stream.text_stream])
            return text, await stream.get_final_message()

    policy = "policy: p\nrules:\n  - {id: a, check: pii, direction: completion, action: redact}\n"
    text, final = talk(tmp_path, say, policy)
    assert text == "pay <CREDIT_CARD>, please"
    assert final.content[0].text == text
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 9)


def test_a_tool_call(tmp_path: Path) -> None:
    """Its input stays JSON, whole and streamed."""
    tools: Any = [{"name": "pay", "description": "Pay.", "input_schema": {"type": "object", "properties": {}}}]

    async def say(client: anthropic.AsyncAnthropic) -> list[Any]:
        whole = await client.messages.create(messages=user(CARD), tools=tools, **ASK)
        async with client.messages.stream(messages=user(CARD), tools=tools, **ASK) as stream:
            return [whole, await stream.get_final_message()]

    for answer in talk(tmp_path, say, "policy: p\nrules:\n  - {id: a, check: pii, direction: completion, action: redact}\n"):
        [call] = answer.content
        assert (call.type, call.name, call.input) == ("tool_use", "pay", {"card": "<CREDIT_CARD>"})


def test_a_blocked_prompt(tmp_path: Path) -> None:
    """A BadRequestError with the rule's message; the backend hears nothing; the counting of tokens is guarded too."""

    async def say(client: anthropic.AsyncAnthropic) -> list[Any]:
        caught = []
        for ask in (
            lambda: client.messages.create(messages=user(IBAN), **ASK),
            lambda: client.messages.create(messages=user(IBAN), stream=True, **ASK),
            lambda: client.messages.count_tokens(messages=user(IBAN), model="m"),
        ):
            with pytest.raises(anthropic.BadRequestError) as error:
                await ask()
            caught.append(error.value)
        return caught

    for error in talk(tmp_path, say, BLOCK):
        body: Any = error.body
        assert body["type"] == "error"
        assert body["error"] | {"type": "invalid_request_error", "code": "content_filter", "rule": "no-iban"} == body["error"]
        assert body["error"]["message"] == "No bank accounts here."
        assert body["request_id"] == error.response.headers["x-request-id"]
    assert HEARD == []


def test_a_blocked_completion(tmp_path: Path) -> None:
    """A message that stops for `refusal`, whole and streamed, with the rule's message."""
    policy = BLOCK.replace("action: block", "action: block, direction: completion")

    async def say(client: anthropic.AsyncAnthropic) -> list[Any]:
        whole = await client.messages.create(messages=user(f"pay {IBAN} now"), **ASK)
        async with client.messages.stream(messages=user(f"pay {IBAN} now"), **ASK) as stream:
            return [whole, await stream.get_final_message()]

    whole, streamed = talk(tmp_path, say, policy)
    for answer in (whole, streamed):
        assert answer.stop_reason == "refusal"
        assert answer.stop_details.explanation == "No bank accounts here."
        assert answer.content[-1].text == "No bank accounts here."
        assert "DE89" not in str(answer)


def test_tokens_are_counted(tmp_path: Path) -> None:
    """Of what the backend would be sent."""
    count = talk(tmp_path, lambda client: client.messages.count_tokens(messages=user(MAIL), model="m"), REDACT)
    assert count.input_tokens == len("<EMAIL_ADDRESS>")


def test_errors_are_typed(tmp_path: Path) -> None:
    """Parapet's own, and the backend's, which is guarded like an answer."""

    async def say(client: anthropic.AsyncAnthropic) -> Any:
        with pytest.raises(anthropic.NotFoundError):
            await client.messages.create(messages=user("hi"), **(ASK | {"model": "x"}))
        with pytest.raises(anthropic.InternalServerError) as caught:
            await client.messages.create(messages=user("hi"), **ASK)
        return caught.value

    error = talk(tmp_path, say, REDACT, backend=overload)
    assert error.status_code == 529
    assert error.body["error"] == {"type": "overloaded_error", "message": "no room for <CREDIT_CARD>"}


def test_headers_that_the_api_needs_go_on(tmp_path: Path) -> None:
    """The version and the betas, and no other; the caller's key stays here."""

    async def main() -> bytes:
        seen: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(http(orjson.dumps(message([{"type": "text", "text": "hi"}]))))
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        async with (
            server,
            served(world(tmp_path, backend=address).app) as url,
            anthropic.AsyncAnthropic(api_key="callers-key", base_url=url, max_retries=0) as client,
        ):
            extra = {"anthropic-beta": "b-1", "x-mine": "m"}
            await client.messages.create(messages=user("hi"), extra_headers=extra, **ASK)
        return seen[0]

    head = asyncio.run(main()).lower()
    assert head.startswith(b"post /v1/messages ")
    assert b"anthropic-version: 20" in head
    assert b"anthropic-beta: b-1" in head
    assert b"callers-key" not in head
    assert b"x-mine" not in head
