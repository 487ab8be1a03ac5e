"""One chunk of OpenAI's streamed chat completions: its pieces of text, and what else it says. This is the hot path of streams."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from proxy.core import Role
from proxy.dialects.base import GIVEN, Delta, Event, Json, Reading, Repeat, Slot, has_text
from proxy.dialects.openai_shape import REPEATS, repeats_of
from proxy.dialects.values import read_values
from proxy.errors import BackendBroken, RequestError

UNREAD = {"image_url": "image", "image": "image", "input_audio": "audio", "audio": "audio", "video_url": "video", "file": "file"}
CHUNK_FIELDS = frozenset(  # `obfuscation` is padding of random length, `provider` the name of a company
    "id object created model choices usage system_fingerprint service_tier obfuscation provider error".split()
).union(REPEATS)
CHOICE_FIELDS = frozenset((*REPEATS, "index", "delta", "finish_reason"))
COPIES = ("message", "provider_specific_fields")  # in which some servers repeat texts of the choice, in a chunk of a stream
PIECES: dict[str, Role] = {
    "content": "assistant",
    "refusal": "assistant",
    "reasoning": "reasoning",
    "reasoning_content": "reasoning",
}

THOUGHTS = frozenset(("reasoning_details", "thinking_blocks"))  # lists of objects; OpenRouter's, and LiteLLM's
THOUGHT = frozenset(("text", "summary", "thinking"))  # of such an object: its texts,
SEALED = frozenset(("signature", "data"))  # what only the model's maker reads,
LABELLED = frozenset("role type id index channel recipient status phase format".split())  # of a delta: said at once, if at all
LABELS = frozenset(("type", "id", "index", "format", "cache_control"))  # and what names it


def read_chunk(payload: Json) -> Event:
    """The event of a chunk. Raises BackendBroken."""
    event = Event(payload)
    choices = payload.get("choices") or ()
    if not isinstance(choices, list | tuple):
        raise BackendBroken("the backend's stream has a chunk whose choices are no list")
    event.other = not choices or bool(payload.get("usage"))
    event.repeats += repeats_of(payload)
    notice(event, payload, CHUNK_FIELDS)
    for choice in choices:
        if not isinstance(choice, dict):
            raise BackendBroken("the backend's stream has a choice that is no object")
        index = number(choice.get("index"), 0)
        event.groups.append(index)
        delta = choice.get("delta")
        if isinstance(delta, dict):
            read_delta(event, index, delta)
        elif delta is not None:
            raise BackendBroken("the backend's stream has a delta that is no object")
        event.repeats += repeats_of(choice)
        event.repeats += [Repeat(choice, key, "unknown_field") for key in COPIES if has_text(choice.get(key))]
        if choice.get("finish_reason"):  # some servers send an empty text in its place until the end
            event.ending.append(index)
            event.other = True
        notice(event, choice, CHOICE_FIELDS)
    return event


def number(index: object, missing: int) -> int:
    """The index of a choice or a tool call. Raises BackendBroken."""
    if index is None:
        return missing
    if type(index) is not int:
        raise BackendBroken("the backend's stream has an index that is no whole number")
    return index


def notice(event: Event, holder: Json, known: Set[str]) -> None:
    """Fields that are not known pass with the event; each text in them is one by itself."""
    for key in holder.keys() - known:
        if holder[key] is not None:
            look(event, holder, key)


def look(event: Event, holder: Json, key: str, role: Role = "assistant", place: str = "other") -> None:
    """A value that nobody knows."""
    event.other = True
    reading = Reading()
    try:
        reading.look(holder, key, role, place)
    except RequestError as error:
        raise BackendBroken(f"the backend's stream has an event with too many texts: {error}") from None
    pairs = zip(reading.segments, reading.slots, strict=True)
    event.deltas += [Delta(place, slot, text.text, text.role, text.place, once=True) for text, slot in pairs]
    event.not_inspected += list(reading.not_inspected)


def read_delta(event: Event, index: int, delta: Json) -> None:
    """The pieces of text in one choice's delta."""
    for key, value in delta.items():
        if value is None or value == "":
            continue
        role = PIECES.get(key)
        if role is not None and isinstance(value, str):
            event.deltas.append(Delta((index, key), Slot(delta, key), value, role, f"choices[{index}].{key}"))
        elif role is not None and isinstance(value, list):
            read_parts(event, (index, key), value, role, f"choices[{index}].{key}")
        elif key == "name" and isinstance(value, str):
            event.deltas.append(Delta((index, key), Slot(delta, key), value, "assistant", f"choices[{index}].name", once=True))
        elif key == "tool_calls" and isinstance(value, list):
            for position, call in enumerate(value):
                read_call(event, index, call, position)
        elif key == "function_call" and isinstance(value, dict):
            read_function(event, (index, "function_call"), value, f"choices[{index}].function_call")
        elif key == "audio" and isinstance(value, dict):
            read_audio(event, index, value)
        else:
            read_beside(event, index, delta, key)


def read_beside(event: Event, index: int, delta: Json, key: str) -> None:
    """What only some servers have in a delta: reasoning as objects, notes, what nobody knows."""
    value = delta[key]
    if key in THOUGHTS and isinstance(value, list):
        for each in value:
            read_thought(event, index, key, each)
    elif key == "provider_specific_fields" and has_text(value):  # in which LiteLLM repeats pieces of texts
        event.repeats.append(Repeat(delta, key, "unknown_field"))
        event.other = True
        event.not_inspected.append("unknown_field")
    elif key == "annotations" and isinstance(value, list):
        read_whole(event, (index, key), value, f"choices[{index}].annotations")
    elif key in LABELLED:
        event.other = True
        if key != "role":
            look(event, delta, key)
    elif isinstance(value, str):  # what grows under a name that nobody knows is a text like any other
        event.deltas.append(Delta((index, "other", key), Slot(delta, key), value, "assistant", f"choices[{index}].other"))
    else:
        look(event, delta, key)


def read_parts(event: Event, channel: tuple[Any, ...], parts: list[Any], role: Role, place: str) -> None:
    """Text that comes as a list of parts: all of them belong to one text."""
    for number, part in enumerate(parts):
        if isinstance(part, str) and part:
            event.deltas.append(Delta(channel, Slot(parts, number), part, role, place))
        elif isinstance(part, dict) and isinstance(part.get("text"), str) and part["text"]:
            event.deltas.append(Delta(channel, Slot(part, "text"), part["text"], role, place))
        elif isinstance(part, dict) and isinstance(part.get("type"), str) and part["type"] in UNREAD:
            event.other = True
            event.not_inspected.append(UNREAD[part["type"]])
        else:
            look(event, parts, number, role, place)  # type: ignore[arg-type]  # a list of parts and a place in it


def read_thought(event: Event, index: int, key: str, thought: Any) -> None:
    """A piece of reasoning as an object: one of those with its index belong to one text."""
    if not isinstance(thought, dict):
        raise BackendBroken("the backend's stream has a thought that is no object")
    order = number(thought.get("index"), 0)
    for name, value in thought.items():
        if name in THOUGHT and isinstance(value, str):
            if value:
                place = f"choices[{index}].{key}[{order}].{name}"
                event.deltas.append(Delta((index, key, order, name), Slot(thought, name), value, "reasoning", place))
        elif name in SEALED and has_text(value):
            event.other = True
            event.not_inspected.append("encrypted")
        elif name not in LABELS and value:
            look(event, thought, name, "reasoning", f"choices[{index}].{key}[{order}].other")


def read_audio(event: Event, index: int, audio: Json) -> None:
    """A spoken answer: its transcript is read, its sound is not."""
    event.not_inspected.append("audio")
    event.other = True
    if audio.get("data"):
        event.repeats.append(Repeat(audio, "data", "audio", ""))  # the sound says what the transcript says
    if isinstance(audio.get("transcript"), str) and audio["transcript"]:
        place = f"choices[{index}].audio.transcript"
        event.deltas.append(Delta((index, "transcript"), Slot(audio, "transcript"), audio["transcript"], "assistant", place))


def read_call(event: Event, index: int, call: Any, position: int) -> None:
    """The pieces of one tool call; its id and type pass as they are."""
    if not isinstance(call, dict):
        raise BackendBroken("the backend's stream has a tool call that is no object")
    order = number(call.get("index"), position)
    place = f"choices[{index}].tool_calls[{order}]"
    for key, value in call.items():
        if key == "function" and isinstance(value, dict):
            read_function(event, (index, "tool_calls", order), value, f"{place}.function")
        elif key == "custom" and isinstance(value, dict):
            read_function(event, (index, "custom", order), value, f"{place}.custom")
        elif key == "id" and value:
            event.other = True
            if not isinstance(value, str) or not GIVEN.fullmatch(value):
                look(event, call, key, place=f"{place}.id")
        elif key != "index" and value:
            event.other = True
            if key != "type":
                look(event, call, key, place=f"{place}.other")


def read_function(event: Event, channel: tuple[Any, ...], function: Json, place: str) -> None:
    """A function's name comes at once, its arguments (JSON) or input (text) in pieces."""
    for key, value in function.items():
        slot, where = Slot(function, key), f"{place}.{key}"
        if value == "":
            continue
        if key in ("arguments", "input") and isinstance(value, str):
            form = "json" if key == "arguments" else "text"
            event.deltas.append(Delta(channel, slot, value, "assistant", where, form))  # type: ignore[arg-type]  # a Form
        elif value:
            event.other = True
            if isinstance(value, dict | list):
                read_whole(event, channel, value, where)
            elif key == "name" and isinstance(value, str):
                event.deltas.append(Delta((*channel, "name"), slot, value, "assistant", where, once=True))
            else:
                look(event, function, key, place=f"{place}.other")


def read_whole(event: Event, channel: tuple[Any, ...], value: Any, place: str) -> None:
    """Texts at any depth of a value that comes at once."""
    event.other = True
    reading = Reading()
    read_values(reading, value, "assistant", place)
    pairs = zip(reading.segments, reading.slots, strict=True)
    event.deltas += [Delta(channel, slot, text.text, text.role, text.place, once=True) for text, slot in pairs]
    event.not_inspected += list(reading.not_inspected)
