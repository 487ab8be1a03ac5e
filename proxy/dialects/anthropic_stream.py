"""The events of Anthropic's streamed messages: blocks that open, grow and close, and a message around them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from proxy.core import Form, Role
from proxy.dialects.anthropic_blocks import ENCRYPTED, read_block, read_blocks, refusal
from proxy.dialects.base import Delta, Event, Json, Reading, Slot, named
from proxy.dialects.openai_chunk import notice
from proxy.errors import BackendBroken

MESSAGE = "message"  # the group that all blocks are in
MESSAGE_FIELDS = frozenset(
    "id type role model usage content stop_reason stop_sequence stop_details container diagnostics".split()
)
FIELDS = {  # of each event; what else has text is relayed and counted
    "content_block_start": frozenset(("type", "index", "content_block")),
    "content_block_delta": frozenset(("type", "index", "delta")),
    "content_block_stop": frozenset(("type", "index")),
    "message_start": frozenset(("type", "message")),
    "message_delta": frozenset(("type", "delta", "usage")),
    "message_stop": frozenset(("type",)),
}
PIECES: dict[str, tuple[str, Role, Form]] = {  # the deltas that carry a piece of a block's text: where, whose, and in which form
    "text_delta": ("text", "assistant", "text"),
    "thinking_delta": ("thinking", "reasoning", "text"),
    "input_json_delta": ("partial_json", "assistant", "json"),
}
DELTAS = {field: kind for kind, (field, _, _) in PIECES.items()}
WHOLE = frozenset(("signature_delta", "citations_delta"))  # deltas that are there at once; any other grows a text
GROWING: dict[str, tuple[str, Role]] = {  # blocks that may open with a first piece
    "text": ("text", "assistant"),
    "thinking": ("thinking", "reasoning"),
}


class AnthropicStream:
    """One stream; it keeps the count of tokens and of blocks, which the end of a blocked message has to name."""

    end = b""
    alike = True
    keeps = False
    ids: Sequence[str] = ()
    said: Mapping[Hashable, list[str]] = {}

    def __init__(self, read_error: Callable[[object], Reading | None]) -> None:
        self.read_error = read_error
        self.usage: Json = {"output_tokens": 0}
        self.begun = False  # message_start has gone out
        self.blocks = 0  # that have gone out

    def read_event(self, payload: object) -> Event:
        """The texts of one event. Raises BackendBroken."""
        if not isinstance(payload, dict):
            raise BackendBroken("the backend's stream has an event that is no object")
        event, kind = Event(payload), payload.get("type")
        if kind == "content_block_delta":
            read_delta(event, payload)
            return event
        event.other = True
        if isinstance(kind, str) and kind in FIELDS:
            notice(event, payload, FIELDS[kind])
        if kind == "content_block_start":
            read_start(event, payload)
        elif kind == "content_block_stop":
            index = index_of(payload)
            event.ending = [index, ("thinking", index)]
        elif kind == "message_start":
            self.count(payload.get("message"))
            event.groups = [MESSAGE]
            read_rest(event, payload, "message")
        elif kind == "message_delta":
            self.count(payload)
            read_rest(event, payload, "delta")
        elif kind == "message_stop":
            event.ending, event.final = [MESSAGE], True
        elif kind == "error" or "error" in payload:
            return self.failure(payload)
        else:
            notice(event, payload, {"type"})
        return event

    def failure(self, payload: Json) -> Event:
        """The backend's error. Raises BackendBroken for one that says nothing."""
        reading = self.read_error(payload)
        if reading is None:
            raise BackendBroken("the backend's stream ended with an error")
        return Event.of_error(reading)

    def count(self, holder: object) -> None:
        """Take the count of tokens."""
        usage = holder.get("usage") if isinstance(holder, dict) else None
        if isinstance(usage, dict) and isinstance(usage.get("output_tokens"), int):
            self.usage = {"output_tokens": usage["output_tokens"]}

    def group(self, channel: Hashable) -> Hashable:
        """The block; thinking ends before its block does, with its signature."""
        index, field = channel[:2] if isinstance(channel, tuple) else (channel, "")
        return ("thinking", index) if field == "thinking" else index

    def remainder(self, like: Json, texts: Iterable[tuple[Hashable, str]]) -> list[Json]:  # noqa: ARG002 - nothing to imitate
        """One delta for each channel that still has text to show."""
        return [
            {"type": "content_block_delta", "index": channel[0], "delta": {"type": kind_of(channel), channel[1]: text}}
            for channel, text in texts
            if isinstance(channel, tuple)
        ]

    def cut(self, like: Json, groups: Iterable[Hashable], message: str) -> list[Json]:  # noqa: ARG002 - nothing to imitate
        """Blocks that are open close, one more says why, and the message stops for `refusal`."""
        start: Json = {
            "id": "msg_refused",
            "type": "message",
            "role": "assistant",
            "model": "",
            "content": [],
            "usage": self.usage,
        }
        start |= {"stop_reason": None, "stop_sequence": None}
        open_blocks = [group for group in groups if isinstance(group, int)]
        last = max([self.blocks - 1, *open_blocks]) + 1
        return [
            *([] if self.begun else [{"type": "message_start", "message": start}]),
            *({"type": "content_block_stop", "index": index} for index in open_blocks),
            {"type": "content_block_start", "index": last, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": last, "delta": {"type": "text_delta", "text": message}},
            {"type": "content_block_stop", "index": last},
            {"type": "message_delta", "delta": {"stop_sequence": None, **refusal(message)}, "usage": self.usage},
            {"type": "message_stop"},
        ]

    def write(self, payload: Json) -> bytes:
        """An event under its name."""
        kind = payload.get("type")
        if kind == "message_start":
            self.begun = True
        elif kind == "content_block_start":
            self.blocks = max(self.blocks, payload["index"] + 1)
        return named(payload)


def kind_of(channel: tuple[Any, ...]) -> str:
    """The kind of the delta that carries more of a channel; those that nobody knows are named by it."""
    return channel[2] if len(channel) > 2 else DELTAS[channel[1]]


def index_of(payload: Json) -> int:
    """The index of the block. Raises BackendBroken."""
    index = payload.get("index")
    if type(index) is not int or index < 0:
        raise BackendBroken("the backend's stream has a block whose index is no whole number")
    return index


def read_delta(event: Event, payload: Json) -> None:
    """A piece of a block."""
    index, delta = index_of(payload), payload.get("delta")
    event.groups = [index]
    if not isinstance(delta, dict):
        raise BackendBroken("the backend's stream has a delta that is no object")
    kind = delta.get("type")
    piece = PIECES.get(kind) if isinstance(kind, str) else None
    if piece is not None and not isinstance(delta.get(piece[0]), str | None):
        raise BackendBroken("the backend's stream has a piece of text that is none")
    if piece is not None and isinstance(delta.get(piece[0]), str):
        field, role, form = piece
        if delta[field]:
            event.deltas.append(Delta((index, field), Slot(delta, field), delta[field], role, f"content[{index}].{field}", form))
        if len(delta) == 2 and len(payload) == 3:
            return
    elif kind == "signature_delta":
        event.ending = [("thinking", index)]
    event.other = True
    grown = {piece[0]} if piece else set()
    if piece is None and isinstance(kind, str) and kind.endswith("_delta") and kind not in WHOLE:
        grown = {key for key, value in delta.items() if key != "type" and key not in ENCRYPTED and isinstance(value, str)}
        for field in sorted(grown):
            where = f"content[{index}].other"
            event.deltas.append(Delta((index, field, kind), Slot(delta, field), delta[field], "assistant", where))
    read_once(event, {key: value for key, value in delta.items() if key not in grown}, delta, f"content[{index}]")
    notice(event, payload, FIELDS["content_block_delta"])


def read_start(event: Event, payload: Json) -> None:
    """A block that opens, with a first piece of its text, or with all that it holds."""
    index, block = index_of(payload), payload.get("content_block")
    event.groups = [index]
    if not isinstance(block, dict):
        raise BackendBroken("the backend's stream has a block that is no object")
    kind = block.get("type")
    first = GROWING.get(kind) if isinstance(kind, str) else None
    if first is not None and isinstance(block.get(first[0]), str) and block[first[0]]:
        field, role = first
        event.deltas.append(Delta((index, field), Slot(block, field), block[field], role, f"content[{index}].{field}"))
    read_once(event, {key: value for key, value in block.items() if first is None or key != first[0]}, block, f"content[{index}]")


def read_once(event: Event, fields: Json, holder: Json, place: str) -> None:
    """The texts of some fields of an object, each by itself."""
    reading = Reading()
    read_block(reading, fields, "assistant", place)
    for segment, slot in zip(reading.segments, reading.slots, strict=True):
        if slot.holder is fields:
            slot.holder = holder
        event.deltas.append(Delta(place, slot, segment.text, segment.role, segment.place, segment.form, once=True))
    event.not_inspected += [reason for reason, count in reading.not_inspected.items() for _ in range(count)]


def read_rest(event: Event, payload: Json, key: str) -> None:
    """The texts of the beginning and the end of a message: as a rule there are none."""
    holder: Any = payload.get(key)
    if not isinstance(holder, dict):
        return
    notice(event, holder, MESSAGE_FIELDS)
    reading = Reading()
    for field in ("content", "stop_sequence", "stop_details"):
        if holder.get(field):
            read_blocks(reading, holder, field, "assistant", field)
    pairs = zip(reading.segments, reading.slots, strict=True)
    event.deltas += [Delta(key, slot, text.text, text.role, text.place, text.form, once=True) for text, slot in pairs]
    event.not_inspected += [reason for reason, count in reading.not_inspected.items() for _ in range(count)]
