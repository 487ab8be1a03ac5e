"""Text as checks read it and as callers get it back: spans, redaction, and views of text that comes in pieces.

A *view* takes the raw text of a segment, piece by piece, and gives the text that checks should read: for plain text the
same, for JSON source the text behind its escapes. Findings are spans of what was read; `release` writes the raw text up to a
place, with the spans replaced, so that JSON stays JSON.

How overlapping spans resolve: spans that share a character are joined to one; its label is that of the span with the highest
score, then the longest, then the first, then the first label in the alphabet. Spans that only touch stay two.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from proxy.core import Form


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text to be replaced by `label`; `end` exclusive."""

    start: int
    end: int
    label: str
    score: float = 1.0


def joined(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, those that overlap joined to one under the label of the strongest."""
    groups: list[list[Span]] = []
    end = -1
    for span in sorted(spans, key=lambda s: (s.start, s.end)):
        if groups and span.start < end:
            groups[-1].append(span)
        else:
            groups.append([span])
            end = -1
        end = max(end, span.end)
    return [join(group) for group in groups]


def join(group: Sequence[Span]) -> Span:
    """One span over a group of overlapping ones."""
    best = min(group, key=lambda s: (-s.score, s.start - s.end, s.start, s.label))
    return Span(group[0].start, max(span.end for span in group), best.label, best.score)


def unspanned(spans: Iterable[Span], place: int) -> int:
    """The last offset up to `place` that no span, nor a chain of overlapping ones, goes across."""
    spans = list(spans)
    moved = True
    while moved:
        moved = False
        for span in spans:
            if span.start < place < span.end:
                place, moved = span.start, True
    return place


class View(Protocol):
    """A raw text that comes in pieces, as checks read it."""

    def push(self, raw: str, *, end: bool = False) -> str:
        """Take more raw text; give the text to be read that it adds."""
        ...

    def release(self, place: int, spans: Sequence[Span]) -> str:
        """The raw text not yet released, up to the offset `place` of the text read, with `spans` (joined) replaced."""
        ...

    @property
    def held(self) -> int:
        """How many characters have come and not been released."""
        ...


def view(form: Form) -> View:
    """A view for one segment of this form."""
    return JsonView() if form == "json" else PlainView()


def redacted(text: str, spans: Iterable[Span], form: Form = "text") -> str:
    """The whole of `text` with the spans, given in the text read, replaced."""
    seen = view(form)
    read = seen.push(text, end=True)
    return seen.release(len(read), joined(spans))


def readable(text: str, form: Form) -> str:
    """The whole of `text` as checks read it."""
    return text if form == "text" else view(form).push(text, end=True)


class PlainView:
    """Text that is read as it stands."""

    __slots__ = ("start", "text")

    def __init__(self) -> None:
        self.text = ""
        self.start = 0

    @property
    def held(self) -> int:
        return len(self.text)

    def push(self, raw: str, *, end: bool = False) -> str:  # noqa: ARG002 - nothing is pending in plain text
        self.text += raw
        return raw

    def release(self, place: int, spans: Sequence[Span]) -> str:
        if not spans:
            cut = place - self.start
            out, self.text = self.text[:cut], self.text[cut:]
            self.start = place
            return out
        parts, done = [], self.start
        for span in spans:
            if span.end > done and span.start < place:
                parts.append(self.text[done - self.start : max(span.start, done) - self.start])
                parts.append(span.label)
                done = span.end
        parts.append(self.text[done - self.start : place - self.start])
        self.text, self.start = self.text[place - self.start :], place
        return "".join(parts)


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
