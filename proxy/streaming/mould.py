"""The bytes around the one piece of text of an event: most events of a stream differ in that piece alone."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import orjson

from proxy.dialects import Event, Stream
from proxy.engine import Channel

PROBE = "\u0001probe"


@dataclass(frozen=True, slots=True)
class Mould:
    """A shape of events, which then need not be read and written as a whole."""

    head: bytes
    tail: bytes
    before: bytes  # the same, as Parapet writes them: from what was read, so that nothing that was not goes on
    after: bytes
    channel: Channel
    key: Hashable  # the channel as the dialect names it

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


def mould_of(stream: Stream, event: Event, block: bytes, channel: Channel | None) -> Mould | None:
    """The shape of an event with one piece of text, if it says nothing else. The stream itself must say so, of a probe."""
    [delta] = event.deltas
    if channel is None or says_more(event) or block.count(b"\n") > block.startswith(b"event:"):
        return None
    piece = orjson.dumps(delta.text)[1:-1]
    if block.count(b'"' + piece + b'"') != 1:
        return None
    head, _, tail = block.partition(b'"' + piece + b'"')
    lines, mark, source = head.rpartition(b"data:")
    if not mark or lines.strip(b"\n").count(b"\n"):
        return None
    probed = stream.read_event(orjson.loads(source + orjson.dumps(PROBE) + tail))
    written = stream.write(probed.payload)
    if lines and not written.startswith(b"event:"):
        return None
    before, _, after = written.partition(orjson.dumps(PROBE)[1:-1])
    same = [(found.channel, found.text, found.once, found.whole) for found in probed.deltas] == [
        (delta.channel, PROBE, False, False)
    ]
    if not same or says_more(probed) or probed.groups != event.groups:
        return None
    return Mould(head + b'"', b'"' + tail, before, after, channel, delta.channel)


def says_more(event: Event) -> bool:
    """Whether an event says something besides its pieces of text."""
    return bool(event.other or event.ending or event.repeats or event.not_inspected or event.final or event.failed)
