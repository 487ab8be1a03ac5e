"""A guarded stream: server-sent events in, the same events out with only what may be shown in them.

What goes out is written from what was read, never copied, so that nothing passes that nobody has read. An event whose text is
all held back is left out, unless it says something else as well. What was held back goes out with the next event of its
channel, or in one of its own before the end.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Generator, Hashable, Sequence
from typing import Any

import orjson

from proxy.core import Form, Role
from proxy.dialects import Delta, Dialect, Event
from proxy.engine import Channel, Growing
from proxy.errors import BackendBroken
from proxy.metrics import Tally, Usage, usage_of
from proxy.streaming.mould import Mould, mould_of

MAX_EVENT = 16 * 2**20  # bytes of one event
PLAIN = 256  # texts that are known to say nothing, some servers having the same ones in each event, of
SHORT = 64  # characters at most
BOM = b"\xef\xbb\xbf"
FIELD = re.compile(rb"retry: ?\d{1,9}", re.ASCII)  # what passes beside the data; a comment passes without its text
EVENT = re.compile(rb"event: ?[\w.]{1,64}", re.ASCII)  # passes where the stream does not name its events itself


Work = Generator[None, None, bytes]  # it yields where it has to wait for a check, and gives what may be sent
PATIENCE = 8  # moulds that are made without being used: a stream whose events all differ is not for them


class GuardedStream:
    """The guard of one stream. Feed it what the backend sends, send on what it returns, stop when it is `over`.

    While it is `paused`, a check is still finding out about a text that has ended: it goes on when that has `waited`.
    """

    def __init__(self, dialect: Dialect, growing: Growing, tally: Tally | None = None) -> None:
        """`tally`: where the times that guarding adds to its pieces are counted."""
        self.tally = Tally(()) if tally is None else tally
        self.usage: Usage | None = None  # what the backend has said of its tokens
        self.stream, self.growing = dialect.stream(), growing
        self.free = growing.free and not self.stream.keeps  # no rule is about what comes, and nothing is put back in it
        self.buffer = b""
        self.channels: dict[Hashable, Channel] = {}
        self.said: dict[Hashable, list[str]] = {}  # what was shown of each, where later events repeat it
        self.judged: dict[tuple[Hashable, str], str] = {}  # the same of texts that came as a whole
        self.kept = 0  # characters of these
        self.plain: set[tuple[Role, Form, str]] = set()  # texts that stood by themselves and in which nothing was found
        if self.stream.keeps:
            self.stream.said = self.said
        self.open: dict[Hashable, None] = {}  # groups that have begun and not ended, in order
        self.ended: set[Hashable] = set()
        self.mould: Mould | None = None  # the shape of the last event that had one piece of text and nothing else
        self.patience = PATIENCE if self.stream.alike else 0
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
        data, beside, name = block[5:], b"", b""
        if block[:5] != b"data:" or b"\n" in block:
            lines = block.removeprefix(BOM).split(b"\n")
            data = b"\n".join(line[5:] for line in lines if line[:5] == b"data:")
            passing = [b":" if line[:1] == b":" else line for line in lines if line[:1] == b":" or FIELD.fullmatch(line)]
            beside = b"".join(line + b"\n" for line in passing)
            name = b"".join(line + b"\n" for line in lines if EVENT.fullmatch(line))
        data = data.strip()
        if not data:
            return beside + b"\n" if beside else b""
        if data == b"[DONE]":
            return self.begin(self.closing())
        try:
            payload = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise BackendBroken("the backend's stream has an event that is not JSON") from None
        return self.begin(self.event(self.stream.read_event(payload), block, beside, name))

    def closing(self) -> Work:
        """The backend says that there is no more."""
        out = yield from self.flush()
        self.done = True
        return out + (b"" if self.cut else self.stream.end)

    def event(self, event: Event, block: bytes, beside: bytes, name: bytes) -> Work:
        """One event, read; `block` is what it was read from, `beside` and `name` the lines of it that may pass."""
        self.notice(event)
        if event.failed:
            return (yield from self.failed(event, beside, name))
        self.heed(event.payload)
        if not (yield from self.push(event)):
            return self.stop()
        before = b""
        if event.ending or event.final:
            before = (yield from self.end(event)) + ((yield from self.flush()) if event.final and not self.cut else b"")
            if self.cut:
                return before
        self.repeat(event)
        if event.final:
            self.done = True
            self.open.clear()
        if self.patience and not beside and len(event.deltas) == 1 and not event.deltas[0].once:
            self.patience -= 1
            self.mould = mould_of(self.stream, event, block, self.channels.get(event.deltas[0].channel))
        shown = [delta.slot.text for delta in event.deltas]
        if shown and not event.other and not any(shown):
            return before
        return before + self.written(event.payload, beside, name)

    def notice(self, event: Event) -> None:
        """Note which groups have begun, and what of the event no check can read."""
        for reason in event.not_inspected:
            self.skip(reason)
        if not event.failed:
            self.open |= {group: None for group in event.groups if group not in self.ended}

    def written(self, payload: dict[str, Any], beside: bytes = b"", name: bytes = b"") -> bytes:
        """An event that goes out, under the name that it had unless the stream gives it one."""
        out = self.stream.write(payload)
        return beside + out if out.startswith(b"event:") else beside + name + out

    def heed(self, payload: dict[str, Any]) -> None:
        """Keep what is needed of an event when those after it have come."""
        self.last = payload
        if (usage := usage_of(payload)) is not None:
            self.usage = usage.after(self.usage)

    def piece(self, mould: Mould, text: str) -> bytes:
        """An event that is like one before it but for its piece of text."""
        shown = mould.channel.push(text)
        if self.growing.blocked:
            return self.stop()
        if shown and self.stream.keeps:
            self.keep(mould.key, shown)
        return mould.cast(shown) if shown else b""

    def push(self, event: Event) -> Generator[None, None, bool]:
        """Let the channels read the event's pieces, and write what may be shown in their place; False when a rule blocks."""
        growing = self.growing
        for delta in event.deltas:
            if delta.whole and (delta.channel in self.channels or delta.channel in self.said):
                continue  # what is shown of it is known when what ends here has ended
            if delta.once or delta.whole:
                text = yield from self.once(delta)
            else:
                text = self.channel(delta).push(delta.text)
                if self.stream.keeps:
                    self.keep(delta.channel, text)
            if growing.blocked:
                return False
            if text != delta.text:
                delta.slot.write(text)
        return True

    def once(self, delta: Delta) -> Generator[None, None, str]:
        """What may be shown of a text that is all there; one that is repeated is judged the first time."""
        key, plain, growing = (delta.channel, delta.text), (delta.role, delta.form, delta.text), self.growing
        if delta.whole and key in self.judged:
            return self.judged[key]
        if not delta.whole and plain in self.plain:
            return delta.text
        known, watches = growing.known, len(growing.watches)
        channel = growing.channel(delta.role, delta.place, delta.form)
        yield from self.settle([channel], delta.text)
        text = channel.rest()
        growing.let_go(watches)
        if text == delta.text and growing.known == known and len(text) <= SHORT and len(self.plain) < PLAIN:
            self.plain.add(plain)
        if delta.whole and self.stream.keeps:
            self.judged[key] = text
            self.count(delta.text)
        return text

    def channel(self, delta: Delta) -> Channel:
        """The channel of a piece. Raises BackendBroken when its group has ended."""
        channel = self.channels.get(delta.channel)
        if channel is None:
            if self.stream.group(delta.channel) in self.ended:
                raise BackendBroken("the backend's stream has text of a choice that had ended")
            channel = self.channels[delta.channel] = self.growing.channel(delta.role, delta.place, delta.form)
        return channel

    def keep(self, key: Hashable, text: str) -> None:
        """Keep what was shown of a channel, for the events that repeat it. Raises BackendBroken when that is too much."""
        self.said.setdefault(key, []).append(text)
        self.count(text)

    def count(self, text: str) -> None:
        """Count what is kept. Raises BackendBroken when it is too much."""
        self.kept += len(text)
        if self.kept > MAX_EVENT:
            raise BackendBroken("the backend's stream is larger than an event that repeats it may be")

    def repeat(self, event: Event) -> None:
        """Write what was shown of a channel where the event repeats it; what repeats it in another form goes."""
        if self.growing.changes:  # else nothing is held back, so nothing is shown too early
            for slot in event.repeats:
                slot.write(None)
                self.skip(slot.reason)
        for delta in event.deltas:
            if delta.whole and delta.channel in self.said:
                delta.slot.write("".join(self.said[delta.channel]))

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
        ending = {key: self.channels[key] for key in self.channels if self.stream.group(key) in event.ending}
        self.mould = None
        for key in ending:
            del self.channels[key]
        yield from self.settle(ending.values())
        tails = self.rests(ending)
        if self.growing.blocked:
            return self.stop()
        for group in event.ending:
            self.open.pop(group, None)
            self.ended.add(group)
        for delta in reversed(event.deltas):
            if not delta.whole and (tail := tails.pop(delta.channel, "")):
                delta.slot.write(delta.slot.text + tail)
        return self.remainder(tails)

    def flush(self) -> Work:
        """What is held back, of all channels that are open: no more will come."""
        ending, self.channels = self.channels, {}
        self.mould = None
        yield from self.settle(ending.values())
        tails = self.rests(ending)
        if self.growing.blocked:
            return self.stop()
        return self.remainder(tails)

    def rests(self, ending: dict[Hashable, Channel]) -> dict[Hashable, str]:
        """What may be shown of channels that have ended."""
        tails = {key: channel.rest() for key, channel in ending.items()}
        if self.stream.keeps:
            for key, text in tails.items():
                self.keep(key, text)
        return tails

    def remainder(self, tails: dict[Hashable, str]) -> bytes:
        """The ends of channels, in events of our own."""
        left = [(key, text) for key, text in tails.items() if text]
        return b"".join(map(self.stream.write, self.stream.remainder(self.last, left))) if left else b""

    def failed(self, event: Event, beside: bytes, name: bytes) -> Work:
        """The backend says that it failed: what was held back, then its error."""
        held = yield from self.flush()
        if self.cut:
            return held
        if not (yield from self.push(event)):
            return self.stop()
        self.trouble, self.told = BackendBroken("the backend's stream ended with an error"), True
        return held + self.written(event.payload, beside, name)

    def stop(self) -> bytes:
        """A rule has blocked: every group that is open ends here, and so does the stream."""
        self.cut = True
        events = self.stream.cut(self.last, list(self.open), self.growing.decision.message)
        return b"".join(map(self.stream.write, events)) + self.stream.end

    def skip(self, reason: str) -> None:
        """A part that no check can read."""
        self.not_inspected[reason] = self.not_inspected.get(reason, 0) + 1


def normal(buffer: bytes) -> bytes:
    """Line ends as the standard has them turned to one kind; one that may be cut in half waits."""
    if buffer.endswith(b"\r"):
        return buffer[:-1].replace(b"\r\n", b"\n").replace(b"\r", b"\n") + b"\r"
    return buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
