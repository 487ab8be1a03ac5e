"""The typed events of a streamed response: which pieces of text each has, what repeats them, and how the stream is cut.

A text is known by its place in the response, `output[1].content[0].text`: pieces, the event that says it is done, the part, the
item and the whole response that repeat it all name the same place. Each text is a group of its own, and so is the response.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from proxy.core import Form, Role
from proxy.dialects.base import GIVEN, Delta, Event, Json, Reading, Repeat, Slot, has_text, named
from proxy.dialects.openai_chunk import look, number
from proxy.dialects.openai_responses_items import read_citations, read_item, read_part
from proxy.dialects.openai_responses_object import ANSWER_FIELDS, identities, incomplete, part, read_response, refusal, repeats
from proxy.errors import BackendBroken, RequestError

RESPONSE = "response"  # the group that ends with the last event
BEGINS = frozenset(("response.created", "response.in_progress", "response.queued"))
ENDS = frozenset(("response.completed", "response.incomplete", "response.failed"))
KNOWN = frozenset("type sequence_number item_id output_index content_index summary_index obfuscation status".split())
PLACE = re.compile(r"output\[(\d+)\]\.(content|summary)\[(\d+)\]\.(text|refusal)")
SOUND = "response.audio.delta"
IMAGE = "response.image_generation_call.partial_image"


@dataclass(frozen=True, slots=True)
class Piece:
    """What an event with a piece of a text is about."""

    where: str  # the text stands there in its item
    role: Role = "assistant"
    form: Form = "text"


PIECES = {  # by the name of the event without its .delta or .done
    "response.output_text": Piece("content[{content_index}].text"),
    "response.refusal": Piece("content[{content_index}].refusal"),
    "response.reasoning_text": Piece("content[{content_index}].text", "reasoning"),
    "response.reasoning_summary_text": Piece("summary[{summary_index}].text", "reasoning"),
    "response.function_call_arguments": Piece("arguments", form="json"),
    "response.mcp_call_arguments": Piece("arguments", form="json"),
    "response.custom_tool_call_input": Piece("input"),
    "response.code_interpreter_call_code": Piece("code"),
    "response.audio.transcript": Piece("transcript"),
}
PARTS = {
    "response.content_part": "content[{content_index}]",
    "response.reasoning_part": "content[{content_index}]",  # of vLLM, SGLang and others
    "response.reasoning_summary_part": "summary[{summary_index}]",
}
INDEXES = ("output_index", "content_index", "summary_index")


class Errors(Protocol):
    """What a stream needs of its dialect."""

    def read_failure(self, payload: Json) -> Event:
        """The event of a backend's error."""
        ...


class ResponsesStream:
    """One stream, from its first event to its last."""

    end: bytes = b""
    alike: bool = False  # each event has a number
    keeps: bool = True

    def __init__(self, errors: Errors) -> None:
        self.errors = errors
        self.said: Mapping[Hashable, list[str]] = {}
        self.sent = 0  # events
        self.response: Json = {}  # as it last went out
        self.items: dict[int, Json] = {}  # as they last went out
        self.done: set[int] = set()  # those of them that were done
        self.like: dict[Hashable, Json] = {}  # the last event with a piece of each text
        self.ids: Sequence[str] = ()

    def read_event(self, payload: object) -> Event:
        """One event. Raises BackendBroken."""
        if not isinstance(payload, dict):
            raise BackendBroken("the backend's stream has an event that is no object")
        kind = payload.get("type")
        if kind == "error" or (kind is None and payload.get("error") is not None):
            return self.errors.read_failure(payload if payload.get("error") else {"error": payload})
        if not isinstance(kind, str):
            raise BackendBroken("the backend's stream has an event without a type")
        name, _, step = kind.rpartition(".")
        try:
            if name in PIECES and step in ("delta", "done"):
                return self.piece(payload, PIECES[name], step)
            if name in PARTS and step in ("added", "done"):
                return self.part(payload, place_of(payload, PARTS[name]), done=step == "done")
            if name == "response.output_item" and step in ("added", "done"):
                return self.item(payload, done=step == "done")
        except RequestError as error:
            raise BackendBroken(f"the backend's stream has an event that is none of this API: {error}") from None
        if kind in BEGINS or kind in ENDS:
            return self.whole(payload, ends=kind in ENDS)
        if step == "delta" and kind != SOUND and isinstance(payload.get("delta"), str):
            return self.strange(payload, name)
        return other(payload, kind)

    def strange(self, payload: Json, name: str) -> Event:
        """A piece of a text that nobody knows: those of one name and place belong to one text."""
        channel = (name, *(number(payload.get(key), 0) for key in INDEXES))
        event = Event(payload, groups=[channel])
        self.like[channel] = payload
        if payload["delta"]:
            place = place_of(payload, "other")
            event.deltas.append(Delta(channel, Slot(payload, "delta"), payload["delta"], "assistant", place))
        notice(event, payload, ("delta",))
        return event

    def piece(self, payload: Json, piece: Piece, step: str) -> Event:
        """A piece of a text, or the event that says it is done and repeats it."""
        place = place_of(payload, piece.where)
        event = Event(payload, groups=[place])
        if step == "delta":
            keys = ("delta",)
            self.like[place] = payload
        else:
            keys, event.ending, event.other = (place.rpartition(".")[2],), [place], True
        for key in (*keys, *(("name",) if step == "done" else ())):
            text = payload.get(key)
            if isinstance(text, str) and text:
                where = place if key in keys else f"{place.rpartition('.')[0]}.{key}"
                form = piece.form if key in keys else "text"
                event.deltas.append(Delta(where, Slot(payload, key), text, piece.role, where, form, whole=step == "done"))
            elif text is not None and text != "":
                raise BackendBroken("the backend's stream has a piece of text that is none")
        if payload.get("logprobs"):
            event.repeats.append(Repeat(payload, "logprobs", empty=[]))
        notice(event, payload, {*keys, "name", "logprobs"})
        return event

    def part(self, payload: Json, place: str, *, done: bool) -> Event:
        """A part that is new, or done."""
        reading = Reading()
        read_part(reading, [payload.get("part")], 0, payload.get("part"), "assistant", place)
        event = self.repeating(payload, reading, done=done)
        notice(event, payload, {"part"})
        self.quiet(event, payload.get("part"))
        return event

    def item(self, payload: Json, *, done: bool) -> Event:
        """An item that is new, or done."""
        reading = Reading()
        item = payload.get("item")
        read_item(reading, item, place_of(payload, "")[:-1])
        event = self.repeating(payload, reading, done=done)
        if done:
            event.not_inspected += [reason for reason, count in reading.not_inspected.items() for _ in range(count)]
        notice(event, payload, {"item"})
        for each in parts_of(item):
            self.quiet(event, each)
        return event

    def whole(self, payload: Json, *, ends: bool) -> Event:
        """The response, at its beginning or its end."""
        response = payload.get("response")
        reading = read_response(response)
        event = self.repeating(payload, reading, done=False)
        event.groups, event.ending, event.final = [RESPONSE], ([RESPONSE] if ends else []), ends
        if ends:
            beside = Reading()
            beside.rest(reading.payload, ANSWER_FIELDS, "assistant")
            counted = beside.not_inspected if self.done else reading.not_inspected  # items that were done have been counted
            event.not_inspected += [reason for reason, count in counted.items() for _ in range(count)]
        event.repeats += repeats(reading.payload)
        for item in reading.payload["output"]:
            for each in parts_of(item):
                self.quiet(event, each)
        return event

    def repeating(self, payload: Json, reading: Reading, *, done: bool) -> Event:
        """An event that has texts as a whole, which may have come in pieces before."""
        pairs = zip(reading.segments, reading.slots, strict=True)
        deltas = [Delta(s.place, slot, s.text, s.role, s.place, s.form, whole=True) for s, slot in pairs]
        return Event(payload, deltas, ending=[delta.channel for delta in deltas] if done else [], other=True)

    def quiet(self, event: Event, part: object) -> None:
        """Log-probabilities repeat the text of a part."""
        if isinstance(part, dict) and part.get("logprobs"):
            event.repeats.append(Repeat(part, "logprobs", empty=[]))

    def group(self, channel: Hashable) -> Hashable:
        """Each text is a group of its own."""
        return channel

    def remainder(self, like: Json, texts: Iterable[tuple[Hashable, str]]) -> list[Json]:  # noqa: ARG002 - each text has its own
        """One event for each text that still has something to show."""
        return [
            {key: each for key, each in self.like[channel].items() if key != "obfuscation"}
            | ({"logprobs": []} if "logprobs" in self.like[channel] else {})
            | {"delta": text}
            for channel, text in texts
        ]

    def write(self, payload: Json) -> bytes:
        """An event, with its number in the order in which it goes out."""
        if "type" not in payload and isinstance(payload.get("error"), dict):
            error = payload["error"]
            told = {key: error.get(key) for key in ("code", "message", "param")}
            payload = {"type": "error", **told, "error": error}  # SDKs raise what has an `error`, and type what has a `type`
        kind = payload.get("type")
        if kind in ("response.output_item.added", "response.output_item.done"):
            self.items[payload["output_index"]] = payload["item"]
            if kind == "response.output_item.done":
                self.done.add(payload["output_index"])
        elif kind in BEGINS or kind in ENDS:
            self.response = payload["response"]
            if kind in ENDS:
                self.ids = identities(self.response)
        payload["sequence_number"] = self.sent
        self.sent += 1
        return named(payload)

    def cut(self, like: Json, groups: Iterable[Hashable], message: str) -> list[Json]:  # noqa: ARG002 - all of it ends here
        """A refusal as an item of its own, and the response ends incomplete, with what was shown."""
        index = max(self.items, default=-1) + 1
        name = f"msg_{self.response.get('id', 'resp')}_refusal"
        at: Json = {"output_index": index}
        inside = at | {"item_id": name, "content_index": 0}
        new = refusal(name, message, status="in_progress") | {"content": []}
        item = refusal(name, message)
        return [
            {"type": "response.output_item.added", **at, "item": new},
            {"type": "response.content_part.added", **inside, "part": part("")},
            {"type": "response.refusal.delta", **inside, "delta": message},
            {"type": "response.refusal.done", **inside, "refusal": message},
            {"type": "response.content_part.done", **inside, "part": part(message)},
            {"type": "response.output_item.done", **at, "item": item},
            {"type": "response.incomplete", "response": incomplete(self.response, [*self.shown(), item])},
        ]

    def shown(self) -> list[Json]:
        """The items as far as they were shown; calls that were not done are left out, so that nobody makes them."""
        made = []
        for index, item in sorted(self.items.items()):
            if index in self.done:
                made.append(item)
            elif item.get("type") in ("message", "reasoning"):
                made.append({**item, "status": "incomplete", **self.texts(index, item)})
        return made

    def texts(self, index: int, item: Json) -> Json:
        """What was shown of an item that is not done."""
        made: dict[str, list[Json]] = {"content": []} if item.get("type") == "message" else {"summary": []}
        thought = item.get("type") == "reasoning"
        for place, texts in self.said.items():
            found = PLACE.fullmatch(str(place))
            if found and int(found[1]) == index:
                kind = "summary_text" if found[2] == "summary" else "reasoning_text" if thought else "output_text"
                each: Json = {"type": "refusal" if found[4] == "refusal" else kind, found[4]: "".join(texts)}
                made.setdefault(found[2], []).append(each | ({"annotations": []} if kind == "output_text" else {}))
        return made


def place_of(payload: Json, where: str) -> str:
    """The place of the text, part or item that an event is about. Raises BackendBroken."""
    indexes = {key: number(payload.get(key), 0) for key in INDEXES}
    if where == "transcript":
        return where
    return f"output[{indexes['output_index']}]." + where.format(**indexes)


def parts_of(item: object) -> list[object]:
    """The parts of an item."""
    content = item.get("content") if isinstance(item, dict) else None
    return content if isinstance(content, list) else []


def notice(event: Event, payload: Json, known: Iterable[str]) -> None:
    """Fields that are not known pass with the event; each text in them is one by itself, and so is an id that is a text."""
    item = payload.get("item_id")
    if isinstance(item, str) and not GIVEN.fullmatch(item):
        look(event, payload, "item_id", place="item_id")
    for key in payload.keys() - KNOWN - set(known):
        if has_text(payload[key]):
            look(event, payload, key)


def other(payload: Json, kind: str) -> Event:
    """An event that is about neither text nor items."""
    event = Event(payload, other=True)
    if kind == SOUND:
        event.not_inspected.append("audio")
        if isinstance(payload.get("delta"), str):
            event.repeats.append(Repeat(payload, "delta", "audio", ""))
    elif kind == IMAGE:
        event.not_inspected.append("image")
    elif kind == "response.output_text.annotation.added":
        reading = Reading()
        place = place_of(payload, "content[{content_index}].annotations")
        read_citations(reading, [payload.get("annotation")], "assistant", place)
        pairs = zip(reading.segments, reading.slots, strict=True)
        event.deltas = [Delta(s.place, slot, s.text, s.role, s.place, once=True) for s, slot in pairs]
    else:
        notice(event, payload, ())
    return event
