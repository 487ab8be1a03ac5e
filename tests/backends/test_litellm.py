"""Providers by way of LiteLLM, through the whole gateway: what they hear, what callers see, and each way to fail."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from proxy.settings import LiteLLMBackend, OpenAIBackend, Pool
from tests.backends.providers import CALL, Heard, Provider, anthropic, gemini, provider
from tests.world import CARD, MARKER, REDACT, World, completion, http, misbehaving, world

pytestmark = [
    pytest.mark.slow,  # it takes seconds to import
    pytest.mark.filterwarnings("ignore:Item .* using the `ReadOnly` qualifier:UserWarning"),  # of its types, when first used
]

Protocol = Callable[[Heard], list[bytes]]
MODELS: dict[Protocol, str] = {anthropic: "anthropic/claude-sonnet-4-5", gemini: "gemini/gemini-2.5-flash"}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "w",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
KEY = "LITELLM_TEST_KEY"


@asynccontextmanager
async def over(folder: Path, protocol: Protocol, spare: str = "", **options: Any) -> AsyncIterator[tuple[Provider, World]]:
    """A provider behind an application."""
    async with provider(protocol) as far:
        backend = LiteLLMBackend(kind="litellm", model=MODELS[protocol], base_url=far.address, api_key_env=KEY, **options)
        others = [OpenAIBackend(kind="openai", base_url=spare)] if spare else []
        given: dict[str, Any] = {"pools": {"m": Pool(backends=(backend, *others))}, "secrets": {KEY: "s3cr3t"}}
        async with world(folder, REDACT, **given, first_byte_timeout=10.0, idle_timeout=2.0) as parapet:
            yield far, parapet


def read(answer: httpx.Response) -> dict[str, Any]:
    """A chat completion, whole or put together from its stream."""
    if answer.headers["content-type"] == "application/json":
        choice = answer.json()["choices"][0]
        calls = [call["function"] for call in choice["message"].get("tool_calls", ())]
        return {
            "text": choice["message"]["content"],
            "calls": calls,
            "finish": choice["finish_reason"],
            "usage": answer.json()["usage"],
        }
    found: dict[str, Any] = {"text": "", "calls": [], "finish": None, "usage": None}
    *events, end, _ = answer.text.split("\n\n")
    assert end == "data: [DONE]", answer.text
    for event in map(orjson.loads, (event.removeprefix("data: ") for event in events)):
        found["usage"] = event.get("usage") or found["usage"]
        for choice in event["choices"]:
            found["text"] += choice["delta"].get("content") or ""
            found["finish"] = choice["finish_reason"] or found["finish"]
            for call in choice["delta"].get("tool_calls", ()):
                if call["function"].get("name"):
                    found["calls"].append({"name": call["function"]["name"], "arguments": ""})
                found["calls"][-1]["arguments"] += call["function"].get("arguments") or ""
    return found


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("protocol", [anthropic, gemini])
def test_a_chat_is_translated_both_ways_and_guarded(protocol: Protocol, stream: bool, tmp_path: Path) -> None:
    """The provider hears its own protocol, without the card; the caller sees OpenAI's shape, without the card."""

    async def main() -> None:
        async with over(tmp_path, protocol) as (far, parapet):
            more: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
            answer = await parapet.chat(f"Charge {CARD}", tools=[TOOL], temperature=0.5, max_tokens=50, **more)
            assert (answer.status_code, answer.headers["x-parapet-backend"]) == (200, "litellm-1")
            said = read(answer)
            assert said["text"] == "Pay to <CREDIT_CARD> today"
            assert [(call["name"], orjson.loads(call["arguments"])) for call in said["calls"]] == [("weather", CALL)]
            assert said["finish"] == "tool_calls"
            assert {name: said["usage"][name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")} == {
                "prompt_tokens": 5,
                "completion_tokens": 9,
                "total_tokens": 14,
            }
            [heard] = far.heard
            body = orjson.dumps(heard.body)
            assert b"Charge <CREDIT_CARD>" in body
            assert b"4111" not in body
            assert (b'"weather"' in body, b"0.5" in body, b"50" in body) == (True, True, True)
            key = heard.headers.get("x-api-key") or heard.headers.get("x-goog-api-key") or heard.path
            assert "s3cr3t" in key
            assert "s3cr3t" not in answer.text + parapet.record.read_text()
            assert parapet.records[0]["outcome"] == "served"

    asyncio.run(main())


FAILURES = [
    ("401 No", 401, "some", {}),
    ("429 Slow down", 429, "some", {"retry-after": "7"}),
    ("500 Oops", 500, "some", {}),
    ("400 Bad", 400, "some", {}),
    ("html", 502, "backend_broken", {}),
    ("redirects", 502, "backend_broken", {}),
    ("dies", 502, "backend_unreachable", {}),
    ("breaks off", 502, "backend", {}),
    ("hangs", 504, "backend_timeout", {}),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("protocol", [anthropic, gemini])
def test_each_failure_ends_in_a_clear_error(
    protocol: Protocol, stream: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Once, in OpenAI's shape, marked as the backend's, and the next call works. Nothing is sent twice, no redirect followed."""

    async def main() -> None:
        async with over(tmp_path, protocol) as (far, parapet):
            await parapet.chat("warm")
            for trouble, status, code, headers in FAILURES:
                if (stream and trouble in ("breaks off", "html")) or (trouble == "hangs" and protocol is gemini):
                    continue
                far.trouble = trouble
                far.heard.clear()
                if trouble == "hangs":
                    object.__setattr__(parapet_settings(parapet), "first_byte_timeout", 1.0)
                answer = await parapet.chat(MARKER, stream=stream)
                assert answer.status_code == status, (trouble, answer.text)
                error = answer.json()["error"]
                assert answer.headers["x-parapet-source"] == "backend"
                if code == "some":
                    assert error["message"] == "it says zanzibar no", trouble
                else:
                    assert error["code"].startswith(code), trouble
                assert {name: answer.headers.get(name) for name in headers} == headers
                assert len(far.heard) == 1, trouble
                assert not any(heard.path == "/elsewhere" for heard in far.heard)
                assert MARKER not in answer.text + parapet.record.read_text() + caplog.text
                far.trouble = ""
                assert (await parapet.chat("next")).status_code == 200, trouble

    asyncio.run(main())
    assert MARKER not in "".join(capfd.readouterr())


def parapet_settings(parapet: World) -> Any:
    """The settings in force."""
    return next(iter(parapet.app.endpoints.values())).gateway.settings


@pytest.mark.parametrize(
    ("protocol", "trouble"),
    [
        (anthropic, "breaks off"),
        (anthropic, "hangs within"),
        (anthropic, "ends early"),
        (gemini, "breaks off"),  # of Gemini's streams, LiteLLM does not say how they end: one that ends early looks whole
        (gemini, "hangs within"),
    ],
)
def test_a_stream_that_does_not_end_is_never_shown_as_one_that_did(protocol: Protocol, trouble: str, tmp_path: Path) -> None:
    """LiteLLM makes up an end; the caller sees what was said, and an error."""

    async def main() -> None:
        async with over(tmp_path, protocol) as (far, parapet):
            await parapet.chat("warm")
            far.trouble = trouble
            answer = await parapet.chat("hello", stream=True)
            assert answer.status_code == 200
            *_, last = [orjson.loads(event[6:]) for event in answer.text.split("\n\n") if event]
            assert last["error"]["code"] == ("backend_timeout" if trouble == "hangs within" else "backend_broken")
            assert "[DONE]" not in answer.text
            assert '"finish_reason":"stop"' not in answer.text
            assert parapet.records[-1]["outcome"] == "backend_error"
            if trouble == "hangs within":
                await asyncio.wait_for(far.left.wait(), 20)

    asyncio.run(main())


def test_embeddings_come_as_numbers_or_in_base64(tmp_path: Path) -> None:
    """As OpenAI's SDK asks for them by itself."""

    async def main() -> None:
        async with over(tmp_path, gemini) as (far, parapet):
            for encoding in ("float", "base64"):
                request = {"model": "m", "input": ["one", f"two {CARD}"], "encoding_format": encoding}
                answer = await parapet.client.post("/v1/embeddings", json=request)
                assert answer.status_code == 200, answer.text
                rows = [row["embedding"] for row in answer.json()["data"]]
                if encoding == "base64":
                    rows = [list(struct.unpack("<3f", base64.b64decode(row))) for row in rows]
                assert rows == [[0.5, -1.0, 0.0], [0.5, -1.0, 1.0]]
                assert answer.json()["object"] == "list"
            assert "4111" not in orjson.dumps([heard.body for heard in far.heard]).decode()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "request_", "said"),
    [
        ("chat/completions", {"messages": [{"role": "user", "content": "x"}], "api_base": "http://127.0.0.1:1"}, "'api_base'"),
        ("chat/completions", {"messages": [{"role": "user", "content": "x"}], "mock_response": "y"}, "'mock_response'"),
        ("chat/completions", {"messages": [{"role": "user", "content": "x"}], "logprobs": True}, "logprobs"),
        (
            "chat/completions",
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:1/x.png"}}]}
                ]
            },
            "data: URLs",
        ),
        ("images/generations", {"prompt": "x"}, "/v1/chat/completions"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_the_way_out(path: str, request_: dict[str, Any], said: str, tmp_path: Path) -> None:
    """Above all LiteLLM's own arguments, by which a caller could send our key elsewhere; nothing reaches the provider."""

    async def main() -> None:
        async with over(tmp_path, anthropic) as (far, parapet):
            answer = await parapet.client.post(f"/v1/{path}", json={"model": "m", **request_})
            assert (answer.status_code, far.heard) == (400, []), answer.text
            assert said in answer.json()["error"]["message"]

    asyncio.run(main())


def test_unsupported_parameters_are_left_out_if_the_configuration_says_so(tmp_path: Path) -> None:
    """For callers that cannot be changed."""

    async def main() -> None:
        async with over(tmp_path, anthropic, drop_unsupported=True) as (far, parapet):
            answer = await parapet.chat("hello", logprobs=True, api_base="http://127.0.0.1:1", x_new=1)
            assert answer.status_code == 200, answer.text
            assert far.heard[0].body.keys() == {"model", "messages", "max_tokens"}

    asyncio.run(main())


def test_what_a_provider_cannot_do_another_deployment_does(tmp_path: Path) -> None:
    """A pool may mix kinds; the request that is sent again is the one that came."""
    heard: list[Any] = []

    async def behave(request: Any, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        heard.append(request)
        writer.write(http(orjson.dumps(completion("from the other"))))

    async def main() -> None:
        async with misbehaving(behave) as spare, over(tmp_path, anthropic, spare) as (far, parapet):
            far.trouble = "429 Slow down"
            answer = await parapet.chat("hello", max_tokens=7)
            assert (answer.status_code, answer.headers["x-parapet-backend"]) == (200, "openai-2")
            assert heard == [{"model": "m", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 7}]

    asyncio.run(main())


def test_a_caller_that_leaves_ends_the_call_at_the_provider(tmp_path: Path) -> None:
    """Before its answer, and in the middle of its stream."""

    async def main() -> None:
        async with over(tmp_path, anthropic) as (far, parapet):
            await parapet.chat("warm")
            backend = next(iter(parapet.app.endpoints.values())).gateway.pools["m"].deployments[0].backend
            for trouble, stream in (("hangs", False), ("hangs within", True)):
                far.trouble, far.left = trouble, asyncio.Event()
                from proxy.backends import Asked

                payload = {"messages": [{"role": "user", "content": "x"}], "stream": stream}
                call = asyncio.create_task(backend.call(Asked("/v1/chat/completions", payload, "id-1", stream=stream)))
                if stream:
                    answer = await call
                    await anext(answer.chunks())
                    answer.close()
                else:
                    while len(far.heard) < 2:  # noqa: ASYNC110 - until it has heard the call
                        await asyncio.sleep(0.01)
                    call.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await call
                await asyncio.wait_for(far.left.wait(), 20)

    asyncio.run(main())
