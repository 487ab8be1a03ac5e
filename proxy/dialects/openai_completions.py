"""OpenAI's legacy completions, `POST /v1/completions`, whole and streamed: a text goes on, with or without a suffix."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from proxy.core import Segment
from proxy.dialects.base import Delta, Event, Json, Reading, Slot
from proxy.dialects.openai_chat import CHOSEN, KEPT
from proxy.dialects.openai_chunk import CHUNK_FIELDS, notice, number
from proxy.dialects.openai_shape import (
    REPEATS,
    OpenAIShape,
    answer_of,
    read_prompt_repeat,
    read_tokens,
    redacted_choices,
    repeats_of,
    request_of,
)
from proxy.dialects.values import read_field
from proxy.errors import BackendBroken, RequestError

SAID = ("suffix", "stop", "user", "metadata")
CHOSEN_FIELDS = (*CHOSEN, "response_format")
REQUEST_FIELDS = frozenset((*SAID, *CHOSEN_FIELDS, "model", "prompt", "stream"))
ANSWER_FIELDS = frozenset((*KEPT, *REPEATS, "choices"))
CHOICE_FIELDS = frozenset((*REPEATS, "index", "text", "finish_reason", "stop_reason"))


class OpenAICompletions(OpenAIShape):
    """The dialect; it has no state. With `echo`, the answer begins with the prompt, and is guarded as it is."""

    name = "openai-completions"
    path = "/v1/completions"

    def read(self, payload: object) -> Reading:
        """The texts of a request. Raises RequestError."""
        reading = request_of(payload)
        payload = reading.payload
        if payload.get("prompt") is None and payload.get("prompt_embeds") is None:
            raise RequestError("prompt must be text, a list of texts or a list of tokens", param="prompt")
        read_prompt(reading, payload)
        if payload.get("prompt_embeds"):
            reading.hide("embeddings", "prompt_embeds")
        for key in SAID:
            read_field(reading, payload, key, "user")
        for key in CHOSEN_FIELDS:
            read_field(reading, payload, key, "system")
        reading.rest(payload, REQUEST_FIELDS | {"prompt_embeds"}, "user")
        return reading

    def read_answer(self, payload: object) -> Reading:
        """The texts of all choices. Raises BackendBroken."""
        reading, listed = answer_of(payload, "choices", "completion")
        for index, choice in enumerate(listed):
            if not isinstance(choice, dict) or not isinstance(choice.get("text"), str):
                raise BackendBroken("the backend's answer has a choice without a text")
            reading.add(choice, "text", "assistant", f"choices[{index}].text")
            read_prompt_repeat(reading, choice, f"choices[{index}].")
            reading.rest(choice, CHOICE_FIELDS, "assistant", f"choices[{index}]")
        read_prompt_repeat(reading, reading.payload, "")
        reading.rest(reading.payload, ANSWER_FIELDS, "assistant")
        return reading

    def redacted(self, payload: Json, changed: Sequence[Segment]) -> list[str]:
        """What repeats changed texts token by token goes."""
        return redacted_choices(payload, changed)

    def refuse(self, payload: Json, message: str) -> Json:
        """Every choice is empty and says why; SDKs keep the `refusal`, which this API itself does not have."""
        made = [
            refused(choice.get("index", index), message) | {"logprobs": None} for index, choice in enumerate(payload["choices"])
        ]
        return {key: payload[key] for key in KEPT if key in payload} | {"choices": made}

    def read_event(self, payload: object) -> Event:
        """The piece of text of each choice in one chunk. Raises BackendBroken."""
        if not isinstance(payload, dict):
            raise BackendBroken("the backend's stream has an event that is no object")
        if payload.get("error") is not None or payload.get("object") == "error":
            return self.read_failure(payload)
        event = Event(payload)
        choices = payload.get("choices") or []
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise BackendBroken("the backend's stream has a chunk whose choices are no list of objects")
        event.other = not choices or bool(payload.get("usage"))
        event.repeats += repeats_of(payload)
        notice(event, payload, CHUNK_FIELDS)
        for choice in choices:
            read_choice(event, choice)
        return event

    def remainder(self, like: Json, texts: Iterable[tuple[Hashable, str]]) -> list[Json]:
        """One chunk for each choice that still has text to show."""
        return [chunk(like, {"index": self.group(channel), "text": text, "finish_reason": None}) for channel, text in texts]

    def cut(self, like: Json, groups: Iterable[Hashable], message: str) -> list[Json]:
        """Every choice that is open ends with `content_filter`, and says why."""
        return [chunk(like, refused(group, message)) for group in list(groups) or [0]]


def read_prompt(reading: Reading, payload: Json) -> None:
    """A text, a list of texts, a list of tokens, or a list of such lists: tokens cannot be read."""
    prompt = payload.get("prompt")
    if isinstance(prompt, str):
        reading.add(payload, "prompt", "user", "prompt")
    elif isinstance(prompt, list):
        for index, each in enumerate(prompt):
            if isinstance(each, str):
                reading.add(prompt, index, "user", f"prompt[{index}]")
        read_tokens(reading, prompt, "prompt")
    elif prompt is not None:
        raise RequestError("prompt must be text, a list of texts or a list of tokens", param="prompt")


def read_choice(event: Event, choice: Json) -> None:
    """One choice of a chunk."""
    index = number(choice.get("index"), 0)
    event.groups.append(index)
    text = choice.get("text")
    if isinstance(text, str):
        if text:
            event.deltas.append(Delta((index, "text"), Slot(choice, "text"), text, "assistant", f"choices[{index}].text"))
    elif text is not None:
        raise BackendBroken("the backend's stream has a text that is none")
    event.repeats += repeats_of(choice)
    if choice.get("finish_reason"):
        event.ending.append(index)
        event.other = True
    notice(event, choice, CHOICE_FIELDS)


def refused(index: object, message: str) -> Json:
    return {"index": index, "text": "", "finish_reason": "content_filter", "refusal": message}


def chunk(like: Json, choice: Json) -> Json:
    """A chunk in the manner of another: the same id, model and time."""
    made = {key: like[key] for key in KEPT if key in like and key != "usage"}
    made.setdefault("object", "text_completion")
    return made | {"choices": [choice | {"logprobs": None}]}
