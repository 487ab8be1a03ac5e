"""OpenAI's embeddings, `POST /v1/embeddings`: texts go in, numbers come out."""

from __future__ import annotations

from typing import Any

from proxy.dialects.base import Json, Reading
from proxy.dialects.openai_chat import read_message, read_parts, role_of
from proxy.dialects.openai_shape import OpenAIShape, answer_of, read_tokens, request_of
from proxy.dialects.values import read_field
from proxy.errors import RequestError

SAID = ("user", "instruction", "query_instruction", "prompt_name", "task", "chat_template", "chat_template_kwargs")
REQUEST_FIELDS = frozenset((*SAID, "model", "input", "messages", "stream", "encoding_format", "input_type", "truncate"))
ANSWER_FIELDS = frozenset(("id", "object", "created", "model", "usage", "data"))
EXPECTED = "input must be text, a list of texts or a list of tokens"


class OpenAIEmbeddings(OpenAIShape):
    """The dialect; it has no state. vLLM's `messages` in the place of `input` are read too."""

    name = "openai-embeddings"
    path = "/v1/embeddings"

    def read(self, payload: object) -> Reading:
        """The texts of a request. Raises RequestError."""
        reading = request_of(payload)
        payload, reading.stream = reading.payload, False
        if payload.get("input") is None and not payload.get("messages"):
            raise RequestError(EXPECTED, param="input")
        read_input(reading, payload)
        for index, message in enumerate(messages_of(payload)):
            place = f"messages[{index}]"
            read_message(reading, message, role_of(message, place), place)
        for key in SAID:
            read_field(reading, payload, key, "user")
        reading.rest(payload, REQUEST_FIELDS, "user")
        return reading

    def read_answer(self, payload: object) -> Reading:
        """Numbers hold no text. Raises BackendBroken."""
        reading, _ = answer_of(payload, "data", "list of embeddings")
        reading.rest(reading.payload, ANSWER_FIELDS, "assistant")
        return reading

    def refuse(self, payload: Json, message: str) -> None:
        """There is no word for it in this API: it becomes an error."""


def read_input(reading: Reading, payload: Json) -> None:
    """A text, texts, tokens, or the parts of vLLM and NIM."""
    given = payload.get("input")
    if isinstance(given, str):
        reading.add(payload, "input", "user", "input")
    elif isinstance(given, list) and given and all(isinstance(each, dict) for each in given):
        read_parts(reading, given, "user", "input")
    elif isinstance(given, list):
        for index, each in enumerate(given):
            if isinstance(each, str):
                reading.add(given, index, "user", f"input[{index}]")
        read_tokens(reading, given, "input")
    elif given is not None:
        raise RequestError(EXPECTED, param="input")


def messages_of(payload: Json) -> list[Any]:
    """The messages of a request. Raises RequestError."""
    given = payload.get("messages") or []
    if not isinstance(given, list):
        raise RequestError("messages must be a list", param="messages")
    return given
