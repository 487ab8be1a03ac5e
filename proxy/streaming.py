"""A guarded stream: server-sent events in, the same events out with only what may be shown in them.

Events that need no change pass as the bytes that came. An event whose text is all held back is left out, unless it says
something else as well. What was held back goes out with the next event of its channel, or in one of its own before the end.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Any

import orjson

from proxy.dialects import Cut, Dialect, Event
from proxy.engine import Channel, Growing
from proxy.errors import BackendBroken

MAX_EVENT = 16 * 2**20  # bytes of one event
DONE = b"data: [DONE]\n\n"


class GuardedStream:
    """The guard of one stream. Feed it what the backend sends, send on what it returns, stop when `cut`."""

    def __init__(self, dialect: Dialect, growing: Growing, request_id: str) -> None:
        self.dialect, self.growing, self.request_id = dialect, growing, request_id
        self.buffer = b""
        self.channels: dict[Hashable, Channel] = {}
        self.open: dict[Hashable, None] = {}  # groups that have begun and not ended, in order
        self.ended: set[Hashable] = set()
        self.last: dict[str, Any] = {}  # the payload of the last event: events of our own are made in its manner
        self.done = False
        self.cut = False
        self.trouble: BackendBroken | None = None  # why the stream cannot go on
        self.not_inspected: dict[str, int] = {}
        self.seconds = 0.0  # spent in here

    def feed(self, data: bytes) -> bytes:
        """Take what came from the backend; what may be sent on. Sets `trouble` when it is not a stream of this dialect."""
        begun = time.perf_counter()
        try:
            buffer = self.buffer + data
            if b"\r" in buffer:
                buffer = normal(buffer)
            blocks = buffer.split(b"\n\n")
            self.buffer = blocks.pop()
            out = [self.take(block) for block in blocks if block]
            if len(self.buffer) > MAX_EVENT:
                self.trouble = BackendBroken("the backend's stream has an event that is too large")
            return b"".join(out)
        finally:
            self.seconds += time.perf_counter() - begun

    def take(self, block: bytes) -> bytes:
        """One event, unless the stream has come to its end, good or bad."""
        if self.over:
            return b""
        try:
            return self.block(block)
        except BackendBroken as error:
            self.trouble = error
            return b""

    @property
    def over(self) -> bool:
        """Whether nothing more will be sent."""
        return self.cut or self.done or self.trouble is not None

    def finish(self) -> bytes:
        """The backend sends no more: what is left to be sent. Sets `trouble` when its answer had not ended."""
        rest, self.buffer = self.buffer.strip(b"\r\n"), b""
        out = self.take(rest) if rest else b""
        if not self.cut and not self.done:
            if self.open and self.trouble is None:
                self.trouble = BackendBroken("the backend's stream ended before its answer did")
            out += self.flush()
        return out

    def flush(self) -> bytes:
        """What is held back, of all channels that are open: no more will come."""
        tails = [(key, channel.push("", end=True)) for key, channel in self.channels.items()]
        self.channels.clear()
        if self.growing.blocked:
            return self.stop()
        return b"".join(map(event_bytes, self.dialect.remainder(self.last, [(key, text) for key, text in tails if text])))

    def block(self, block: bytes) -> bytes:
        """One event: its lines without the empty one that ends it."""
        fields = [line for line in block.split(b"\n") if line[:5] == b"data:"]
        if not fields:
            return block + b"\n\n"  # a comment, or an event without data
        data = fields[0][5:].strip() if len(fields) == 1 else b"\n".join(line[5:].lstrip() for line in fields)
        if data == b"[DONE]":
            self.done = True
            out = self.flush()
            return out if self.cut else out + DONE
        try:
            payload = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise BackendBroken("the backend's stream has an event that is not JSON") from None
        return self.event(self.dialect.read_event(payload), block)

    def event(self, event: Event, block: bytes) -> bytes:
        """One event, read."""
        for reason in event.not_inspected:
            self.not_inspected[reason] = self.not_inspected.get(reason, 0) + 1
        self.last = event.payload
        changed = shows = False
        for delta in event.deltas:
            if delta.once:
                text = self.growing.channel(delta.role, delta.place, delta.form).push(delta.text, end=True)
            else:
                channel = self.channels.get(delta.channel)
                if channel is None:
                    channel = self.begin(delta.channel, self.growing.channel(delta.role, delta.place, delta.form))
                text = channel.push(delta.text)
            if self.growing.blocked:
                return self.stop()
            if text != delta.text:
                delta.slot.write(text)
                changed = True
            shows = shows or bool(text)
        for slot in event.repeats if self.growing.plan.binding else ():
            slot.write(None)  # type: ignore[arg-type]  # null, where the API allows it
            self.not_inspected["logprobs"] = self.not_inspected.get("logprobs", 0) + 1
            changed = True
        before = self.end(event) if event.ending else b""
        if self.cut:
            return before
        if event.ending:
            changed = changed or any(delta.slot.holder[delta.slot.key] != delta.text for delta in event.deltas)
        elif event.deltas and not shows and not event.other:
            return before
        return before + (event_bytes(event.payload, block) if changed else block + b"\n\n")

    def begin(self, key: Hashable, channel: Channel) -> Channel:
        self.channels[key] = channel
        group = self.dialect.group(key)
        if group not in self.ended:
            self.open[group] = None
        return channel

    def end(self, event: Event) -> bytes:
        """Groups end with this event: what their channels still hold goes out before it."""
        tails: list[tuple[Hashable, str]] = []
        for group in event.ending:
            for key in [key for key in self.channels if self.dialect.group(key) == group]:
                tails.append((key, self.channels.pop(key).push("", end=True)))
            self.open.pop(group, None)
            self.ended.add(group)
        if self.growing.blocked:
            for group in event.ending:
                self.ended.discard(group)
                self.open[group] = None
            return self.stop()
        out = []
        own = [delta for delta in event.deltas if not delta.once and self.dialect.group(delta.channel) in event.ending]
        for delta in own:  # text in the very event that ends its group comes before what was held behind it
            text = delta.slot.holder[delta.slot.key]
            if text:
                tails = [(key, text + tail if key == delta.channel else tail) for key, tail in tails]
                delta.slot.write("")
                event.other = True
        for made in self.dialect.remainder(event.payload, [(key, text) for key, text in tails if text]):
            out.append(event_bytes(made))
        return b"".join(out)

    def stop(self) -> bytes:
        """A rule has blocked: every group that is open ends here, and so does the stream."""
        self.cut = True
        decision = self.growing.decision
        groups = list(self.open) or [0]
        events = self.dialect.cut(self.last, groups, Cut(decision.message, f"{decision.policy}/{decision.rule}"))
        return b"".join(map(event_bytes, events)) + DONE


def normal(buffer: bytes) -> bytes:
    """Line ends as the standard has them turned to one kind; one that may be cut in half waits."""
    if buffer.endswith(b"\r"):
        return buffer[:-1].replace(b"\r\n", b"\n").replace(b"\r", b"\n") + b"\r"
    return buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def event_bytes(payload: dict[str, Any], block: bytes = b"") -> bytes:
    """A payload as an event, with the other fields of the event that it comes from."""
    data = b"data: " + orjson.dumps(payload) + b"\n\n"
    if block[:5] == b"data:" or not block:
        return data
    others = [line for line in block.split(b"\n") if line[:5] != b"data:"]
    return b"\n".join([*others, data])
