"""Anthropic's SDK and OpenAI's Responses served by a provider of another protocol: translated, guarded, whole and streamed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import anthropic as sdk
import httpx
import openai
import orjson
import pytest

from tests.backends.providers import CALL, anthropic, gemini
from tests.backends.test_litellm import Protocol, over
from tests.world import CARD, World, served

pytestmark = [
    pytest.mark.slow,  # it takes seconds to import
    pytest.mark.filterwarnings("ignore:Item .* using the `ReadOnly` qualifier:UserWarning"),  # of its types, when first used
]
SHOWN = "Pay to <CREDIT_CARD> today"
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}}
MESSAGE: dict[str, Any] = {
    "model": "m",
    "max_tokens": 50,
    "system": "be brief",
    "messages": [{"role": "user", "content": f"Charge {CARD}"}],
    "tools": [{"name": "weather", "description": "w", "input_schema": SCHEMA}],
}
RESPONSE: dict[str, Any] = {
    "model": "m",
    "instructions": "be brief",
    "input": [{"role": "user", "content": f"Charge {CARD}"}],
    "tools": [{"type": "function", "name": "weather", "description": "w", "parameters": SCHEMA}],
}
PROTOCOLS = pytest.mark.parametrize("protocol", [anthropic, gemini])
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@STREAMED
@PROTOCOLS
def test_anthropics_sdk_is_served_by_any_provider(protocol: Protocol, stream: bool, tmp_path: Path) -> None:
    """Its SDK puts together a message with text and a call of a tool; the provider hears its own protocol, without the card."""

    async def main() -> None:
        async with over(tmp_path, protocol) as (far, parapet), served(parapet.app) as url:
            client = sdk.AsyncAnthropic(base_url=url, api_key="none", max_retries=0)
            if stream:
                async with client.messages.stream(**MESSAGE) as events:
                    message: Any = await events.get_final_message()
            else:
                message = await client.messages.create(**MESSAGE)
            await client.close()
            text, call = message.content
            assert (text.type, call.type, message.stop_reason) == ("text", "tool_use", "tool_use")
            assert (text.text, call.name, call.input) == (SHOWN, "weather", CALL)
            assert message.usage.output_tokens == 9
            [heard] = far.heard
            assert b"4111" not in orjson.dumps(heard.body)
            assert b"Charge <CREDIT_CARD>" in orjson.dumps(heard.body)
            assert b"be brief" in orjson.dumps(heard.body)

    asyncio.run(main())


@STREAMED
@PROTOCOLS
def test_responses_are_served_by_any_provider(protocol: Protocol, stream: bool, tmp_path: Path) -> None:
    """The same with OpenAI's SDK, and the turns after a call of a tool."""

    async def main() -> None:
        async with over(tmp_path, protocol) as (far, parapet), served(parapet.app) as url:
            client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
            if stream:
                async with client.responses.stream(**RESPONSE) as events:
                    response: Any = await events.get_final_response()
            else:
                response = await client.responses.create(**RESPONSE)
            assert (response.status, response.output_text) == ("completed", SHOWN)
            [call] = [item for item in response.output if item.type == "function_call"]
            assert (call.name, orjson.loads(call.arguments)) == ("weather", CALL)
            assert response.usage.output_tokens == 9
            told = {"type": "function_call_output", "call_id": call.call_id, "output": f"paid with {CARD}"}
            again = [*RESPONSE["input"], call.model_dump(include={"type", "call_id", "name", "arguments"}), told]
            await client.responses.create(**{**RESPONSE, "input": again})
            await client.close()
            assert b"4111" not in orjson.dumps([each.body for each in far.heard])
            assert b"paid with <CREDIT_CARD>" in orjson.dumps(far.heard[-1].body)

    asyncio.run(main())


async def ask(parapet: World, path: str, payload: dict[str, Any], **more: Any) -> httpx.Response:
    return await parapet.client.post(path, json={**payload, **more})


@pytest.mark.parametrize(("path", "payload"), [("/v1/messages", MESSAGE), ("/v1/responses", RESPONSE)])
def test_each_way_to_fail_is_said_in_the_callers_shape(path: str, payload: dict[str, Any], tmp_path: Path) -> None:
    """An error status, a stream that breaks off or ends early: never an end that was none, never LiteLLM's words."""

    async def main() -> None:
        async with over(tmp_path, anthropic) as (far, parapet):
            assert (await ask(parapet, path, payload)).status_code == 200
            far.trouble = "429 Slow down"
            refused = await ask(parapet, path, payload)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
            for trouble in ("breaks off", "ends early"):
                far.trouble = trouble
                said = await ask(parapet, path, payload, stream=True)
                last = orjson.loads(said.text.strip().rpartition("data: ")[2])
                assert last["type"] == "error", trouble
                assert "litellm" not in said.text.lower()
                assert "message_stop" not in said.text
                assert "response.completed" not in said.text
                assert parapet.records[-1]["outcome"] == "backend_error"
            far.trouble = ""
            assert (await ask(parapet, path, payload, stream=True)).status_code == 200

    asyncio.run(main())


def given(results: list[Any]) -> list[Any]:
    """The turns of a call of a tool that is given an address."""
    call = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"url": "https://a.example/"}}
    turns = [("user", "look"), ("assistant", [call]), ("user", results)]
    return [{"role": role, "content": content} for role, content in turns]


def test_addresses_in_calls_of_tools_and_in_their_results_are_texts(tmp_path: Path) -> None:
    """Nobody fetches them: agents that read pages have them in every turn."""

    async def main() -> None:
        async with over(tmp_path, gemini) as (far, parapet):
            result = {"type": "tool_result", "tool_use_id": "t1", "content": "https://a.example/ says hello"}
            said = await ask(parapet, "/v1/messages", MESSAGE, messages=given([result]))
            assert said.status_code == 200, said.text
            assert b"https://a.example/ says hello" in orjson.dumps(far.heard[0].body)

    asyncio.run(main())


def test_a_refusal_in_the_history_is_said_to_the_model(tmp_path: Path) -> None:
    """As the caller has it from a completion that was blocked."""

    async def main() -> None:
        async with over(tmp_path, gemini) as (far, parapet):
            refused = {"role": "assistant", "type": "message", "content": [{"type": "refusal", "refusal": "that I must not"}]}
            asked = [
                {"role": "user", "content": "a"},
                refused,
                {"role": "user", "content": [{"type": "input_text", "text": "b"}]},
            ]
            assert (await ask(parapet, "/v1/responses", RESPONSE, input=asked)).status_code == 200
            assert b"that I must not" in orjson.dumps(far.heard[0].body)

    asyncio.run(main())


def test_what_cannot_be_translated_is_refused(tmp_path: Path) -> None:
    """Tools that somebody else would have to run, fields that LiteLLM takes as its own, pictures by their address, and parts
    that it would leave out without a word.
    """

    async def main() -> None:
        async with over(tmp_path, gemini) as (far, parapet):
            image = {"type": "image", "source": {"type": "url", "url": "https://a.example/a.png"}}
            result = {"type": "tool_result", "tool_use_id": "t1"}
            document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "said"}}
            picture = {"type": "input_image", "image_url": "https://a.example/a.png"}
            for path, payload, more in (
                ("/v1/responses", RESPONSE, {"tools": [{"type": "mcp", "server_label": "s", "server_url": "https://a.example"}]}),
                ("/v1/responses", RESPONSE, {"tools": [{"type": "web_search"}]}),
                ("/v1/responses", RESPONSE, {"api_base": "https://a.example"}),
                ("/v1/messages", MESSAGE, {"api_base": "https://a.example"}),
                ("/v1/messages", MESSAGE, {"mcp_servers": [{"type": "url", "url": "https://a.example", "name": "s"}]}),
                ("/v1/messages", MESSAGE, {"messages": [{"role": "user", "content": [image]}]}),
                ("/v1/messages", MESSAGE, {"messages": given([{**result, "content": [image]}])}),
                ("/v1/responses", RESPONSE, {"input": [{"role": "user", "content": [picture]}]}),
                ("/v1/messages", MESSAGE, {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
                ("/v1/messages", MESSAGE, {"messages": [{"role": "user", "content": [document]}]}),
                ("/v1/messages", MESSAGE, {"messages": given([{**result, "content": [document]}])}),
                ("/v1/messages", MESSAGE, {"messages": [{"role": "user", "content": [{"type": "search_result", "title": "t"}]}]}),
                ("/v1/responses", RESPONSE, {"input": [{"role": "user", "content": [{"type": "input_audio"}]}]}),
                ("/v1/responses", RESPONSE, {"input": [{"type": "local_shell_call_output", "id": "a", "output": "b"}]}),
            ):
                said = await ask(parapet, path, payload, **more)
                assert said.status_code in (400, 501, 502), (path, more, said.text)
                assert "LiteLLM" in said.text, said.text
            assert far.heard == []

    asyncio.run(main())
