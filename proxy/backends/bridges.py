"""Anthropic's Messages and OpenAI's Responses for a provider that LiteLLM reaches by chat completions: both ways by its adapters.

LiteLLM's own functions for these APIs take tools of a request for servers to call, and remember turns; so only its translation is
used here, around the same call that chat completions are served by.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Protocol

import orjson

from proxy.backends.translation import NAME, plain
from proxy.errors import BackendBroken, BackendUnsupported

MESSAGES = frozenset(
    "messages system max_tokens metadata stop_sequences stream temperature top_k top_p thinking tool_choice tools "
    "output_format".split()
)
RESPONSES = frozenset(
    "input instructions max_output_tokens parallel_tool_calls reasoning store stream temperature text tool_choice tools top_p "
    "user metadata include truncation".split()
)
QUIET = frozenset(("metadata", "litellm_metadata", "model", "custom_llm_provider", "service_tier", "web_search_options"))
OWN = frozenset(("function", "custom"))  # tools that the caller runs; others would have to be run by somebody here
TOOLS = "this model is served by way of LiteLLM, which has no tools of a server's own"
# What LiteLLM translates; it leaves out anything else without a word.
BLOCKS = frozenset("text image document thinking redacted_thinking tool_use tool_result".split())
RESULTS = frozenset(("text", "image"))
SOURCES = frozenset(("base64", "url"))
ITEMS = frozenset("message reasoning function_call function_call_output custom_tool_call custom_tool_call_output".split())
PARTS = frozenset("input_text output_text text refusal input_image input_file".split())


class Bridge(Protocol):
    """One request on its way to a chat completion, and the answer on its way back."""

    def request(self) -> dict[str, Any]:
        """The request as a chat completion's."""
        ...

    def whole(self, made: Any) -> dict[str, Any]:
        """LiteLLM's answer in the shape that was asked for."""
        ...

    def events(self, stream: Any) -> AsyncIterator[bytes]:
        """Its stream, as events of that shape."""
        ...


class Messages:
    """Anthropic's Messages."""

    def __init__(self, sent: dict[str, Any], model: str) -> None:
        self.sent, self.model = sent, model
        self.adapter: Any = importlib.import_module(
            "litellm.llms.anthropic.pass_through.adapters.transformation"
        ).AnthropicAdapter()
        self.names: dict[str, str] = {}  # of tools whose names were too long

    def request(self) -> dict[str, Any]:
        if any(not isinstance(tool, dict) or tool.get("type", "custom") != "custom" for tool in self.sent.get("tools") or ()):
            raise BackendUnsupported(TOOLS)
        for block in blocks(self.sent.get("messages")):
            translated(block, BLOCKS)
            if block["type"] == "tool_result":
                for each in listed(block.get("content")):
                    translated(each, RESULTS)
        given = {"max_tokens": 4096, **self.sent, "model": self.model}
        made, self.names = self.adapter.translate_completion_input_params_with_tool_mapping(given)
        return kept(made) | ({"stream": True, "stream_options": {"include_usage": True}} if self.sent.get("stream") else {})

    def whole(self, made: Any) -> dict[str, Any]:
        return plain(self.adapter.translate_completion_output_params(made, tool_name_mapping=self.names))

    async def events(self, stream: Any) -> AsyncIterator[bytes]:
        written = self.adapter.translate_completion_output_params_streaming(
            stream, model=self.model, tool_name_mapping=self.names
        )
        async for piece in written:
            yield piece


class Responses:
    """OpenAI's Responses; what is stored there is not here, so a request holds all of its turns."""

    def __init__(self, sent: dict[str, Any], model: str) -> None:
        self.sent, self.model = sent, model
        base = "litellm.responses.litellm_completion_transformation"
        self.config: Any = importlib.import_module(f"{base}.transformation").LiteLLMCompletionResponsesConfig
        self.iterator: Any = importlib.import_module(f"{base}.streaming_iterator").LiteLLMCompletionStreamingIterator
        self.options = {key: value for key, value in sent.items() if key not in ("input", "stream")}

    def request(self) -> dict[str, Any]:
        if any(not isinstance(tool, dict) or tool.get("type") not in OWN for tool in self.sent.get("tools") or ()):
            raise BackendUnsupported(TOOLS)
        for item in listed(self.sent.get("input")):
            translated({"type": "message"} | item if isinstance(item, dict) else item, ITEMS)
            for part in (*listed(item.get("content")), *listed(item.get("output"))) if item.get("type") != "reasoning" else ():
                translated(part, PARTS)
                if part["type"] == "refusal":  # of which it knows nothing
                    part |= {"type": "output_text", "text": part.pop("refusal", "")}
        stream = self.sent.get("stream") is True
        made = self.config.transform_responses_api_request_to_chat_completion_request(
            model=self.model, input=self.sent.get("input"), responses_api_request=self.options, stream=stream
        )
        return kept(made) | ({"stream": True, "stream_options": {"include_usage": True}} if stream else {})

    def whole(self, made: Any) -> dict[str, Any]:
        return plain(
            self.config.transform_chat_completion_response_to_responses_api_response(
                request_input=self.sent.get("input"), responses_api_request=self.options, chat_completion_response=made
            )
        )

    async def events(self, stream: Any) -> AsyncIterator[bytes]:
        written = self.iterator(
            model=self.model,
            litellm_custom_stream_wrapper=stream,
            request_input=self.sent.get("input"),
            responses_api_request=self.options,
        )
        async for each in written:
            made = plain(each)
            made["type"] = str(getattr(made.get("type"), "value", made.get("type")))
            yield b"event: " + made["type"].encode() + b"\ndata: " + orjson.dumps(made) + b"\n\n"


class Watched:
    """A stream of chat completions; an end that LiteLLM made up, because the provider's stream broke off, is none."""

    def __init__(self, stream: Any, told: Callable[[Any], bool]) -> None:
        self.stream, self.told, self.pieces = stream, told, aiter(stream)
        self.error: Exception | None = None  # what it has ended with

    def __aiter__(self) -> Watched:
        return self

    async def __anext__(self) -> Any:
        try:
            piece = await anext(self.pieces)
            if any(choice.finish_reason for choice in piece.choices) and not self.told(self.stream):
                raise BackendBroken("the provider's stream ended before its answer did")
        except StopAsyncIteration:
            raise
        except Exception as error:
            self.error = error
            raise
        return piece

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def listed(value: Any) -> list[Any]:
    """The list itself; nothing where there is none."""
    return value if isinstance(value, list) else []


def blocks(messages: Any) -> Iterator[Any]:
    """All blocks of all messages."""
    for message in listed(messages):
        yield from listed(message.get("content")) if isinstance(message, dict) else ()


def translated(part: Any, kinds: frozenset[str]) -> None:
    """Raises BackendUnsupported for a part of a request that would be left out without a word."""
    kind = part.get("type") if isinstance(part, dict) else None
    source = part.get("source") if kind in ("image", "document") else None
    if not isinstance(kind, str) or kind not in kinds or (isinstance(source, dict) and source.get("type") not in SOURCES):
        shown = f"the type {kind!r}" if isinstance(kind, str) and NAME.fullmatch(kind) else "that type"
        raise BackendUnsupported(
            f"this model is served by way of LiteLLM, which has no place for a part of {shown}, or from there"
        )


def kept(made: Mapping[str, Any]) -> dict[str, Any]:
    """What LiteLLM made of a request, without what it notes for itself."""
    return {name: value for name, value in plain(made).items() if name not in QUIET and value is not None and value != []}
