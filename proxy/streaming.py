"""A guarded stream: server-sent events in, the same events out with only what may be shown in them.

What goes out is written from what was read, never copied, so that nothing passes that nobody has read. An event whose text is
all held back is left out, unless it says something else as well. What was held back goes out with the next event of its
channel, or in one of its own before the end.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Generator, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from proxy.dialects import Dialect, Event
from proxy.engine import Channel, Growing
from proxy.errors import BackendBroken

MAX_EVENT = 16 * 2**20  # bytes of one event
BOM = b"\xef\xbb\xbf"
DONE = b"data: [DONE]\n\n"
FIELD = re.compile(
    rb"event: ?[\w.]{1,64}|retry: ?\d{1,9}", re.ASCII
)  # what passes beside the data; a comment passes without its text


@dataclass(frozen=True, slots=True)
class Mould:
    """The bytes around the one piece of text of an event. Most events of a stream differ in that piece alone: those need not be
    read and written as a whole."""

    head: bytes
    tail: bytes
    before: bytes  # the same, as Parapet writes them: from what was read, so that nothing that was not goes on
    after: bytes
    channel: Channel

    def text(self, block: bytes) -> str:
        """The piece of text of an event of this shape; nothing for any other event."""
        head, tail = self.head, self.tail
        if len(block) < len(head) + len(tail) or not block.startswith(head) or not block.endswith(tail):
            return ""
        try:
            text: str = orjson.loads(b'"' + block[len(head) : -len(tail)] + b'"')  # one JSON string and no more, or an error
        except orjson.JSONDecodeError:
            return ""
        return text

    def cast(self, text: str) -> bytes:
        """An event of this shape with another piece of text."""
        return self.before + orjson.dumps(text)[1:-1] + self.after


Work = Generator[None, None, bytes]  # it yields where it has to wait for a check, and gives what may be sent
PATIENCE = 8  # moulds that are made without being used: a stream whose events all differ is not for them
PROBE = "\u0001probe"


def mould_of(dialect: Dialect, event: Event, data: bytes, channel: Channel | None) -> Mould | None:
    """The shape of an event with one piece of text, if it says nothing else. The dialect itself must say so, of a probe."""
    [delta] = event.deltas
    if channel is None or event.other or event.ending or event.repeats or event.not_inspected or b"\n" in data:
        return None
    piece = orjson.dumps(delta.text)[1:-1]
    if data.count(b'"' + piece + b'"') != 1:
        return None
    head, _, tail = data.partition(b'"' + piece + b'"')
    probed = dialect.read_event(orjson.loads(head + orjson.dumps(PROBE) + tail))
    before, _, after = event_bytes(probed.payload).partition(orjson.dumps(PROBE)[1:-1])
    mould = Mould(b"data: " + head + b'"', b'"' + tail, before, after, channel)
    same = [(found.channel, found.text, found.once) for found in probed.deltas] == [(delta.channel, PROBE, False)]
    quiet = not (probed.other or probed.ending or probed.repeats or probed.not_inspected or probed.failed)
    return mould if same and quiet and probed.groups == event.groups else None


class GuardedStream:
    """The guard of one stream. Feed it what the backend sends, send on what it returns, stop when it is `over`.

    While it is `paused`, a check is still finding out about a text that has ended: it goes on when that has `waited`.
    """

    def __init__(self, dialect: Dialect, growing: Growing) -> None:
        self.dialect, self.growing = dialect, growing
        self.free = not (growing.plan.binding or growing.plan.advisory)  # no rule is about what comes: it goes on as it is
        self.buffer = b""
        self.channels: dict[Hashable, Channel] = {}
        self.open: dict[Hashable, None] = {}  # groups that have begun and not ended, in order
        self.ended: set[Hashable] = set()
        self.mould: Mould | None = None  # the shape of the last event that had one piece of text and nothing else
        self.patience = PATIENCE
        self.last: dict[str, Any] = {}  # the payload of the last event: events of our own are made in its manner
        self.done = False
        self.cut = False
        self.told = False  # the backend itself has said in the stream that it failed
        self.trouble: BackendBroken | None = None  # why the stream cannot go on
        self.paused: Work | None = None
        self.stalled: Sequence[bytes] = ()  # the blocks behind the one that waits
        self.not_inspected: dict[str, int] = {}
        self.seconds = 0.0  # spent in here

    @property
    def over(self) -> bool:
        """Whether nothing more will be sent."""
        return self.cut or self.done or self.trouble is not None

    def feed(self, data: bytes) -> bytes:
        """Take what came from the backend; what may be sent on. Sets `trouble` when it is not a stream of this dialect."""
        if self.free:
            return data
        begun = time.perf_counter()
        buffer = self.buffer + data
        if b"\r" in buffer:
            buffer = normal(buffer)
        blocks = buffer.split(b"\n\n")
        self.buffer = blocks.pop()
        out = self.go_on(blocks)
        if len(self.buffer) > MAX_EVENT and not self.over:
            self.trouble = BackendBroken("the backend's stream has an event that is too large")
        self.seconds += time.perf_counter() - begun
        return out

    async def waited(self) -> bytes:
        """Wait for the check, and go on; what may be sent on. Another check may have to be waited for then."""
        begun = time.perf_counter()
        await self.growing.wait(binding=True)
        self.seconds += time.perf_counter() - begun
        return self.resume()

    def resume(self) -> bytes:
        """Go on where it is paused; what may be sent on."""
        begun = time.perf_counter()
        work, self.paused = self.paused, None
        out = self.attempt(work) if work is not None else b""
        if self.paused is None:
            out += self.go_on(self.stalled)
        self.seconds += time.perf_counter() - begun
        return out

    def finish(self) -> bytes:
        """The backend sends no more: what is left to be sent. Sets `trouble` when its answer had not ended."""
        if self.free:
            return b""
        begun = time.perf_counter()
        out = self.attempt(self.ending())
        self.seconds += time.perf_counter() - begun
        return out

    def ending(self) -> Work:
        """The last event, if it was not closed, and what is held back."""
        rest, self.buffer = self.buffer.strip(b"\r\n"), b""
        out = self.take(rest) if rest else b""
        while self.paused is not None:
            work, self.paused = self.paused, None
            yield
            out += self.attempt(work)
        if not self.cut and not self.done:
            if (self.open or not self.ended) and self.trouble is None:
                self.trouble = BackendBroken("the backend's stream ended before its answer did")
            out += yield from self.flush()
        return out

    def go_on(self, blocks: Sequence[bytes]) -> bytes:
        """Event by event, until one has to wait."""
        self.stalled = ()
        out = []
        for place, block in enumerate(blocks, 1):
            if block:
                out.append(self.take(block))
                if self.paused is not None:
                    self.stalled = blocks[place:]
                    break
        return b"".join(out)

    def take(self, block: bytes) -> bytes:
        """One event, unless the stream has come to its end, good or bad."""
        if self.over:
            return b""
        try:
            return self.block(block)
        except BackendBroken as error:
            self.trouble = error
        except orjson.JSONEncodeError:
            self.trouble = BackendBroken("the backend's stream has an event that is nested too deeply")
        return b""

    def attempt(self, work: Work) -> bytes:
        """Do some work, well or badly."""
        try:
            return self.begin(work)
        except BackendBroken as error:
            self.trouble = error
        except orjson.JSONEncodeError:
            self.trouble = BackendBroken("the backend's stream has an event that is nested too deeply")
        return b""

    def begin(self, work: Work) -> bytes:
        """Do some work as far as it goes without waiting."""
        try:
            next(work)
        except StopIteration as ended:
            made: bytes = ended.value
            return made
        self.paused = work
        return b""

    def block(self, block: bytes) -> bytes:
        """One event: its lines without the empty one that ends it."""
        mould = self.mould
        if mould is not None and (text := mould.text(block)):
            self.patience = PATIENCE
            return self.piece(mould, text)
        data, beside = block[5:], b""
        if block[:5] != b"data:" or b"\n" in block:
            lines = block.removeprefix(BOM).split(b"\n")
            data = b"\n".join(line[5:] for line in lines if line[:5] == b"data:")
            passing = [b":" if line[:1] == b":" else line for line in lines if line[:1] == b":" or FIELD.fullmatch(line)]
            beside = b"".join(line + b"\n" for line in passing)
        data = data.strip()
        if not data:
            return beside + b"\n" if beside else b""
        if data == b"[DONE]":
            return self.begin(self.closing())
        try:
            payload = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise BackendBroken("the backend's stream has an event that is not JSON") from None
        return self.begin(self.event(self.dialect.read_event(payload), data, beside))

    def closing(self) -> Work:
        """The backend says that there is no more."""
        out = yield from self.flush()
        self.done = True
        return out + (b"" if self.cut else DONE)

    def event(self, event: Event, data: bytes, beside: bytes) -> Work:
        """One event, read; `data` is what it was read from."""
        for reason in event.not_inspected:
            self.skip(reason)
        if event.failed:
            return (yield from self.failed(event, beside))
        self.last = event.payload
        if not self.growing.plan.binding:
            event.repeats.clear()  # nothing is held back, so nothing is shown too early
        for group in event.groups:
            if group not in self.ended:
                self.open[group] = None
        if not (yield from self.push(event)):
            return self.stop()
        before = b""
        if event.ending:
            before = yield from self.end(event)
            if self.cut:
                return before
        for slot in event.repeats:
            slot.write(None)
            self.skip("logprobs")
        if self.patience and not beside and len(event.deltas) == 1 and not event.deltas[0].once:
            self.patience -= 1
            self.mould = mould_of(self.dialect, event, data, self.channels.get(event.deltas[0].channel))
        shown = [delta.slot.text for delta in event.deltas]
        if shown and not event.other and not any(shown):
            return before
        return before + beside + event_bytes(event.payload)

    def piece(self, mould: Mould, text: str) -> bytes:
        """An event that is like one before it but for its piece of text."""
        shown = mould.channel.push(text)
        if self.growing.blocked:
            return self.stop()
        return mould.cast(shown) if shown else b""

    def push(self, event: Event) -> Generator[None, None, bool]:
        """Let the channels read the event's pieces, and write what may be shown in their place; False when a rule blocks."""
        growing, channels = self.growing, self.channels
        for delta in event.deltas:
            if delta.once:
                once = growing.channel(delta.role, delta.place, delta.form)
                yield from self.settle([once], delta.text)
                text = once.rest()
            else:
                channel = channels.get(delta.channel)
                if channel is None:
                    if self.dialect.group(delta.channel) in self.ended:
                        raise BackendBroken("the backend's stream has text of a choice that had ended")
                    channel = channels[delta.channel] = growing.channel(delta.role, delta.place, delta.form)
                text = channel.push(delta.text)
            if growing.blocked:
                return False
            if text != delta.text:
                delta.slot.write(text)
        return True

    def settle(self, channels: Collection[Channel], last: str = "") -> Generator[None]:
        """Let these channels end, and wait for those checks that are still finding out what a rule may act upon."""
        for channel in channels:
            channel.close(last)
        while any(channel.waits for channel in channels):
            yield
            for channel in channels:
                channel.harvest()

    def end(self, event: Event) -> Work:
        """Groups end with this event: what their channels still hold goes out in its own pieces of them, or before it."""
        ending = {key: self.channels[key] for key in self.channels if self.dialect.group(key) in event.ending}
        self.mould = None
        for key in ending:
            del self.channels[key]
        yield from self.settle(ending.values())
        tails = {key: channel.rest() for key, channel in ending.items()}
        if self.growing.blocked:
            return self.stop()
        for group in event.ending:
            self.open.pop(group, None)
            self.ended.add(group)
        for delta in reversed(event.deltas):
            if tail := tails.pop(delta.channel, ""):
                delta.slot.write(delta.slot.text + tail)
        return self.remainder(tails)

    def flush(self) -> Work:
        """What is held back, of all channels that are open: no more will come."""
        ending, self.channels = self.channels, {}
        self.mould = None
        yield from self.settle(ending.values())
        tails = {key: channel.rest() for key, channel in ending.items()}
        return self.stop() if self.growing.blocked else self.remainder(tails)

    def remainder(self, tails: dict[Hashable, str]) -> bytes:
        """The ends of channels, in events of our own."""
        left = [(key, text) for key, text in tails.items() if text]
        return b"".join(map(event_bytes, self.dialect.remainder(self.last, left))) if left else b""

    def failed(self, event: Event, beside: bytes) -> Work:
        """The backend says that it failed: what was held back, then its error."""
        held = yield from self.flush()
        if self.cut:
            return held
        if not (yield from self.push(event)):
            return self.stop()
        self.trouble, self.told = BackendBroken("the backend's stream ended with an error"), True
        return held + beside + event_bytes(event.payload)

    def stop(self) -> bytes:
        """A rule has blocked: every group that is open ends here, and so does the stream."""
        self.cut = True
        events = self.dialect.cut(self.last, list(self.open) or [0], self.growing.decision.message)
        return b"".join(map(event_bytes, events)) + DONE

    def skip(self, reason: str) -> None:
        """A part that no check can read."""
        self.not_inspected[reason] = self.not_inspected.get(reason, 0) + 1


def normal(buffer: bytes) -> bytes:
    """Line ends as the standard has them turned to one kind; one that may be cut in half waits."""
    if buffer.endswith(b"\r"):
        return buffer[:-1].replace(b"\r\n", b"\n").replace(b"\r", b"\n") + b"\r"
    return buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def event_bytes(payload: dict[str, Any]) -> bytes:
    """A payload as an event."""
    return b"data: " + orjson.dumps(payload) + b"\n\n"
