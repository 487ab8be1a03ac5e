"""OpenAI's Responses, `POST /v1/responses`, whole and as a stream of typed events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from proxy.core import Segment
from proxy.dialects.base import Json, Reading, Stream
from proxy.dialects.openai_responses_items import read_item
from proxy.dialects.openai_responses_object import (
    CHOSEN,
    REQUEST_FIELDS,
    SAID,
    identities,
    incomplete,
    read_response,
    refusal,
    repeats,
)
from proxy.dialects.openai_responses_stream import ResponsesStream
from proxy.dialects.openai_shape import OpenAIShape, request_of
from proxy.dialects.values import read_field, read_values
from proxy.errors import RequestError

CREDENTIALS = frozenset(("authorization", "headers"))  # for the server of a tool, not for the model
NAMED = frozenset(("name", "description", "parameters", "format"))


class OpenAIResponses(OpenAIShape):
    """The dialect; each stream has a state of its own.

    What only the backend has is hidden: the turns behind `previous_response_id` and `conversation`, items that are named
    (`item_reference`) or sealed (`compaction`), and the words of a stored `prompt`.
    """

    name = "openai-responses"
    path = "/v1/responses"

    def read(self, payload: object, params: Mapping[str, str] = {}) -> Reading:  # noqa: ARG002 - its path has none
        """The texts of a request. Raises RequestError."""
        reading = request_of(payload)
        payload = reading.payload
        if payload.get("background"):
            raise RequestError("responses in the background are not served here: stored ones are not guarded", param="background")
        read_input(reading, payload, "instructions")
        read_input(reading, payload, "input")
        read_tools(reading, payload)
        read_hidden(reading, payload)
        for key in SAID:
            read_field(reading, payload, key, "user")
        for key in CHOSEN:
            read_field(reading, payload, key, "system")
        reading.rest(payload, REQUEST_FIELDS, "user")
        return reading

    def read_answer(self, payload: object) -> Reading:
        """The texts of all items. Raises BackendBroken."""
        return read_response(payload)

    def identities(self, payload: Json) -> list[str]:
        """What later requests may refer to: the response, and its items."""
        return identities(payload)

    def redacted(self, payload: Json, changed: Sequence[Segment]) -> list[str]:
        """Log-probabilities of parts whose text was changed go, and what repeats all texts."""
        touched = {segment.place.rpartition(".")[0] for segment in changed}
        removed = []
        for index, item in enumerate(payload["output"]):
            content = item.get("content")
            for number, part in enumerate(content if isinstance(content, list) else ()):
                if f"output[{index}].content[{number}]" in touched and isinstance(part, dict) and part.get("logprobs"):
                    part["logprobs"] = []
                    removed.append("logprobs")
        for repeat in repeats(payload) if changed else ():
            repeat.write(None)
            removed.append(repeat.reason)
        return removed

    def refuse(self, payload: Json, message: str) -> Json:
        """The response is incomplete, its output a refusal; of the rest only what the caller itself sent is kept."""
        return incomplete(payload, [refusal(f"msg_{payload.get('id') or 'refused'}", message)])

    def stream(self) -> Stream:
        """A stream, at its beginning."""
        return ResponsesStream(self)


def read_input(reading: Reading, payload: Json, key: str) -> None:
    """A text, or items. Raises RequestError."""
    given = payload.get(key)
    if isinstance(given, str):
        reading.add(payload, key, "user" if key == "input" else "system", key)
    elif isinstance(given, list):
        for index in reading.turns(given) if key == "input" else range(len(given)):
            item, place = given[index], f"{key}[{index}]"
            if isinstance(item, dict) and item.get("type") in ("item_reference", "compaction"):
                reading.hide("previous_turns", place, item.get("id"))
            elif isinstance(item, dict) and item.keys() == {"id"}:
                reading.hide("previous_turns", place, item["id"])
            else:
                read_item(reading, item, place)
    elif given is not None:
        raise RequestError(f"{key} must be text or a list of items", param=key)


def read_tools(reading: Reading, payload: Json) -> None:
    """The definitions of tools; not the credentials of their servers. Raises RequestError."""
    tools = payload.get("tools")
    if tools is None:
        return
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise RequestError("tools must be a list of objects", param="tools")
    for index, tool in enumerate(tools):
        for key, each in tool.items():
            if key in CREDENTIALS or key == "type" or each is None or isinstance(each, bool):
                continue
            where = f"tools[{index}].{key}" if key in NAMED else f"tools[{index}]"
            if isinstance(each, dict | list):
                read_values(reading, each, "system", where)
            else:
                reading.add(tool, key, "system", where)


def read_hidden(reading: Reading, payload: Json) -> None:
    """What the backend adds of its own to the prompt. Raises RequestError."""
    previous, conversation, prompt = (payload.get(key) for key in ("previous_response_id", "conversation", "prompt"))
    if previous is not None:
        reading.hide("previous_turns", "previous_response_id", previous)
    if conversation is not None:
        reading.hide("previous_turns", "conversation")
    if isinstance(prompt, dict):
        reading.hide("stored_prompt", "prompt")
        if isinstance(prompt.get("variables"), dict):
            read_values(reading, prompt["variables"], "user", "prompt")
    elif prompt is not None:
        raise RequestError("prompt must be an object", param="prompt")
