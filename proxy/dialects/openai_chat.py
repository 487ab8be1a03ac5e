"""OpenAI's chat completions: `POST /v1/chat/completions`, whole and streamed, with the extensions of vLLM, NIM, TGI and SGLang."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

from proxy.core import Role, Segment
from proxy.dialects.base import Cut, Delta, Event, Json, Reading, Slot
from proxy.errors import BackendBroken, RequestError

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
MESSAGE_FIELDS = frozenset(
    "role content name tool_calls tool_call_id function_call refusal reasoning reasoning_content audio".split()
)
REQUEST_FIELDS = frozenset(  # what carries no text for the model
    "messages model stream stream_options temperature top_p n max_tokens max_completion_tokens presence_penalty frequency_penalty "
    "logit_bias logprobs top_logprobs seed tools tool_choice parallel_tool_calls functions function_call response_format prediction "
    "metadata stop user modalities service_tier store reasoning_effort verbosity audio safety_identifier prompt_cache_key "
    "top_k min_p repetition_penalty length_penalty use_beam_search best_of ignore_eos skip_special_tokens".split()
)
SCHEMA_WORDS = frozenset("type $ref $schema $id format pattern required".split())  # strings that no model reads as prose
PARTS = {"image_url": "image", "image": "image", "input_audio": "audio", "audio": "audio", "video_url": "video", "file": "file"}
ERROR_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
KEPT = ("id", "object", "created", "model", "usage", "system_fingerprint", "service_tier")
DEPTH = 64  # levels of a tool's schema that are read


class OpenAIChat:
    """The dialect; it has no state."""

    name = "openai-chat"
    path = "/v1/chat/completions"

    def read(self, payload: object) -> Reading:
        """The texts of a request, in the order of the payload. Raises RequestError."""
        if not isinstance(payload, dict):
            raise RequestError("the body must be a JSON object")
        reading = Reading(model=text_field(payload, "model"), stream=payload.get("stream") is True)
        if payload.get("stream") not in (None, True, False):
            raise RequestError("stream must be true or false", param="stream")
        messages = payload.get("messages")
        if not isinstance(messages, list) or not messages:
            raise RequestError("messages must be a list of at least one message", param="messages")
        for index, message in enumerate(messages):
            read_message(reading, message, f"messages[{index}]")
        for place, tool in tools(payload):
            read_tool(reading, tool, place)
        read_settings(reading, payload)
        for key, value in payload.items():
            if key not in REQUEST_FIELDS and has_text(value):
                reading.skip("unknown_field")
        return reading

    def read_answer(self, payload: object) -> Reading:
        """The texts of all choices of a whole completion. Raises BackendBroken."""
        reading = Reading()
        for index, choice in enumerate(choices(payload)):
            place = f"choices[{index}].message"
            message = choice.get("message")
            if not isinstance(message, dict):
                raise BackendBroken("the backend's answer has a choice without a message")
            try:
                read_message(reading, {"role": "assistant", **message}, place, message)
            except RequestError as error:
                raise BackendBroken(f"the backend's answer is not a chat completion: {error}") from None
        return reading

    def redacted(self, payload: Json, changed: Sequence[Segment]) -> list[str]:
        """Log-probabilities repeat the text token by token: those of choices whose text was changed go."""
        touched = {segment.place.partition(".")[0] for segment in changed}
        removed = []
        for index, choice in enumerate(payload["choices"]):
            if f"choices[{index}]" in touched and choice.get("logprobs"):
                choice["logprobs"] = None
                removed.append("logprobs")
        return removed

    def error(self, message: str, *, status: int, code: str, param: str | None, request_id: str, rule: str = "") -> Json:
        """An error as OpenAI's SDKs expect it."""
        kind = "backend_error" if code.startswith("backend") else ERROR_TYPES.get(status)
        kind = kind or ("invalid_request_error" if status < 500 else "server_error")
        body: Json = {"message": message, "type": kind, "param": param, "code": code, "request_id": request_id}
        return {"error": body | {"rule": rule} if rule else body}

    def refuse(self, payload: Json, message: str) -> Json:
        """Every choice becomes a refusal; of the rest only what holds no text is kept."""
        refusal = {"role": "assistant", "content": None, "refusal": message}
        made = [
            {"index": choice.get("index", index), "message": refusal, "logprobs": None, "finish_reason": "content_filter"}
            for index, choice in enumerate(payload["choices"])
        ]
        return {key: payload[key] for key in KEPT if key in payload} | {"choices": made}

    def read_event(self, payload: object) -> Event:
        """The pieces of text in one chunk, of every choice. Raises BackendBroken."""
        event = Event(payload if isinstance(payload, dict) else {})
        error = event.payload.get("error")
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            event.deltas.append(Delta("error", Slot(error, "message"), error["message"], "assistant", "error.message", once=True))
        event.other = bool(event.payload.get("usage")) or not event.payload.get("choices")
        for choice in choices(payload, of_stream=True):
            index = choice.get("index", 0)
            delta = choice.get("delta")
            if isinstance(delta, dict):
                read_delta(event, index, delta)
            if choice.get("logprobs"):
                event.repeats.append(Slot(choice, "logprobs"))
            if choice.get("finish_reason") is not None:
                event.ending.append(index)
                event.other = True
        return event

    def group(self, channel: Hashable) -> Hashable:
        """The choice that a channel belongs to."""
        return channel[0] if isinstance(channel, tuple) else channel

    def remainder(self, like: Json, texts: Iterable[tuple[Hashable, str]]) -> list[Json]:
        """One chunk for each channel that still has text to show."""
        return [chunk(like, channel[0], delta_of(channel, text)) for channel, text in texts if isinstance(channel, tuple)]

    def cut(self, like: Json, groups: Iterable[Hashable], cut: Cut) -> list[Json]:
        """Every choice that is open ends with `content_filter`, and says why."""
        return [chunk(like, group, {"refusal": cut.message}, finish="content_filter") for group in groups]


def text_field(payload: Json, key: str) -> str:
    """A field that must be text."""
    value = payload.get(key)
    if not isinstance(value, str) or not value:
        raise RequestError(f"{key} must be text and not empty", param=key)
    return value


def read_message(reading: Reading, message: object, place: str, holder: Json | None = None) -> None:
    """Every text of one message; `holder` is where changed texts go if that is another object."""
    if not isinstance(message, dict):
        raise RequestError("a message must be an object", param=place)
    holder = message if holder is None else holder
    role = ROLES.get(message.get("role"))  # type: ignore[arg-type]  # anything that is no role gives None
    if role is None:
        raise RequestError("role must be one of " + ", ".join(ROLES), param=f"{place}.role")
    content = message.get("content")
    if isinstance(content, str):
        reading.add(holder, "content", role, f"{place}.content")
    elif isinstance(content, list):
        for index, part in enumerate(content):
            read_part(reading, part, role, f"{place}.content[{index}]", content, index)
    elif content is not None:
        raise RequestError("content must be text, a list of parts or null", param=f"{place}.content")
    for key, by in (("name", role), ("refusal", role), ("reasoning", "reasoning"), ("reasoning_content", "reasoning")):
        if message.get(key) is not None:
            reading.add(holder, key, by, f"{place}.{key}")  # type: ignore[arg-type]  # `by` is a Role
    read_calls(reading, message, place)
    if message.get("audio"):
        read_audio(reading, message["audio"], place)
    for key in message.keys() - MESSAGE_FIELDS:
        if has_text(message[key]):
            reading.skip("unknown_field")


def read_part(reading: Reading, part: object, role: Role, place: str, holder: list[Any], index: int) -> None:
    """One part of a message's content."""
    if isinstance(part, str):
        reading.add(holder, index, role, place)
        return
    if not isinstance(part, dict):
        raise RequestError("a content part must be an object", param=place)
    known = part.get("type") in ("text", "refusal", "thinking", "input_text", "output_text")
    if not known:
        reading.skip(PARTS.get(str(part.get("type")), "unknown_part"))
    for key in ("text", "refusal", "thinking"):
        if part.get(key) is not None:
            if not isinstance(part[key], str):
                raise RequestError(f"{key} must be text", param=f"{place}.{key}")
            reading.add(part, key, role, f"{place}.{key}")


def read_audio(reading: Reading, audio: object, place: str) -> None:
    """A spoken answer: its transcript is read, its sound is not."""
    reading.skip("audio")
    if isinstance(audio, dict) and isinstance(audio.get("transcript"), str):
        reading.add(audio, "transcript", "assistant", f"{place}.audio.transcript")


def read_calls(reading: Reading, message: Json, place: str) -> None:
    """The names and arguments of the tools that a message calls."""
    calls = message.get("tool_calls")
    if calls is not None and not isinstance(calls, list):
        raise RequestError("tool_calls must be a list", param=f"{place}.tool_calls")
    called = [(f"{place}.tool_calls[{i}]", call) for i, call in enumerate(calls or ())]
    if isinstance(message.get("function_call"), dict):
        called.append((place, {"function": message["function_call"]}))
    for where, call in called:
        if not isinstance(call, dict):
            raise RequestError("a tool call must be an object", param=where)
        function, custom = call.get("function"), call.get("custom")
        if isinstance(function, dict):
            for key in ("name", "arguments"):
                if key in function:
                    reading.add(function, key, "assistant", f"{where}.function.{key}", "json" if key == "arguments" else "text")
            if isinstance(function.get("arguments"), dict | list):
                read_values(reading, function["arguments"], "assistant", f"{where}.function.arguments")
        if isinstance(custom, dict):
            for key in custom.keys() & {"name", "input"}:
                reading.add(custom, key, "assistant", f"{where}.custom.{key}")
        if not isinstance(function, dict) and not isinstance(custom, dict):
            reading.skip("unknown_part")


def tools(payload: Json) -> Iterator[tuple[str, Json]]:
    """The definitions of tools and functions, with their places."""
    for key in ("tools", "functions"):
        listed = payload.get(key)
        if listed is None:
            continue
        if not isinstance(listed, list) or not all(isinstance(tool, dict) for tool in listed):
            raise RequestError(f"{key} must be a list of objects", param=key)
        yield from ((f"{key}[{index}]", tool) for index, tool in enumerate(listed))
    shape = payload.get("response_format")
    if isinstance(shape, dict):
        yield "response_format", shape


def read_tool(reading: Reading, tool: Json, place: str) -> None:
    """All prose of a definition: names, descriptions, examples, the values it allows."""
    read_values(reading, tool, "system", place)


def read_values(reading: Reading, value: Any, role: Role, place: str, depth: int = DEPTH) -> None:
    """Every string below `value`, but for the words of JSON Schema itself."""
    if depth == 0:
        reading.skip("unknown_field")
        return
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in items:
        where = f"{place}.{key}" if isinstance(value, dict) else f"{place}[{key}]"
        if isinstance(each, str):
            if key not in SCHEMA_WORDS:
                reading.add(value, key, role, where)
        elif isinstance(each, dict | list) and key not in ("required", "type"):
            read_values(reading, each, role, where, depth - 1)


def read_settings(reading: Reading, payload: Json) -> None:
    """Texts beside the messages: the predicted answer, stop words, metadata, the end user's name."""
    prediction = payload.get("prediction")
    if isinstance(prediction, dict):
        content = prediction.get("content")
        if isinstance(content, list):
            for index, part in enumerate(content):
                read_part(reading, part, "user", f"prediction.content[{index}]", content, index)
        elif content is not None:
            reading.add(prediction, "content", "user", "prediction.content")
    for key in ("stop", "user", "safety_identifier", "prompt_cache_key"):
        if isinstance(payload.get(key), str):
            reading.add(payload, key, "user", key)
    for key in ("stop", "metadata"):
        if isinstance(payload.get(key), list | dict):
            read_values(reading, payload[key], "user", key)


def choices(payload: object, *, of_stream: bool = False) -> list[Json]:
    """The choices of a completion or chunk. Raises BackendBroken."""
    found = payload.get("choices") if isinstance(payload, dict) else None
    if found is None and of_stream and isinstance(payload, dict):
        return []
    if not isinstance(found, list) or not all(isinstance(choice, dict) for choice in found):
        raise BackendBroken("the backend's answer is not a chat completion: it has no choices")
    return found


def read_delta(event: Event, index: Any, delta: Json) -> None:
    """The pieces of text in one choice's delta."""
    place = f"choices[{index}]"
    for key, value in delta.items():
        if key in ("content", "refusal") and isinstance(value, str):
            add_piece(event, (index, key), delta, key, "assistant", f"{place}.{key}")
        elif key in ("reasoning_content", "reasoning") and isinstance(value, str):
            add_piece(event, (index, key), delta, key, "reasoning", f"{place}.{key}")
        elif key == "tool_calls" and isinstance(value, list):
            for call in value:
                read_call_delta(event, index, call)
        elif key == "function_call" and isinstance(value, dict):
            read_function_delta(event, (index, "function_call"), value, place)
        elif key == "audio" and isinstance(value, dict):
            event.not_inspected.append("audio")
            event.other = True
            if isinstance(value.get("transcript"), str):
                add_piece(event, (index, "transcript"), value, "transcript", "assistant", f"{place}.audio.transcript")
        elif value is not None and value != "":
            event.other = True
            if key != "role" and has_text(value):
                event.not_inspected.append("unknown_field")


def read_call_delta(event: Event, index: Any, call: object) -> None:
    """The pieces of one tool call; its id and type pass as they are."""
    if not isinstance(call, dict):
        raise BackendBroken("the backend's stream has a tool call that is no object")
    number = call.get("index", 0)
    place = f"choices[{index}].tool_calls[{number}]"
    event.other = event.other or bool(call.get("id") or call.get("type"))
    if isinstance(call.get("function"), dict):
        read_function_delta(event, (index, "tool_calls", number), call["function"], place)
    if isinstance(call.get("custom"), dict):
        custom = call["custom"]
        if isinstance(custom.get("input"), str):
            add_piece(event, (index, "custom", number), custom, "input", "assistant", f"{place}.custom.input")
        if isinstance(custom.get("name"), str):
            event.other = True
            event.deltas.append(Delta((index, "name", number), Slot(custom, "name"), custom["name"], "assistant", place, once=True))


def read_function_delta(event: Event, channel: tuple[Any, ...], function: Json, place: str) -> None:
    """A function's name comes at once, its arguments in pieces."""
    name = function.get("name")
    if isinstance(name, str) and name:
        event.other = True
        event.deltas.append(Delta((*channel, "name"), Slot(function, "name"), name, "assistant", f"{place}.name", once=True))
    if isinstance(function.get("arguments"), str):
        slot = Slot(function, "arguments")
        event.deltas.append(Delta(channel, slot, function["arguments"], "assistant", f"{place}.arguments", "json"))


def add_piece(event: Event, channel: Hashable, holder: Json, key: str, role: Role, place: str) -> None:
    event.deltas.append(Delta(channel, Slot(holder, key), holder[key], role, place))


def delta_of(channel: tuple[Any, ...], text: str) -> Json:
    """A delta that carries text of a channel."""
    kind = channel[1]
    if kind == "tool_calls":
        return {"tool_calls": [{"index": channel[2], "function": {"arguments": text}}]}
    if kind == "custom":
        return {"tool_calls": [{"index": channel[2], "custom": {"input": text}}]}
    if kind == "function_call":
        return {"function_call": {"arguments": text}}
    if kind == "transcript":
        return {"audio": {"transcript": text}}
    return {kind: text}


def chunk(like: Json, index: Any, delta: Json, finish: str | None = None) -> Json:
    """A chunk in the manner of another: the same id, model and time."""
    made = {key: like[key] for key in KEPT if key in like and key != "usage"}
    made.setdefault("object", "chat.completion.chunk")
    return made | {"choices": [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}]}


def has_text(value: Any, depth: int = DEPTH) -> bool:
    """Whether a value holds any text at all."""
    if isinstance(value, str):
        return bool(value)
    if isinstance(value, dict | list) and depth:
        return any(has_text(each, depth - 1) for each in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, dict | list) and bool(value)
