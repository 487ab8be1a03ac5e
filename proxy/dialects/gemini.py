"""Google's Gemini: `generateContent`, `streamGenerateContent` as events, and `countTokens`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from proxy.core import Segment
from proxy.dialects.base import Dialect, Json, Reading, Stream
from proxy.dialects.gemini_parts import field, plain, read_beside, read_content, read_contents, repeats
from proxy.dialects.gemini_stream import GeminiStream, refused
from proxy.dialects.values import read_values
from proxy.errors import BackendBroken, RequestError

BASE = "/{version}/models/{model:path}:"
VERSIONS = ("v1", "v1beta", "v1alpha")
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
CHOSEN = frozenset(("tools", "toolconfig", "generationconfig", "labels", "safetysettings"))
KEPT = frozenset(("usagemetadata", "modelversion", "responseid", "createtime", "modelstatus"))
ANSWER = KEPT | {"candidates", "promptfeedback"}
INFO = "type.googleapis.com/google.rpc.ErrorInfo"


class Gemini(Dialect):
    """`generateContent`; its answer is whole."""

    name = "gemini"
    path = BASE + "generateContent"
    end: bytes = b""

    def read(self, payload: object) -> Reading:
        """The texts of a request. Raises RequestError."""
        if not isinstance(payload, dict):
            raise RequestError("the body must be a JSON object")
        reading = Reading(payload=payload, structured=asks_for_json(payload))
        if field(payload, "contents") is None:
            raise RequestError("contents must be a list", param="contents")
        read_request(reading, payload, "")
        return reading

    def address(self, reading: Reading, params: Mapping[str, str]) -> None:
        """The model is in the path, behind a version of the API. Raises RequestError."""
        super().address(reading, params)
        if params.get("version", "v1beta") not in VERSIONS:
            raise RequestError("the version of the API must be one of " + ", ".join(VERSIONS), status=404, code="not_found")

    def read_answer(self, payload: object) -> Reading:
        """The texts of all candidates. Raises BackendBroken."""
        if not isinstance(payload, dict) or not ANSWER.intersection(map(plain, payload)):
            raise BackendBroken("the backend's answer is not one of Gemini: it has no candidates")
        reading = Reading(payload=payload)
        try:
            for index, candidate in enumerate(candidates(payload)):
                place = f"candidates[{index}]"
                if candidate.get("content") is not None:
                    read_content(reading, candidate["content"], f"{place}.content", "assistant")
                read_beside(reading, candidate, place)
        except RequestError as error:
            raise BackendBroken(f"the backend's answer is not one of Gemini: {error}") from None
        read_rest(reading, payload)
        return reading

    def read_error(self, payload: object) -> Reading | None:
        """An error as Google writes it, alone or in a list of one."""
        if isinstance(payload, list) and len(payload) == 1:
            payload = payload[0]
        error = payload.get("error") if isinstance(payload, dict) else None
        if not isinstance(error, dict) or not isinstance(error.get("message"), str):
            return None
        reading = Reading(payload={"error": error})
        read_values(reading, error, "assistant", "error")
        return reading

    def error(
        self, message: str, *, status: int, code: str, param: str | None, request_id: str, policy: str = "", rule: str = ""
    ) -> Json:
        """An error as Google's SDKs expect it; a blocked prompt's has `promptFeedback` too, as an answer would."""
        metadata = {"param": param, "request_id": request_id, "policy": policy, "rule": rule}
        told = {key: value for key, value in metadata.items() if value}
        detail = {"@type": INFO, "reason": code, "domain": "parapet", "metadata": told}
        named = STATUSES.get(status) or ("INVALID_ARGUMENT" if status < 500 else "INTERNAL")
        made: Json = {"error": {"code": status, "message": message, "status": named, "details": [detail]}}
        if code == "content_filter" and not (param or "").startswith("candidates"):
            made["promptFeedback"] = {"blockReason": "BLOCKLIST", "blockReasonMessage": message}
        return made

    def signed(self, error: Json, request_id: str) -> Json:
        """Among the details."""
        inner = error["error"]
        given = inner.get("details")
        detail = {"@type": INFO, "domain": "parapet", "metadata": {"request_id": request_id}}
        return {"error": {**inner, "details": [*(given if isinstance(given, list) else ()), detail]}}

    def redacted(self, payload: Json, changed: Sequence[Segment]) -> list[str]:
        """Log-probabilities repeat the text token by token: those of candidates whose text was changed go."""
        touched = {segment.place.partition(".")[0] for segment in changed}
        removed = []
        for index, candidate in enumerate(candidates(payload)):
            for repeat in repeats(candidate) if f"candidates[{index}]" in touched else ():
                repeat.write(None)
                removed.append(repeat.reason)
        return removed

    def refuse(self, payload: Json, message: str) -> Json | None:
        """Every candidate ends with SAFETY and says why; of the rest only what holds no text is kept."""
        made = [refused(candidate.get("index", index), message) for index, candidate in enumerate(candidates(payload))]
        return {key: value for key, value in payload.items() if plain(key) in KEPT} | {
            "candidates": made or [refused(0, message)]
        }


class GeminiStreamed(Gemini):
    """`streamGenerateContent`; with `alt=sse` its answer is a stream of events, the only form that is served."""

    name = "gemini-stream"
    path = BASE + "streamGenerateContent"

    def target(self, params: Mapping[str, str]) -> str:
        """The path at the backend, for events."""
        return super().target(params) + "?alt=sse"

    def address(self, reading: Reading, params: Mapping[str, str]) -> None:
        """The model is in the path, the form of the stream in the query. Raises RequestError."""
        super().address(reading, params)
        if params.get("?alt") != "sse":
            raise RequestError("streams are served as events only: add ?alt=sse to the address", param="alt")
        reading.stream = True

    def stream(self) -> Stream:
        """A stream, at its beginning."""
        return GeminiStream(self)


class GeminiCount(Gemini):
    """`countTokens`: the same texts go in, numbers come out."""

    name = "gemini-count"
    path = BASE + "countTokens"

    def read(self, payload: object) -> Reading:
        """The texts of a request, or of the one within it. Raises RequestError."""
        if not isinstance(payload, dict):
            raise RequestError("the body must be a JSON object")
        reading = Reading(payload=payload)
        read_request(reading, payload, "")
        return reading

    def read_answer(self, payload: object) -> Reading:
        """Numbers hold no text. Raises BackendBroken."""
        if not isinstance(payload, dict) or field(payload, "totaltokens") is None:
            raise BackendBroken("the backend's answer is no count of tokens")
        return Reading(payload=payload)

    def refuse(self, payload: Json, message: str) -> None:
        """There is nothing to refuse."""


def read_request(reading: Reading, payload: Json, before: str) -> None:
    """The contents, what the model is told to be, its tools and the form of its answer. Raises RequestError."""
    for number, (key, value) in enumerate(list(payload.items())):
        name = plain(key)
        place = f"{before}{key}" if name in CHOSEN else before + name
        if value is None or name == "model":
            continue
        if name == "contents":
            read_contents(reading, value, place)
        elif name == "systeminstruction" and isinstance(value, str):
            reading.add(payload, key, "system", f"{before}systemInstruction")
        elif name == "systeminstruction":
            read_content(reading, value, f"{before}systemInstruction", "system")
        elif name == "generatecontentrequest" and isinstance(value, dict) and not before:
            read_request(reading, value, "generateContentRequest.")
        elif name == "cachedcontent":
            reading.hide("previous_turns", f"{before}cachedContent")
        elif name in CHOSEN and isinstance(value, dict | list):
            if name != "safetysettings":
                read_values(reading, value, "system", place)
        elif name not in CHOSEN:
            reading.look(payload, key, "user", f"{before}other[{number}]")


def asks_for_json(payload: Json) -> bool:
    """Whether the answer is to be JSON."""
    config: Any = field(payload, "generationconfig")
    if not isinstance(config, dict):
        return False
    schemas = (field(config, name) for name in ("responseschema", "responsejsonschema"))
    return field(config, "responsemimetype") == "application/json" or any(schemas)


def candidates(payload: Json) -> list[Json]:
    """The candidates of an answer. Raises BackendBroken."""
    listed = payload.get("candidates") or []
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise BackendBroken("the backend's answer has candidates that are no list of objects")
    return listed


def read_rest(reading: Reading, payload: Json) -> None:
    """What stands beside the candidates."""
    feedback: Any = field(payload, "promptfeedback")
    if isinstance(feedback, dict):
        for key, value in list(feedback.items()):
            if plain(key) == "blockreasonmessage" and value is not None:
                reading.add(feedback, key, "assistant", "promptFeedback.blockReasonMessage")
            elif plain(key) not in ("blockreason", "safetyratings"):
                reading.look(feedback, key, "assistant", "promptFeedback.other")
    for number, key in enumerate(list(payload)):
        if plain(key) not in ANSWER:
            reading.look(payload, key, "assistant", f"other[{number}]")
