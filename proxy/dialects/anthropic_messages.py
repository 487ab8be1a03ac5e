"""Anthropic's messages, `POST /v1/messages`, whole and streamed, and the counting of their tokens."""

from __future__ import annotations

from typing import Any

from proxy.core import Role
from proxy.dialects.anthropic_blocks import read_blocks, refusal
from proxy.dialects.anthropic_stream import MESSAGE_FIELDS, AnthropicStream
from proxy.dialects.base import Dialect, Json, Reading, Stream
from proxy.dialects.openai_shape import error_of
from proxy.dialects.values import asks_for_json, read_field, read_values
from proxy.errors import BackendBroken, RequestError

ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}
SYSTEM_FIELDS = "tool_choice output_config output_format".split()
USER_FIELDS = "stop_sequences metadata".split()
PLAIN_FIELDS = (  # what carries no text for the model; the servers' tokens in mcp_servers are the backend's business
    "model stream max_tokens temperature top_k top_p thinking service_tier speed inference_geo cache_control container "
    "diagnostics context_management mcp_servers betas user_profile_id workspace_id".split()
)
REQUEST_FIELDS = frozenset(("messages", "system", "tools", *SYSTEM_FIELDS, *USER_FIELDS, *PLAIN_FIELDS))
KEPT = ("id", "type", "role", "model", "usage")
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class AnthropicMessages(Dialect):
    """The dialect; a stream of it has a state of its own."""

    name = "anthropic-messages"
    path = "/v1/messages"
    headers = ("anthropic-version", "anthropic-beta")

    def read(self, payload: object) -> Reading:
        """The texts of a request. Raises RequestError."""
        if not isinstance(payload, dict):
            raise RequestError("the body must be a JSON object")
        model, stream, messages = payload.get("model"), payload.get("stream"), payload.get("messages")
        if not isinstance(model, str) or not model:
            raise RequestError("model must be text and not empty", param="model")
        if stream is not None and not isinstance(stream, bool):
            raise RequestError("stream must be true or false", param="stream")
        if not isinstance(messages, list) or not messages:
            raise RequestError("messages must be a list of at least one message", param="messages")
        reading = Reading(model=model, stream=stream is True, structured=asks_for_json(payload), payload=payload)
        read_content(reading, payload, "system", "system", "system")
        for index in reading.turns(messages):
            read_message(reading, messages[index], f"messages[{index}]")
        read_settings(reading, payload)
        return reading

    def read_answer(self, payload: object) -> Reading:
        """The texts of a whole message. Raises BackendBroken."""
        if not isinstance(payload, dict) or not isinstance(payload.get("content"), list):
            raise BackendBroken("the backend's answer is not a message: it has no content")
        reading = Reading(payload=payload)
        read_blocks(reading, payload, "content", "assistant", "content")
        read_end(reading, payload, "")
        reading.rest(payload, MESSAGE_FIELDS, "assistant")
        return reading

    def read_error(self, payload: object) -> Reading | None:
        """An error in Anthropic's shape, or in one of those that servers of OpenAI's API have."""
        error = error_of(payload)
        if error is None:
            return None
        reading = Reading(payload={"type": "error", "error": {"type": "api_error"} | error})
        read_values(reading, reading.payload["error"], "assistant", "error")
        return reading

    def error(
        self, message: str, *, status: int, code: str, param: str | None, request_id: str, policy: str = "", rule: str = ""
    ) -> Json:
        """An error as Anthropic's SDKs expect it; what they do not know is for people."""
        kind = ERROR_TYPES.get(status) or ("invalid_request_error" if status < 500 else "api_error")
        body: Json = {"type": kind, "message": message, "code": code, "param": param}
        return self.signed({"error": body | ({"policy": policy, "rule": rule} if rule else {})}, request_id)

    def signed(self, error: Json, request_id: str) -> Json:
        """Beside the error."""
        return {"type": "error", "error": error["error"], "request_id": request_id}

    def refuse(self, payload: Json, message: str) -> Json | None:
        """A message that says why, and stops for `refusal`; of the rest only what holds no text is kept."""
        kept = {key: payload[key] for key in KEPT if key in payload}
        return kept | {"content": [{"type": "text", "text": message}], "stop_sequence": None, **refusal(message)}

    def stream(self) -> Stream:
        """A stream, which knows what has been used so far."""
        return AnthropicStream(self.read_error)


class AnthropicCount(AnthropicMessages):
    """The counting of a message's tokens: the request of a message, and a number."""

    name = "anthropic-count"
    path = "/v1/messages/count_tokens"

    def read(self, payload: object) -> Reading:
        """The texts of a request; there is no stream of a count. Raises RequestError."""
        reading = super().read(payload)
        reading.stream = False
        return reading

    def read_answer(self, payload: object) -> Reading:
        """There are only numbers in it. Raises BackendBroken."""
        if not isinstance(payload, dict) or not isinstance(payload.get("input_tokens"), int):
            raise BackendBroken("the backend's answer is not a count of tokens")
        reading = Reading(payload=payload)
        reading.rest(payload, {"input_tokens", "context_management"}, "assistant")
        return reading

    def refuse(self, payload: Json, message: str) -> Json | None:  # noqa: ARG002 - as other dialects have it
        """There is no word for it here: it becomes an error."""
        return None


def read_message(reading: Reading, message: Any, place: str) -> None:
    """One message of a request. Raises RequestError."""
    if not isinstance(message, dict):
        raise RequestError("a message must be an object", param=place)
    name = message.get("role")
    role = ROLES.get(name) if isinstance(name, str) else None
    if role is None:
        raise RequestError("role must be one of " + ", ".join(ROLES), param=f"{place}.role")
    read_content(reading, message, "content", role, f"{place}.content")
    reading.rest(message, {"role", "content"}, role, place)


def read_content(reading: Reading, holder: Json, key: str, role: Role, place: str) -> None:
    """A text or a list of blocks. Raises RequestError."""
    content = holder.get(key)
    if isinstance(content, list) and not all(isinstance(block, dict | str) for block in content):
        raise RequestError("a content block must be an object", param=place)
    if content is not None and not isinstance(content, str | list):
        raise RequestError("expected text or a list of blocks", param=place)
    if content is not None:
        read_blocks(reading, holder, key, role, place)


def read_settings(reading: Reading, payload: Json) -> None:
    """Tools, which the model reads, and the texts beside the messages."""
    tools = payload.get("tools")
    if tools is not None and (not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools)):
        raise RequestError("tools must be a list of objects", param="tools")
    for index, tool in enumerate(tools or ()):
        read_values(reading, tool, "system", f"tools[{index}]")
    for key in SYSTEM_FIELDS:
        read_field(reading, payload, key, "system")
    for key in USER_FIELDS:
        read_field(reading, payload, key, "user")
    reading.rest(payload, REQUEST_FIELDS, "user")


def read_end(reading: Reading, holder: Json, place: str) -> None:
    """What is said of why a message ended."""
    if holder.get("stop_sequence") is not None:
        reading.add(holder, "stop_sequence", "assistant", f"{place}stop_sequence")
    if isinstance(holder.get("stop_details"), dict):
        read_blocks(reading, holder, "stop_details", "assistant", f"{place}stop_details")
