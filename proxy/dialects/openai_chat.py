"""OpenAI's chat completions, `POST /v1/chat/completions`, whole and streamed, with the extensions of vLLM, NIM, TGI, SGLang."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from proxy.core import Role, Segment
from proxy.dialects.base import DEPTH, Event, Json, Reading
from proxy.dialects.openai_chunk import LABELS, SEALED, THOUGHT, THOUGHTS, UNREAD, read_chunk
from proxy.dialects.openai_shape import REPEATS, OpenAIShape, answer_of, read_prompt_repeat, redacted_choices, request_of
from proxy.dialects.values import read_field, read_values
from proxy.errors import BackendBroken, RequestError

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
REQUEST_FIELDS = frozenset(  # what is read below, and what carries no text for the model
    "messages model stream stream_options temperature top_p n max_tokens max_completion_tokens presence_penalty logprobs "
    "frequency_penalty logit_bias top_logprobs seed tools tool_choice parallel_tool_calls functions function_call prediction "
    "response_format metadata stop user modalities service_tier store reasoning_effort verbosity audio safety_identifier "
    "prompt_cache_key top_k min_p repetition_penalty length_penalty use_beam_search best_of ignore_eos "
    "skip_special_tokens prompt_cache_retention".split()
)
CHOSEN = (  # by the application; the second line and the third are extensions of vLLM, NIM and SGLang
    "tool_choice function_call audio modalities stream_options service_tier reasoning_effort verbosity web_search_options "
    "guided_json guided_regex guided_choice guided_grammar guided_whitespace_pattern guided_decoding_backend structured_outputs "
    "chat_template chat_template_kwargs regex json_schema ebnf bad_words nvext priority mm_processor_kwargs".split()
)
SETTINGS: dict[str, Role] = {  # fields beside the messages, and whose text is in them
    **dict.fromkeys(("stop", "metadata", "user", "safety_identifier", "prompt_cache_key"), "user"),
    **dict.fromkeys(CHOSEN, "system"),
    "documents": "document",  # that vLLM's chat templates put before the messages
}
READ_FIELDS = REQUEST_FIELDS | frozenset((*CHOSEN, "documents"))
KEPT = ("id", "object", "created", "model", "usage", "system_fingerprint", "service_tier")
ANSWER_FIELDS = frozenset((*KEPT, *REPEATS, "choices"))
CHOICE_FIELDS = frozenset((*REPEATS, "index", "message", "finish_reason", "stop_reason"))
SPOKEN: dict[str, Role | None] = {"name": None, "refusal": None, "reasoning": "reasoning", "reasoning_content": "reasoning"}
NOTES = frozenset(("annotations", "provider_specific_fields"))  # lists and objects with texts in them; the second is of LiteLLM
DATA = frozenset(("data", "file_data", "format", "detail"))  # of a part that is no text: what nobody reads
NAMED = frozenset(("filename", "url", "file_id"))
LONGEST_NAME = 8192  # characters; what is longer is data
TEXT_PARTS = frozenset(("text", "refusal", "thinking", "input_text", "output_text"))
TEXT_KEYS: dict[str, Role | None] = {"text": None, "refusal": None, "thinking": "reasoning"}


class OpenAIChat(OpenAIShape):
    """The dialect; it has no state."""

    name = "openai-chat"
    path = "/v1/chat/completions"

    def read(self, payload: object) -> Reading:
        """The texts of a request. Raises RequestError."""
        reading = request_of(payload)
        payload = reading.payload
        messages = payload.get("messages")
        if not isinstance(messages, list) or not messages:
            raise RequestError("messages must be a list of at least one message", param="messages")
        for index in reading.turns(messages):
            message, place = messages[index], f"messages[{index}]"
            read_message(reading, message, role_of(message, place), place)
        read_tools(reading, payload)
        read_settings(reading, payload)
        reading.rest(payload, READ_FIELDS, "user")
        return reading

    def read_answer(self, payload: object) -> Reading:
        """The texts of all choices of a whole completion. Raises BackendBroken."""
        reading, listed = answer_of(payload, "choices", "chat completion")
        for index, choice in enumerate(listed):
            message = choice.get("message") if isinstance(choice, dict) else None
            if not isinstance(message, dict):
                raise BackendBroken("the backend's answer has a choice without a message")
            try:
                read_message(reading, message, "assistant", f"choices[{index}].message")
            except RequestError as error:
                raise BackendBroken(f"the backend's answer is not a chat completion: {error}") from None
            reading.rest(choice, CHOICE_FIELDS, "assistant", f"choices[{index}]")
        read_prompt_repeat(reading, reading.payload, "")
        reading.rest(reading.payload, ANSWER_FIELDS, "assistant")
        return reading

    def redacted(self, payload: Json, changed: Sequence[Segment]) -> list[str]:
        """What repeats changed texts token by token goes, and the sound of a transcript that was changed."""
        return redacted_choices(payload, changed) + silenced(payload, changed)

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
        if not isinstance(payload, dict):
            raise BackendBroken("the backend's stream has an event that is no object")
        if payload.get("error") is None and payload.get("object") != "error":
            return read_chunk(payload)
        return self.read_failure(payload)

    def remainder(self, like: Json, texts: Iterable[tuple[Hashable, str]]) -> list[Json]:
        """One chunk for each channel that still has text to show."""
        return [chunk(like, channel[0], delta_of(channel, text)) for channel, text in texts if isinstance(channel, tuple)]

    def cut(self, like: Json, groups: Iterable[Hashable], message: str) -> list[Json]:
        """Every choice that is open ends with `content_filter`, and says why."""
        return [chunk(like, group, {"refusal": message}, finish="content_filter") for group in list(groups) or [0]]


def role_of(message: object, place: str) -> Role:
    """The role of a request's message. Raises RequestError."""
    if not isinstance(message, dict):
        raise RequestError("a message must be an object", param=place)
    name = message.get("role")
    role = ROLES.get(name) if isinstance(name, str) else None
    if role is None:
        raise RequestError("role must be one of " + ", ".join(ROLES), param=f"{place}.role")
    return role


def read_message(reading: Reading, message: Any, role: Role, place: str) -> None:
    """Every text of one message, in its own order."""
    if len(message) == 2 and "role" in message and isinstance(message.get("content"), str):  # as nearly all are
        reading.add(message, "content", role, f"{place}.content")
        return
    for number, (key, each) in enumerate(list(message.items())):
        if each is None or key == "role":
            continue
        if key == "content":
            read_content(reading, message, role, f"{place}.content")
        elif key in SPOKEN and not isinstance(each, dict | list):
            reading.add(message, key, SPOKEN[key] or role, f"{place}.{key}")
        elif key == "tool_calls":
            read_calls(reading, each, f"{place}.tool_calls")
        elif key == "function_call":
            read_function(reading, message, key, f"{place}.function_call")
        elif key == "audio":
            read_audio(reading, each, f"{place}.audio")
        elif key in THOUGHTS and isinstance(each, list):
            read_thoughts(reading, each, f"{place}.{key}")
        elif key in NOTES and isinstance(each, list | dict):
            read_values(reading, each, role, f"{place}.{key}")
        elif key == "tool_call_id":
            reading.name(message, key, role, f"{place}.{key}")
        else:
            reading.look(message, key, role, f"{place}.other[{number}]")


def read_content(reading: Reading, holder: Json, role: Role, place: str) -> None:
    """The `content` of a message or a prediction: a text or a list of parts."""
    content = holder["content"]
    if isinstance(content, str):
        reading.add(holder, "content", role, place)
    elif isinstance(content, list):
        read_parts(reading, content, role, place)
    else:
        raise RequestError("content must be text, a list of parts or null", param=place)


def read_parts(reading: Reading, parts: list[Any], role: Role, place: str, depth: int = 2) -> None:
    """The parts of a message's content; a part may hold a list of parts, once."""
    for index, part in enumerate(parts):
        where = f"{place}[{index}]"
        if isinstance(part, str):
            reading.add(parts, index, role, where)
        elif isinstance(part, dict):
            read_part(reading, part, role, where, depth)
        else:
            raise RequestError("a content part must be an object", param=where)


def read_part(reading: Reading, part: Json, role: Role, place: str, depth: int) -> None:
    """One part; of a part that is no text, what text stands beside."""
    kind = part.get("type")
    unread = UNREAD.get(kind) if isinstance(kind, str) else None
    if unread is not None:
        reading.skip(unread)
    for number, (key, each) in enumerate(list(part.items())):
        if key in TEXT_KEYS and each is not None:
            by = TEXT_KEYS[key] or role
            if isinstance(each, str):
                reading.add(part, key, by, f"{place}.{key}")
            elif isinstance(each, list) and depth > 1:
                read_parts(reading, each, by, f"{place}.{key}", depth - 1)
            else:
                raise RequestError(f"{key} must be text", param=f"{place}.{key}")
        elif unread is not None and key != "type":
            read_beside(reading, part, key, role, f"{place}.{key}" if key == kind else f"{place}.other[{number}]")
        elif unread is None and key == "type" and isinstance(kind, str) and kind in TEXT_PARTS:
            continue
        elif key != "cache_control":
            reading.look(part, key, role, f"{place}.type" if key == "type" else f"{place}.other[{number}]")


def read_beside(reading: Reading, holder: Any, key: Any, role: Role, place: str, depth: int = DEPTH) -> None:
    """Beside data that no check can read: what its file is named, and where it lies."""
    held = holder[key]
    if isinstance(held, dict | list) and depth == 0:
        reading.pass_over(held)
    elif isinstance(held, dict | list):
        other = f"{place.removesuffix('.other')}.other"  # once: places are kept with each text
        for name in held if isinstance(held, dict) else range(len(held)):
            if name not in DATA:
                read_beside(reading, held, name, role, f"{place}.{name}" if name in NAMED else other, depth - 1)
    elif isinstance(held, str) and len(held) <= LONGEST_NAME and not held.startswith("data:"):
        (reading.name if key == "file_id" else reading.add)(holder, key, role, place)


def read_audio(reading: Reading, audio: object, place: str) -> None:
    """A spoken answer: its transcript is read, its sound is not."""
    reading.skip("audio")
    if isinstance(audio, dict) and "transcript" in audio:
        reading.add(audio, "transcript", "assistant", f"{place}.transcript")


def read_thoughts(reading: Reading, listed: list[Any], place: str) -> None:
    """Reasoning as OpenRouter and LiteLLM have it: a list of objects, each with a text, sealed or not."""
    for index, each in enumerate(listed):
        if not isinstance(each, dict):
            reading.look(listed, index, "reasoning", f"{place}[{index}]")
            continue
        for key, value in list(each.items()):
            if key in THOUGHT and value is not None:
                reading.add(each, key, "reasoning", f"{place}[{index}].{key}")
            elif key in SEALED and value:
                reading.skip("encrypted")
            elif key not in LABELS:
                reading.look(each, key, "reasoning", f"{place}[{index}].other")


def read_calls(reading: Reading, calls: object, place: str) -> None:
    """The names and arguments of the tools that a message calls."""
    if not isinstance(calls, list):
        raise RequestError("tool_calls must be a list", param=place)
    for index, call in enumerate(calls):
        where = f"{place}[{index}]"
        if not isinstance(call, dict):
            raise RequestError("a tool call must be an object", param=where)
        for key in list(call):
            if key in ("function", "custom"):
                read_function(reading, call, key, f"{where}.{key}")
            elif key == "id":
                reading.name(call, key, "assistant", f"{where}.id")
            elif key not in ("type", "index"):
                reading.look(call, key, "assistant", f"{where}.other")


def read_function(reading: Reading, holder: Json, name: str, place: str) -> None:
    """A function that is called: its name, and its arguments as JSON source or, as some servers have them, as an object."""
    function = holder[name]
    if not isinstance(function, dict):
        reading.look(holder, name, "assistant", place)
        return
    for key, each in list(function.items()):
        if key == "arguments" and isinstance(each, dict | list):
            read_values(reading, each, "assistant", f"{place}.arguments")
        elif key == "arguments":
            reading.add(function, key, "assistant", f"{place}.arguments", "json")
        elif key in ("name", "input"):
            reading.add(function, key, "assistant", f"{place}.{key}")
        else:
            reading.look(function, key, "assistant", f"{place}.other")


def read_tools(reading: Reading, payload: Json) -> None:
    """The definitions of tools and functions, and the schema of the answer: every text in them reaches the model."""
    for key in ("tools", "functions"):
        listed = payload.get(key)
        if listed is None:
            continue
        if not isinstance(listed, list) or not all(isinstance(tool, dict) for tool in listed):
            raise RequestError(f"{key} must be a list of objects", param=key)
        for index, tool in enumerate(listed):
            read_values(reading, tool, "system", f"{key}[{index}]")
    read_field(reading, payload, "response_format", "system")


def read_settings(reading: Reading, payload: Json) -> None:
    """Texts beside the messages: the predicted answer, stop words, metadata, the end user's name."""
    prediction = payload.get("prediction")
    if isinstance(prediction, dict):
        if prediction.get("content") is not None:
            read_content(reading, prediction, "user", "prediction.content")
        reading.rest(prediction, {"type", "content"}, "user", "prediction")
    elif prediction is not None:
        reading.look(payload, "prediction", "user", "prediction")
    for key in list(payload):
        if role := SETTINGS.get(key):
            read_field(reading, payload, key, role)


def silenced(payload: Json, changed: Sequence[Segment]) -> list[str]:
    """Take out the sound of answers whose transcript was changed: it says what stood there."""
    removed: list[str] = []
    if not changed:
        return removed
    for index, choice in enumerate(payload["choices"]):
        audio = choice["message"].get("audio")
        changes = any(segment.place == f"choices[{index}].message.audio.transcript" for segment in changed)
        if changes and isinstance(audio, dict) and audio.get("data"):
            audio["data"] = ""
            removed.append("audio")
    return removed


def delta_of(channel: tuple[Any, ...], text: str) -> Json:
    """A delta that carries text of a channel."""
    kind = channel[1]
    if kind == "tool_calls":
        return {"tool_calls": [{"index": channel[2], "function": {"arguments": text}}]}
    if kind == "custom":
        return {"tool_calls": [{"index": channel[2], "custom": {"input": text}}]}
    if kind == "function_call":
        return {"function_call": {"arguments": text}}
    if kind in THOUGHTS:
        return {kind: [thought_of(channel, text)]}
    if kind == "other":
        return {channel[2]: text}
    if kind == "transcript":
        return {"audio": {"transcript": text}}
    return {kind: text}


def thought_of(channel: tuple[Any, ...], text: str) -> Json:
    """An object of a list of thoughts that carries text of a channel."""
    _, kind, order, key = channel
    if kind == "thinking_blocks":
        return {"type": "thinking", key: text}
    return {"type": "reasoning.summary" if key == "summary" else "reasoning.text", "index": order, key: text}


def chunk(like: Json, index: Any, delta: Json, finish: str | None = None) -> Json:
    """A chunk in the manner of another: the same id, model and time."""
    made = {key: like[key] for key in KEPT if key in like and key != "usage"}
    made.setdefault("object", "chat.completion.chunk")
    return made | {"choices": [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}]}
