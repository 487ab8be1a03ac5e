"""What OpenAI's APIs have in common: a request with a model, errors, and choices whose texts are repeated token by token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from proxy.core import Role, Segment
from proxy.dialects.base import Dialect, Event, Json, Reading, Repeat, Slot, Upload
from proxy.dialects.values import asks_for_json, read_values
from proxy.errors import BackendBroken, RequestError

ERROR_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
REPEATS = {  # what repeats a text token by token, and what it is counted as when it is taken out
    "logprobs": "logprobs",
    "token_ids": "tokens",
    "prompt_logprobs": "logprobs",
    "prompt_token_ids": "tokens",
}


class OpenAIShape(Dialect):
    """A dialect with OpenAI's errors and without a stream."""

    def read_error(self, payload: object) -> Reading | None:
        """An error in one of the shapes that servers of this API have."""
        error = error_of(payload)
        if error is None:
            return None
        error = {"type": "backend_error", "param": None, "code": None} | error
        reading = Reading(payload={"error": error})
        read_values(reading, error, "assistant", "error")
        return reading

    def error(
        self, message: str, *, status: int, code: str, param: str | None, request_id: str, policy: str = "", rule: str = ""
    ) -> Json:
        """An error as OpenAI's SDKs expect it."""
        kind = "backend_error" if code.startswith("backend") else ERROR_TYPES.get(status)
        kind = kind or ("invalid_request_error" if status < 500 else "server_error")
        body: Json = {"message": message, "type": kind, "param": param, "code": code, "request_id": request_id}
        return {"error": body | ({"policy": policy, "rule": rule} if rule else {})}

    def signed(self, error: Json, request_id: str) -> Json:
        """Beside the message."""
        return {"error": {**error["error"], "request_id": request_id}}

    def read_failure(self, payload: Json) -> Event:
        """The event of a backend's error. Raises BackendBroken for one that says nothing."""
        reading = self.read_error(payload)
        if reading is None:
            raise BackendBroken("the backend's stream ended with an error")
        return Event.of_error(reading)


def error_of(payload: object) -> Json | None:
    """An error as OpenAI, vLLM (`object: error`), TGI (`error` is a text) and FastAPI (`detail`) write it, if it is one."""
    if not isinstance(payload, dict):
        return None
    error = payload.get("error", payload.get("detail"))
    if payload.get("object") == "error":
        error = {key: value for key, value in payload.items() if key != "object"}
    if isinstance(error, str):
        error = {"message": error}
    return error if isinstance(error, dict) and isinstance(error.get("message"), str) else None


def request_of(payload: object) -> Reading:
    """A request with its model, and whether it asks for a stream; no text of it is read yet. Raises RequestError."""
    if not isinstance(payload, dict):
        raise RequestError("the body must be a JSON object")
    model, stream = payload.get("model"), payload.get("stream")
    if not isinstance(model, str) or not model:
        raise RequestError("model must be text and not empty", param="model")
    if stream is not None and not isinstance(stream, bool):
        raise RequestError("stream must be true or false", param="stream")
    return Reading(model=model, stream=stream is True, structured=asks_for_json(payload), payload=payload)


def answer_of(payload: object, lists: str, what: str) -> tuple[Reading, list[Any]]:
    """A whole answer, and the list that it is about. Raises BackendBroken."""
    listed = payload.get(lists) if isinstance(payload, dict) else None
    if not isinstance(payload, dict) or not isinstance(listed, list):
        raise BackendBroken(f"the backend's answer is no {what}: it has no {lists}")
    return Reading(payload=payload), listed


def read_tokens(reading: Reading, listed: list[Any], place: str) -> None:
    """Of a list of texts, the tokens among them, or lists of them: nobody can read those without the model's own tokenizer.

    Raises RequestError for anything else.
    """
    kinds = {type(each) for each in listed}
    if kinds - {str, int, list} or not kinds or (int in kinds and len(kinds) > 1):
        raise RequestError("expected a text, a list of texts or a list of tokens", param=place)
    inner = [each for each in listed if isinstance(each, list)]
    if not all(type(token) is int for each in inner for token in each):
        raise RequestError("expected whole numbers as tokens", param=place)
    if inner or int in kinds:
        reading.hide("tokens", place)


def take_out(holder: Json) -> list[str]:
    """Take out what repeats the texts of a choice, or of the whole answer; what it is counted as."""
    taken = [key for key in REPEATS if holder.get(key)]
    for key in taken:
        holder[key] = None
    return [REPEATS[key] for key in taken]


def repeats_of(holder: Json) -> list[Repeat]:
    """What repeats the texts of a piece of a stream."""
    return [Repeat(holder, key, reason) for key, reason in REPEATS.items() if holder.get(key)]


def redacted_choices(payload: Json, changed: Sequence[Segment]) -> list[str]:
    """What is taken out of choices whose texts were changed, and of the answer if any was."""
    if not changed:
        return []
    touched = {segment.place.partition(".")[0] for segment in changed}
    removed = take_out(payload)
    for index, choice in enumerate(payload["choices"]):
        if f"choices[{index}]" in touched:
            removed += take_out(choice)
    return removed


def read_prompt_repeat(reading: Reading, holder: Json, place: str, role: Role = "user") -> None:
    """`prompt_logprobs`, as vLLM has them: the prompt token by token, which is read as one text and taken out if that changes."""
    tokens = holder.get("prompt_logprobs")
    if not tokens:
        return
    pieces = [decoded(each) for each in tokens if each is not None] if isinstance(tokens, list) else [None]
    if None in pieces:
        reading.skip("logprobs")
    text = "".join(piece or "" for piece in pieces)
    if text:
        reading.take(Segment(text, role, f"{place}prompt_logprobs"), Repeat(holder, "prompt_logprobs"))


def decoded(token: object) -> str | None:
    """The text of a token of the prompt: the first of those that are listed for its place."""
    first = next(iter(token.values()), None) if isinstance(token, dict) else None
    text = first.get("decoded_token") if isinstance(first, dict) else None
    return text if isinstance(text, str) else None


def listed(value: Any) -> list[Any]:
    """A value, or each of a list of them."""
    return value if isinstance(value, list) else [] if value is None else [value]


def read_uploads(reading: Reading, payload: Json, reason: str) -> None:
    """The files of a form: no check can read them, but what they are named."""
    for key, value in payload.items():
        slots = [UploadSlot(value, i) for i in range(len(value))] if isinstance(value, list) else [UploadSlot(payload, key)]
        for slot in slots:
            upload = slot.holder[slot.key]
            if isinstance(upload, Upload):
                reading.skip(reason)
                if upload.name:
                    reading.take(Segment(upload.name, "user", "file"), slot)


@dataclass(slots=True)
class UploadSlot(Slot):
    """Where a text stands as the name of a file."""

    @property
    def text(self) -> Any:
        """The name."""
        return self.holder[self.key].name

    def write(self, text: str | None) -> None:
        """Give the file another name."""
        self.holder[self.key] = replace(self.holder[self.key], name=text or "")
