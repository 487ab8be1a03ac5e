"""OpenAI's own SDK with Responses, against a scripted backend: whole, streamed, refused, and what refers to earlier turns."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest
from pydantic import BaseModel

from tests.dialects.scripted import Backend, scripted
from tests.world import BLOCK, CARD, IBAN, MAIL, REDACT, WATCH, world

pytestmark = pytest.mark.slow
Talk = Callable[[openai.AsyncOpenAI], Awaitable[Any]]
SPOKEN = "policy: p\nrules:\n  - {id: a, check: pii, direction: completion, action: redact}\n"
SPOKEN_BLOCK = """
policy: p
rules:
  - {id: a, check: pii, with: {entities: [IBAN_CODE]}, direction: completion, action: block, message: No.}
"""


DONE = {"status": "completed"}
BASE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "error": None,
}


class Payment(BaseModel):
    """What a structured answer holds."""

    card: str
    amount: int


def script(payload: Any) -> Any:
    """It says what it was told; a tool is called with that as its arguments."""
    given = payload["input"]
    text = given if isinstance(given, str) else given[-1].get("content") or given[-1].get("output")
    said = text.removeprefix("say ") if text.startswith("say ") else f"You said: {text}"
    if payload.get("tools"):
        item = {
            "id": "fc_1",
            "type": "function_call",
            "call_id": "call_1",
            "name": "pay",
            "status": "completed",
            "arguments": said,
        }
    else:
        part: dict[str, Any] = {"type": "output_text", "text": said, "annotations": []}
        item = {"id": "msg_1", "type": "message", "role": "assistant", "content": [part]} | DONE
    base = BASE | {"tools": payload.get("tools", []), "instructions": payload.get("instructions")}
    whole = base | DONE | {"output": [item], "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}}
    return list(stream(base, item, said, whole)) if payload.get("stream") else whole


def stream(base: dict[str, Any], item: dict[str, Any], said: str, whole: dict[str, Any]) -> Any:
    """The events, as OpenAI sends them."""
    at = {"item_id": item["id"], "output_index": 0}
    call = item["type"] == "function_call"
    nothing: dict[str, Any] = {"arguments": ""} if call else {"content": []}
    empty = {**item, "status": "in_progress", **nothing}
    inside = at if call else at | {"content_index": 0}
    name = "response.function_call_arguments" if call else "response.output_text"
    part: dict[str, Any] = {"type": "output_text", "text": "", "annotations": []}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": base | {"status": "in_progress", "output": []}},
        {"type": "response.in_progress", "response": base | {"status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": empty},
        {"type": "response.content_part.added", **inside, "part": part},
        *({"type": f"{name}.delta", **inside, "delta": said[i : i + 4], "logprobs": []} for i in range(0, len(said), 4)),
        {"type": f"{name}.done", **inside, ("arguments" if call else "text"): said},
        {"type": "response.content_part.done", **inside, "part": None if call else item["content"][0]},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    for number, event in enumerate(each for each in events if not (call and "content_part" in each["type"])):
        yield f"event: {event['type']}\n".encode() + b"data: " + orjson.dumps(event | {"sequence_number": number}) + b"\n\n"


def talk(folder: Path, say: Talk, *policies: str, **settings: Any) -> Any:
    """Let the SDK talk through Parapet to the script; what it got, and the backend."""

    async def main() -> tuple[Any, Backend]:
        async with (
            scripted({"/responses": script}) as backend,
            world(folder, *policies, backend=backend.address, **settings) as way,
        ):
            client = openai.AsyncOpenAI(api_key="k", base_url="http://parapet/v1", http_client=way.client, max_retries=0)
            return await say(client), backend

    return asyncio.run(main())


def test_a_whole_response(tmp_path: Path) -> None:
    """Redacted on the way in and on the way out, with the usage of the backend."""

    async def say(client: openai.AsyncOpenAI) -> Any:
        items: Any = [{"role": "user", "content": f"I am {MAIL}"}]
        return await client.responses.create(model="m", instructions=f"Pay with {CARD}.", input=items)

    answer, backend = talk(tmp_path, say, REDACT)
    assert answer.output_text == "You said: I am <EMAIL_ADDRESS>"
    assert backend.payloads[0]["instructions"] == "Pay with <CREDIT_CARD>."
    assert answer.usage.total_tokens == 2


def test_a_stream(tmp_path: Path) -> None:
    """The pieces, the text that is done and the response that is completed are the same redacted text."""

    async def say(client: openai.AsyncOpenAI) -> list[Any]:
        async with client.responses.stream(model="m", input=f"say my card is {CARD}, thanks") as stream:
            events = [event async for event in stream]
            return [events, await stream.get_final_response()]

    (events, final), _ = talk(tmp_path, say, SPOKEN)
    wanted = "my card is <CREDIT_CARD>, thanks"
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == wanted
    assert [event.text for event in events if event.type == "response.output_text.done"] == [wanted]
    assert final.output_text == wanted
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_a_tool_call(tmp_path: Path) -> None:
    """Its arguments stay JSON, whole and streamed; what the tool gave back is redacted on the way to the model."""
    tools: Any = [{"type": "function", "name": "pay", "strict": True, "parameters": {"type": "object", "properties": {}}}]
    said = f'say {{"card": "{CARD}", "amount": 5}}'

    async def say(client: openai.AsyncOpenAI) -> list[Any]:
        whole = await client.responses.create(model="m", input=said, tools=tools)
        async with client.responses.stream(model="m", input=said, tools=tools) as stream:
            final = await stream.get_final_response()
        return [whole, final]

    for answer in talk(tmp_path, say, SPOKEN)[0]:
        [call] = answer.output
        assert (call.type, call.name, call.call_id) == ("function_call", "pay", "call_1")
        assert orjson.loads(call.arguments) == {"card": "<CREDIT_CARD>", "amount": 5}

    async def give_back(client: openai.AsyncOpenAI) -> Any:
        items: Any = [{"type": "function_call_output", "call_id": "call_1", "output": f"paid with {CARD}"}]
        return await client.responses.create(model="m", input=items)

    assert talk(tmp_path, give_back, REDACT)[1].payloads[0]["input"][0]["output"] == "paid with <CREDIT_CARD>"


def test_a_structured_answer(tmp_path: Path) -> None:
    """What `parse` makes of a text format is redacted and typed."""

    async def say(client: openai.AsyncOpenAI) -> Any:
        return await client.responses.parse(model="m", input=f'say {{"card": "{CARD}", "amount": 5}}', text_format=Payment)

    assert talk(tmp_path, say, SPOKEN)[0].output_parsed == Payment(card="<CREDIT_CARD>", amount=5)


def test_a_blocked_prompt(tmp_path: Path) -> None:
    """A BadRequestError with the code content_filter and the rule's message; the backend is not called."""

    async def say(client: openai.AsyncOpenAI) -> Any:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.responses.create(model="m", input=IBAN)
        return caught.value

    error, backend = talk(tmp_path, say, BLOCK)
    assert (error.code, error.param) == ("content_filter", "input")
    assert "No bank accounts here." in error.message
    assert backend.payloads == []


def test_a_blocked_response(tmp_path: Path) -> None:
    """It is incomplete because of a content filter, and its output is a refusal."""
    answer, _ = talk(tmp_path, lambda c: c.responses.create(model="m", input=f"say pay {IBAN} now"), SPOKEN_BLOCK)
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "content_filter")
    assert (answer.output[0].content[0].type, answer.output[0].content[0].refusal) == ("refusal", "No.")
    assert answer.output_text == ""


def test_a_blocked_stream(tmp_path: Path) -> None:
    """What was shown stays, a refusal follows as an item of its own, and the response is incomplete."""

    async def say(client: openai.AsyncOpenAI) -> list[Any]:
        async with client.responses.stream(model="m", input=f"say hello there, friend. Please pay {IBAN} now, thanks") as stream:
            return [event async for event in stream]

    events, _ = talk(tmp_path, say, SPOKEN_BLOCK)
    shown = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert shown.startswith("hello there, friend.")
    assert "DE89" not in shown
    assert [event.refusal for event in events if event.type == "response.refusal.done"] == ["No."]
    last = events[-1]
    assert (last.type, last.response.status) == ("response.incomplete", "incomplete")
    assert last.response.incomplete_details.reason == "content_filter"
    assert last.response.output_text == shown
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_earlier_turns_must_have_been_guarded(tmp_path: Path) -> None:
    """A response that was guarded here may be referred to, whole or streamed; others are refused, unless rules only look."""

    async def say(client: openai.AsyncOpenAI) -> list[Any]:
        async def refused(**fields: Any) -> tuple[str | None, str | None]:
            with pytest.raises(openai.BadRequestError) as caught:
                await client.responses.create(model="m", **fields)
            return caught.value.code, caught.value.param

        before = await refused(input="b", previous_response_id="resp_1")
        async with client.responses.stream(model="m", input="a") as stream:
            first = await stream.get_final_response()
        items: Any = [{"type": "item_reference", "id": "msg_1"}, {"role": "user", "content": "c"}]
        second = await client.responses.create(model="m", input="b", previous_response_id=first.id)
        third = await client.responses.create(model="m", input=items)
        others = await refused(input="b", previous_response_id="resp_2"), await refused(input="b", conversation="conv_1")
        return [before, second.output_text, third.output_text, *others]

    got, _ = talk(tmp_path, say, REDACT)
    previous = ("not_inspected", "previous_response_id")
    assert got == [previous, "You said: b", "You said: c", previous, ("not_inspected", "conversation")]

    async def ask(client: openai.AsyncOpenAI) -> Any:
        return await client.responses.create(model="m", input="b", previous_response_id="resp_2")

    for policy, settings in ((WATCH, {}), (REDACT, {"hidden_text": "pass"})):
        assert talk(tmp_path, ask, policy, **settings)[0].output_text == "You said: b"
    assert b'"previous_turns":1' in (tmp_path / "record.jsonl").read_bytes()


def test_a_response_that_was_refused_may_not_be_referred_to(tmp_path: Path) -> None:
    """The backend has its text, and nobody was to see that."""

    async def say(client: openai.AsyncOpenAI) -> Any:
        refused = await client.responses.create(model="m", input=f"say pay {IBAN} now")
        with pytest.raises(openai.BadRequestError) as caught:
            await client.responses.create(model="m", input="go on", previous_response_id=refused.id)
        return caught.value.code

    both = SPOKEN_BLOCK + "  - {id: b, check: pii, direction: prompt, with: {entities: [CREDIT_CARD]}, action: redact}\n"
    assert talk(tmp_path, say, both)[0] == "not_inspected"


def test_a_stream_that_breaks_raises(tmp_path: Path) -> None:
    """An error event that the SDK raises, after what had come."""

    def broken(payload: Any) -> Any:
        return script(payload)[:6]

    async def main() -> Any:
        async with scripted({"/responses": broken}) as backend, world(tmp_path, SPOKEN, backend=backend.address) as way:
            client = openai.AsyncOpenAI(api_key="k", base_url="http://parapet/v1", http_client=way.client, max_retries=0)
            stream = await client.responses.create(model="m", input="say hello there", stream=True)
            events: list[Any] = []

            async def collect() -> None:
                async for event in stream:
                    events.append(event)  # noqa: PERF401 - those before the error are wanted too

            with pytest.raises(openai.APIError) as caught:
                await collect()
            return events, caught.value

    events, error = asyncio.run(main())
    assert events[-1].type == "response.output_text.delta"
    assert error.code == "backend_broken"
