"""Google's own SDK with Gemini, over real sockets to a scripted backend: whole, streamed, refused, with tools, and its errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from google import genai
from google.genai import errors, types
from starlette.responses import Response

from tests.dialects.scripted import Backend, scripted
from tests.world import BLOCK, CARD, IBAN, MAIL, REDACT, event, served, world

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning"),  # of aiohttp, for what the SDK does
]
Talk = Callable[[genai.client.AsyncClient], Awaitable[Any]]
SPOKEN = "policy: p\nrules:\n  - {id: a, check: pii, direction: completion, action: redact}\n"
SPOKEN_BLOCK = """
policy: p
rules:
  - {id: a, check: pii, with: {entities: [IBAN_CODE]}, direction: completion, action: block, message: No.}
"""
BASE = {"modelVersion": "g-1", "responseId": "r-1", "usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 2}}


def candidate(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return BASE | {"candidates": [{"index": 0, "content": {"role": "model", "parts": list(parts)}, **more}]}


def said(payload: Any) -> list[dict[str, Any]]:
    """The parts of its answer: what it was told, or a call of a function with that."""
    text = payload["contents"][-1]["parts"][-1]["text"]
    if payload.get("tools"):
        return [{"text": "I pay. "}, {"functionCall": {"name": "pay", "args": {"card": text, "amount": 5}}}]
    return [{"text": "I think. ", "thought": True}, {"text": text.removeprefix("say ")}]


def whole(payload: Any) -> Any:
    return candidate(*said(payload), finishReason="STOP")


def streamed(payload: Any) -> list[bytes]:
    """In pieces of four characters."""
    events = []
    for part in said(payload):
        text = part.get("text", "")
        events += [candidate({**part, "text": text[i : i + 4]}) for i in range(0, len(text), 4)] or [candidate(part)]
    return [event(each) for each in [*events, candidate({"text": ""}, finishReason="STOP")]]


def broken(payload: Any) -> Any:
    """An error of Google's."""
    error = {"code": 429, "message": f"Slow down, {MAIL}.", "status": "RESOURCE_EXHAUSTED"}
    return Response(httpx.Response(429, json={"error": error}).content, 429, media_type="application/json")


SCRIPTS = {
    "/models/m:generateContent": whole,
    "/models/m:streamGenerateContent": streamed,
    "/models/m:countTokens": lambda payload: {"totalTokens": 7},
}


def talk(folder: Path, say: Talk, *policies: str, scripts: Any = SCRIPTS) -> Any:
    """Let the SDK talk through Parapet to the script; what it got, and the backend."""

    async def main() -> tuple[Any, Backend]:
        async with scripted(scripts, base="/v1beta") as backend:
            parapet = world(folder, *policies, backend=backend.address)
            async with served(parapet.app) as address:
                options = types.HttpOptions(base_url=address)
                client = genai.Client(api_key="k", http_options=options, vertexai=False)
                try:
                    return await say(client.aio), backend
                finally:
                    await client.aio.aclose()
                    client.close()

    return asyncio.run(main())


async def ask(client: genai.client.AsyncClient, text: str, **config: Any) -> Any:
    return await client.models.generate_content(model="m", contents=text, config=types.GenerateContentConfig(**config))


async def listen(client: genai.client.AsyncClient, text: str, **config: Any) -> list[Any]:
    stream = await client.models.generate_content_stream(model="m", contents=text, config=types.GenerateContentConfig(**config))
    return [chunk async for chunk in stream]


def test_a_whole_answer(tmp_path: Path) -> None:
    """Redacted on the way in and on the way out, with the usage of the backend."""
    answer, backend = talk(tmp_path, lambda c: ask(c, f"say I am {MAIL}", system_instruction=f"Pay with {CARD}."), REDACT)
    assert answer.text == "I am <EMAIL_ADDRESS>"
    assert answer.usage_metadata.total_token_count == 2
    assert backend.payloads[0]["systemInstruction"]["parts"][0]["text"] == "Pay with <CREDIT_CARD>."
    assert backend.paths == ["/models/m:generateContent"]


def test_a_stream(tmp_path: Path) -> None:
    """The pieces join to the same redacted text; thoughts stay thoughts."""
    chunks, _ = talk(tmp_path, lambda c: listen(c, f"say my card is {CARD}, thanks"), SPOKEN)
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or ()]
    assert "".join(part.text for part in parts if not part.thought) == "my card is <CREDIT_CARD>, thanks"
    assert "".join(part.text for part in parts if part.thought) == "I think. "
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP


def test_a_function_call(tmp_path: Path) -> None:
    """Its arguments are redacted and stay an object, whole and streamed, and come behind the text that went before them."""
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="pay", description="Pay.")])

    async def say(client: genai.client.AsyncClient) -> list[Any]:
        return [await ask(client, CARD, tools=[tool]), *await listen(client, CARD, tools=[tool])]

    (first, *chunks), _ = talk(tmp_path, say, SPOKEN)
    for parts in (
        first.candidates[0].content.parts,
        [part for chunk in chunks for part in chunk.candidates[0].content.parts or ()],
    ):
        [call] = [part.function_call for part in parts if part.function_call]
        assert (call.name, call.args) == ("pay", {"card": "<CREDIT_CARD>", "amount": 5})
        place = next(i for i, part in enumerate(parts) if part.function_call)
        assert "".join(part.text or "" for part in parts[:place]) == "I pay. "


def test_a_structured_answer(tmp_path: Path) -> None:
    """What is asked for as JSON stays JSON: a number is replaced by a text, whole and streamed."""
    said = 'say {"card": 4111111111111111, "amount": 5}'
    config = {"response_mime_type": "application/json"}

    async def say(client: genai.client.AsyncClient) -> list[Any]:
        chunks = await listen(client, said, **config)
        parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or ()]
        return [(await ask(client, said, **config)).text, "".join(part.text for part in parts if not part.thought)]

    for text in talk(tmp_path, say, SPOKEN)[0]:
        assert orjson.loads(text) == {"card": "<CREDIT_CARD>", "amount": 5}


def test_a_blocked_prompt(tmp_path: Path) -> None:
    """A ClientError with the rule's message, and the reason in its details; the backend is not called."""

    async def say(client: genai.client.AsyncClient) -> list[Any]:
        caught = []
        for call in (ask, listen):
            with pytest.raises(errors.ClientError) as error:
                await call(client, IBAN)
            caught.append(error.value)
        return caught

    caught, backend = talk(tmp_path, say, BLOCK)
    for error in caught:
        assert (error.code, error.status, error.message) == (400, "INVALID_ARGUMENT", "No bank accounts here.")
        assert error.details["error"]["details"][0]["reason"] == "content_filter"
        assert error.details["error"]["details"][0]["metadata"]["rule"] == "no-iban"
        assert error.details["promptFeedback"]["blockReason"] == "BLOCKLIST"
    assert backend.paths == []


def test_a_blocked_answer(tmp_path: Path) -> None:
    """It ends with SAFETY, without its text."""
    answer, _ = talk(tmp_path, lambda c: ask(c, f"say pay {IBAN} now"), SPOKEN_BLOCK)
    assert answer.candidates[0].finish_reason == types.FinishReason.SAFETY
    assert not answer.text


def test_a_blocked_stream(tmp_path: Path) -> None:
    """What was shown stays, and the last piece ends with SAFETY."""
    chunks, _ = talk(tmp_path, lambda c: listen(c, f"say hello there, friend. Please pay {IBAN} now, thanks"), SPOKEN_BLOCK)
    shown = "".join(part.text for chunk in chunks for part in chunk.candidates[0].content.parts or () if not part.thought)
    assert shown.startswith("hello there, friend.")
    assert "DE89" not in shown
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.SAFETY


def test_tokens_are_counted_of_redacted_texts(tmp_path: Path) -> None:
    """A count sends the prompt too."""
    answer, backend = talk(tmp_path, lambda c: c.models.count_tokens(model="m", contents=f"I am {MAIL}"), REDACT)
    assert answer.total_tokens == 7
    assert backend.payloads[0]["contents"][0]["parts"][0]["text"] == "I am <EMAIL_ADDRESS>"


def test_an_error_of_the_backend(tmp_path: Path) -> None:
    """A ClientError with the backend's status, its text redacted."""

    async def say(client: genai.client.AsyncClient) -> Any:
        with pytest.raises(errors.ClientError) as error:
            await ask(client, "hi")
        return error.value

    error, _ = talk(tmp_path, say, REDACT, scripts={"/models/m:generateContent": broken})
    assert (error.code, error.status, error.message) == (429, "RESOURCE_EXHAUSTED", "Slow down, <EMAIL_ADDRESS>.")


def test_a_stream_that_breaks_raises(tmp_path: Path) -> None:
    """An APIError behind what had come, with the backend's fault as its reason."""

    async def say(client: genai.client.AsyncClient) -> Any:
        with pytest.raises(errors.APIError) as error:
            await listen(client, "say hello there")
        return error.value

    error, _ = talk(tmp_path, say, SPOKEN, scripts={"/models/m:streamGenerateContent": lambda p: streamed(p)[:-1]})
    assert (error.code, error.status) == (502, "UNAVAILABLE")


def test_an_unknown_model_and_a_stream_of_another_form_are_refused(tmp_path: Path) -> None:
    """In Google's shape, with the way out."""

    async def main() -> list[Any]:
        async with world(tmp_path) as parapet:
            answers = []
            for path in ("x:generateContent", "m:streamGenerateContent"):
                body = {"contents": [{"parts": [{"text": "hi"}]}]}
                answers.append(await parapet.client.post(f"/v1beta/models/{path}", json=body))
            return answers

    missing, listed = asyncio.run(main())
    assert (missing.status_code, missing.json()["error"]["status"]) == (404, "NOT_FOUND")
    assert listed.status_code == 400
    assert "alt=sse" in listed.json()["error"]["message"]
