"""OpenAI's own SDK with its smaller APIs, against a backend with a script: each typed, guarded, and refused in its own words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import openai
import pytest
from starlette.responses import Response

from tests.dialects.scripted import Script, scripted
from tests.world import BLOCK, CARD, IBAN, MAIL, REDACT, WATCH, event, world

pytestmark = pytest.mark.slow
Talk = Callable[[openai.AsyncOpenAI], Awaitable[Any]]


def talk(folder: Path, say: Talk, scripts: Mapping[str, Script], *policies: str, **settings: Any) -> Any:
    """Let the SDK talk through Parapet to a script; what it got, and the backend."""

    async def main() -> Any:
        async with scripted(scripts) as backend, world(folder, *policies, backend=backend.address, **settings) as parapet:
            client = openai.AsyncOpenAI(api_key="k", base_url="http://parapet/v1", http_client=parapet.client, max_retries=0)
            return await say(client), backend

    return asyncio.run(main())


def completion(payload: Any) -> Any:
    """A script for legacy completions: it echoes, in pieces of four characters if it is to stream."""
    base = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m"}
    prompts = [payload["prompt"]] if isinstance(payload["prompt"], str) else payload["prompt"]
    texts = [f"You said: {prompt}" for prompt in prompts]
    if not payload.get("stream"):
        choices = [{"index": i, "text": text, "finish_reason": "stop", "logprobs": None} for i, text in enumerate(texts)]
        return base | {"choices": choices, "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
    made = []
    for place in range(0, max(map(len, texts)), 4):
        for i, text in enumerate(texts):
            if piece := text[place : place + 4]:
                made.append(event(base | {"choices": [{"index": i, "text": piece, "finish_reason": None, "logprobs": None}]}))
    ends = [{"index": i, "text": "", "finish_reason": "stop", "logprobs": None} for i in range(len(texts))]
    return [*made, *(event(base | {"choices": [end]}) for end in ends), b"data: [DONE]\n\n"]


COMPLETIONS = {"/completions": completion}
SPOKEN = "policy: p\nrules:\n  - {id: a, check: pii, direction: completion, action: redact}\n"
SPOKEN_BLOCK = """
policy: p
rules:
  - {id: a, check: pii, with: {entities: [IBAN_CODE]}, direction: completion, action: block, message: No.}
"""


def test_a_completion_is_redacted_both_ways(tmp_path: Path) -> None:
    """The backend sees the redacted prompts, the caller the redacted texts."""
    answer, backend = talk(
        tmp_path, lambda c: c.completions.create(model="m", prompt=[f"I am {MAIL}", "hi"], suffix=CARD), COMPLETIONS, REDACT
    )
    assert [choice.text for choice in answer.choices] == ["You said: I am <EMAIL_ADDRESS>", "You said: hi"]
    assert backend.payloads[0]["suffix"] == "<CREDIT_CARD>"
    assert backend.paths == ["/completions"]


def test_a_streamed_completion_shows_what_the_whole_shows(tmp_path: Path) -> None:
    """Choice by choice, whatever pieces it comes in."""

    async def say(client: openai.AsyncOpenAI) -> dict[int, str]:
        texts: dict[int, str] = {}
        stream = await client.completions.create(model="m", prompt=[f"I am {MAIL}", f"pay {CARD} now"], stream=True)
        async for chunk in stream:
            for choice in chunk.choices:
                texts[choice.index] = texts.get(choice.index, "") + choice.text
        return texts

    texts, _ = talk(tmp_path, say, COMPLETIONS, SPOKEN)
    assert texts == {0: "You said: I am <EMAIL_ADDRESS>", 1: "You said: pay <CREDIT_CARD> now"}


def test_a_blocked_completion_is_refused_whole_and_streamed(tmp_path: Path) -> None:
    """finish_reason is content_filter, and the refusal stands beside it."""

    async def say(client: openai.AsyncOpenAI) -> list[Any]:
        whole = await client.completions.create(model="m", prompt=f"pay {IBAN} now")
        stream = await client.completions.create(model="m", prompt=f"pay {IBAN} now", stream=True)
        return [whole, [chunk async for chunk in stream][-1]]

    answers, _ = talk(tmp_path, say, COMPLETIONS, SPOKEN_BLOCK)
    for answer in answers:
        [choice] = answer.choices
        assert (choice.finish_reason, choice.text, choice.model_extra["refusal"]) == ("content_filter", "", "No.")


def test_a_blocked_prompt_is_an_error(tmp_path: Path) -> None:
    """A BadRequestError with the code content_filter; the backend is not called."""

    async def say(client: openai.AsyncOpenAI) -> list[openai.BadRequestError]:
        errors = []
        for call in (
            client.completions.create(model="m", prompt=IBAN),
            client.embeddings.create(model="m", input=IBAN),
            client.images.generate(model="m", prompt=IBAN),
        ):
            with pytest.raises(openai.BadRequestError) as caught:
                await call
            errors.append(caught.value)
        return errors

    errors, backend = talk(tmp_path, say, {}, BLOCK)
    assert [error.code for error in errors] == ["content_filter"] * 3
    assert [error.param for error in errors] == ["prompt", "input", "prompt"]
    assert backend.paths == []


def test_tokens_pass_no_rule_that_acts(tmp_path: Path) -> None:
    """They are refused, with the way out; passed and counted where rules only look, or the settings say so."""
    tokens = [1, 2, 3]
    script = {"/completions": lambda payload: completion(payload | {"prompt": "tokens"})}

    async def say(client: openai.AsyncOpenAI) -> Any:
        return await client.completions.create(model="m", prompt=tokens)

    with pytest.raises(openai.BadRequestError) as caught:
        talk(tmp_path, say, script, REDACT)
    assert (caught.value.code, caught.value.param) == ("not_inspected", "prompt")
    for policy, settings in ((WATCH, {}), (REDACT, {"hidden_text": "pass"})):
        answer, backend = talk(tmp_path, say, script, policy, **settings)
        assert answer.choices[0].text == "You said: tokens"
        assert backend.payloads[0]["prompt"] == tokens
    assert b'"tokens":1' in (tmp_path / "record.jsonl").read_bytes()


def test_embeddings_are_made_of_redacted_texts(tmp_path: Path) -> None:
    """Numbers come back as the backend sent them."""

    def script(payload: Any) -> Any:
        listed = [{"object": "embedding", "index": i, "embedding": [0.25, -1e-9]} for i in range(len(payload["input"]))]
        return {"object": "list", "model": "m", "data": listed, "usage": {"prompt_tokens": 1, "total_tokens": 1}}

    answer, backend = talk(
        tmp_path,
        lambda c: c.embeddings.create(model="m", input=[f"I am {MAIL}", "b"], encoding_format="float"),
        {"/embeddings": script},
        REDACT,
    )
    assert backend.payloads[0]["input"] == ["I am <EMAIL_ADDRESS>", "b"]
    assert answer.data[1].embedding == [0.25, -1e-9]


def test_images_and_their_rewritten_prompts_are_guarded(tmp_path: Path) -> None:
    """The prompt that goes in, and the prompt that comes out; where that is blocked, an error says so."""

    def script(payload: Any) -> Any:
        return {"created": 1, "data": [{"b64_json": "AAAA", "revised_prompt": payload["prompt"] + f", sent by {MAIL}"}]}

    async def say(client: openai.AsyncOpenAI) -> Any:
        return await client.images.generate(model="m", prompt="a cat")

    answer, _ = talk(tmp_path, say, {"/images/generations": script}, REDACT)
    assert answer.data[0].revised_prompt == "a cat, sent by <EMAIL_ADDRESS>"
    block = "policy: p\nrules:\n  - {id: a, check: pii, direction: completion, action: block, message: No.}\n"
    with pytest.raises(openai.BadRequestError) as caught:
        talk(tmp_path, say, {"/images/generations": script}, block)
    assert (caught.value.code, caught.value.param) == ("content_filter", "data[0].revised_prompt")


def test_documents_to_rank_are_redacted(tmp_path: Path) -> None:
    """So is what the answer repeats of them."""

    def script(payload: Any) -> Any:
        return {"id": "r", "results": [{"index": 1, "relevance_score": 0.9, "document": {"text": f"by {MAIL}"}}]}

    async def main() -> Any:
        async with scripted({"/rerank": script}) as backend, world(tmp_path, REDACT, backend=backend.address) as parapet:
            body = {"model": "m", "query": f"who is {MAIL}", "documents": ["a", {"text": f"card {CARD}"}]}
            return (await parapet.client.post("/v1/rerank", json=body)).json(), backend.payloads[0]

    answer, sent = asyncio.run(main())
    assert sent["query"] == "who is <EMAIL_ADDRESS>"
    assert sent["documents"][1] == {"text": "card <CREDIT_CARD>"}
    assert answer["results"] == [{"index": 1, "relevance_score": 0.9, "document": {"text": "by <EMAIL_ADDRESS>"}}]


def test_an_error_of_the_backend_is_the_backends(tmp_path: Path) -> None:
    """With its status, in OpenAI's shape."""
    with pytest.raises(openai.NotFoundError) as caught:
        talk(tmp_path, lambda c: c.embeddings.create(model="m", input="a"), {}, REDACT)
    assert caught.value.response.headers["x-parapet-source"] == "backend"


def test_speech_is_made_of_a_redacted_text(tmp_path: Path) -> None:
    """The sound passes as it is, and is counted."""

    async def say(client: openai.AsyncOpenAI) -> bytes:
        answer = await client.audio.speech.create(model="m", voice="alloy", input=f"Call {MAIL}.")
        return answer.content

    sound, backend = talk(tmp_path, say, {"/audio/speech": lambda _: Response(b"ID3sound", media_type="audio/mpeg")}, REDACT)
    assert sound == b"ID3sound"
    assert backend.payloads[0]["input"] == "Call <EMAIL_ADDRESS>."
    assert b'"audio":1' in (tmp_path / "record.jsonl").read_bytes()
    with pytest.raises(openai.BadRequestError) as caught:
        talk(tmp_path, lambda c: c.audio.speech.create(model="m", voice="alloy", input=IBAN), {}, BLOCK)
    assert (caught.value.code, caught.value.param) == ("content_filter", "input")


@pytest.mark.parametrize("kind", ["transcriptions", "translations"])
def test_what_was_said_is_guarded_as_a_text(tmp_path: Path, kind: str) -> None:
    """As JSON and as plain text; the prompt in the form is, too, and the file arrives as it was."""
    said = f"My card is {CARD}, thanks."

    def script(payload: bytes) -> Any:
        if b"\r\n\r\ntext\r\n" in payload:
            return Response(said, media_type="text/plain")
        return {"text": said, "words": [{"word": "4111"}], "duration": 1.5}

    async def say(client: openai.AsyncOpenAI) -> list[Any]:
        api: Any = getattr(client.audio, kind)
        file = ("a.wav", b"RIFFsound", "audio/wav")
        return [
            await api.create(model="m", file=file, prompt=f"by {MAIL}"),
            await api.create(model="m", file=file, response_format="text"),
        ]

    (whole, text), backend = talk(tmp_path, say, {f"/audio/{kind}": script}, REDACT)
    assert whole.text == "My card is <CREDIT_CARD>, thanks."
    assert whole.model_extra["words"] == []
    assert text == "My card is <CREDIT_CARD>, thanks."
    assert b"RIFFsound" in backend.payloads[0]
    assert b"by <EMAIL_ADDRESS>" in backend.payloads[0]
    block = "policy: p\nrules:\n  - {id: a, check: pii, direction: completion, action: block, message: No.}\n"
    with pytest.raises(openai.BadRequestError) as caught:
        talk(tmp_path, say, {f"/audio/{kind}": script}, block)
    assert (caught.value.code, caught.value.param) == ("content_filter", "text")


def test_edits_of_images_are_guarded_by_their_prompt(tmp_path: Path) -> None:
    """The images arrive as they were, and are counted."""

    async def say(client: openai.AsyncOpenAI) -> Any:
        files = [("a.png", b"\x89PNGone", "image/png"), ("b.png", b"\x89PNGtwo", "image/png")]
        return await client.images.edit(model="m", image=files, prompt=f"Add {MAIL}.")

    answer, backend = talk(tmp_path, say, {"/images/edits": lambda _: {"created": 1, "data": [{"b64_json": "AAAA"}]}}, REDACT)
    assert answer.data[0].b64_json == "AAAA"
    assert all(piece in backend.payloads[0] for piece in (b"\x89PNGone", b"\x89PNGtwo", b"Add <EMAIL_ADDRESS>."))
    assert b'"image":3' in (tmp_path / "record.jsonl").read_bytes()
