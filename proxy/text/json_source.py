"""JSON source as checks read it: through its escapes, and back to valid JSON when spans are replaced."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from proxy.text.spans import Span

INSIDE = re.compile(r'(?P<s>[^"\\]+)|(?P<p>")|(?P<e>\\)')
OUTSIDE = re.compile(r'(?P<l>[^{}\[\]:, \t\r\n"]+)|(?P<p>"|[{}\[\]:, \t\r\n]+)')
ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(slots=True)
class Piece:
    """A run of raw JSON source and what is read of it. `kind`: s inside a string, l a literal outside, p punctuation."""

    start: int
    read: str
    raw: str
    kind: str

    @property
    def end(self) -> int:
        return self.start + len(self.read)


class JsonView:
    """JSON source read through its escapes. Source that is not JSON is read all the same, as far as it goes.

    A span inside a string is replaced there; a literal (a number, as a rule) that a span touches becomes a string as a whole.
    """

    __slots__ = ("due", "ended", "fresh", "inside", "length", "pending", "pieces", "weight")

    def __init__(self) -> None:
        self.ended = False
        self.fresh: list[str] = []  # what the present push adds to the text read
        self.pieces: list[Piece] = []
        self.length = 0  # of the text read so far
        self.inside = False  # within a string
        self.pending = ""  # an escape that is not complete
        self.weight = 0  # of the pieces, in characters of source
        self.due: list[Span] = []  # what was asked for in a literal that has not ended yet

    @property
    def held(self) -> int:
        return self.weight + len(self.pending)

    def push(self, raw: str, *, end: bool = False) -> str:
        """Take more source; an escape that is cut waits for its rest."""
        source, self.pending, self.ended = self.pending + raw, "", end
        place = 0
        while match := (INSIDE if self.inside else OUTSIDE).match(source, place):
            run, kind = match.group(), str(match.lastgroup)
            if kind == "e":
                taken = self.escape(source, place, end=end)
                if not taken:
                    self.pending = source[place:]
                    break
                place += taken
                continue
            if run == '"':
                self.inside = not self.inside
            self.add(run, run, kind)
            place = match.end()
        out, self.fresh = "".join(self.fresh), []
        return out

    def escape(self, source: str, place: int, *, end: bool) -> int:
        """Read one escape; how many characters it took, 0 when more must come."""
        raw = source[place : place + 2]
        if len(raw) < 2 or (raw == "\\u" and len(source) < place + 6):
            if not end:
                return 0
            raw = source[place:]
            self.add("\ufffd", raw, "s")
            return len(raw)
        if raw != "\\u":
            self.add(ESCAPES.get(raw[1], raw[1]), raw, "s")
            return 2
        unit = hexadecimal(source[place + 2 : place + 6])
        if 0xD800 <= unit < 0xDC00:
            tail = source[place + 6 : place + 12]
            if len(tail) < 6 and "\\u".startswith(tail[:2]) and not end:
                return 0
            low = hexadecimal(tail[2:]) if tail.startswith("\\u") and len(tail) == 6 else -1
            if 0xDC00 <= low < 0xE000:
                self.add(chr(0x10000 + ((unit - 0xD800) << 10) + low - 0xDC00), source[place : place + 12], "s")
                return 12
        lone = unit < 0 or 0xD800 <= unit < 0xE000
        self.add("\ufffd" if lone else chr(unit), source[place : place + 6], "s")
        return 6

    def add(self, read: str, raw: str, kind: str) -> None:
        last = self.pieces[-1] if self.pieces else None
        if last is not None and last.kind == kind and read == raw and last.read == last.raw:
            last.read += read
            last.raw += raw
        else:
            self.pieces.append(Piece(self.length, read, raw, kind))
        self.length += len(read)
        self.weight += len(raw)
        self.fresh.append(read)

    def release(self, place: int, spans: Sequence[Span]) -> str:
        """Source up to `place`; a literal is released only when it has ended, since a span may yet touch it."""
        place = self.before_literal(place)
        last = bisect_left(self.pieces, place, key=begin)
        if not last:
            self.due = [*self.due, *(span for span in spans if span not in self.due)]
            return ""
        going, self.pieces = self.pieces[:last], self.pieces[last:]
        tail = going[-1]
        if tail.end > place:  # only plain runs are longer than one character
            cut = place - tail.start
            self.pieces.insert(0, Piece(place, tail.read[cut:], tail.raw[cut:], tail.kind))
            going[-1] = Piece(tail.start, tail.read[:cut], tail.raw[:cut], tail.kind)
        asked = sorted({*self.due, *spans}, key=begin)
        self.due = [span for span in asked if span.end > place]
        out = written(going, asked)
        self.weight -= sum(len(piece.raw) for piece in going)
        return out

    def read(self, start: int, end: int) -> str:
        """What was read there; nothing if it goes over the end of a string, or is a part of a literal."""
        parts: list[str] = []
        for piece in self.pieces[max(0, bisect_left(self.pieces, start + 1, key=begin) - 1) :]:
            if piece.start >= end:
                break
            if piece.kind == "p" or (piece.kind == "l" and (piece.start < start or piece.end > end)):
                return ""
            parts.append(piece.read[max(0, start - piece.start) : end - piece.start])
        return "".join(parts)

    def before_literal(self, place: int) -> int:
        """`place`, or where the literal begins that it would cut or that may go on."""
        last = bisect_left(self.pieces, place, key=begin) - 1  # the piece that holds the character before
        if self.ended or last < 0 or self.pieces[last].kind != "l":
            return place
        piece = self.pieces[last]
        return piece.start if piece.end > place or piece.end == self.length else place


def begin(part: Piece | Span) -> int:
    """Where a part of the text begins."""
    return part.start


def written(pieces: Sequence[Piece], spans: Sequence[Span]) -> str:
    """The source of the pieces, with the spans replaced; both are in order."""
    parts: list[str] = []
    labelled: Span | None = None  # the span whose label already stands in the string at hand
    first = 0
    for piece in pieces:
        while first < len(spans) and spans[first].end <= piece.start:
            first += 1
        last = first
        while last < len(spans) and spans[last].start < piece.end:
            last += 1
        labelled = write(piece, spans[first:last], parts, labelled)
    return "".join(parts)


def hexadecimal(digits: str) -> int:
    """Four hexadecimal digits as a number; -1 for anything else."""
    try:
        return int(digits, 16) if len(digits) == 4 and digits.isalnum() else -1
    except ValueError:
        return -1


def write(piece: Piece, touching: Sequence[Span], parts: list[str], labelled: Span | None) -> Span | None:
    """Write one piece with the spans that touch it replaced; returns the span whose label the string at hand now shows."""
    if piece.kind == "p" or not touching:
        parts.append(piece.raw)
        return None
    if piece.kind == "l":
        parts.append(json.dumps(touching[0].label))
        return None
    done = piece.start
    for span in touching:
        if span.start > done:
            parts.append(piece.raw[done - piece.start : span.start - piece.start])
        if span is not labelled:
            parts.append(json.dumps(span.label, ensure_ascii=False)[1:-1])
        labelled, done = span, span.end
    if done < piece.end:
        parts.append(piece.raw[done - piece.start :])
        return None
    return labelled
