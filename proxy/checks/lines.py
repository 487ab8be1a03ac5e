"""A growing text line by line, as it reads, for checks that judge one line at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from proxy.text.alignment import Alignment
from proxy.text.folding import folded

LONGEST = 1000  # characters after which a line ends, so that no more of a stream has to wait
APART = 4  # characters, line ends and spaces, between two lines that are read together
LOOKED = 200  # characters at the end of a line by which it is judged whether it goes on
SIGNS = re.compile(r"[\s#*/;%>!|-]*")
END = re.compile(r"[\n\r\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its end: where it stands in the text, and how it reads, without what nobody sees."""

    start: int
    stop: int
    text: str
    ways: tuple[Alignment, ...] = ()

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Where a part of how it reads stands in the text."""
        for way in reversed(self.ways):
            start, end = way.span(start, end)
        return self.start + start, self.start + end


class Lines:
    """The lines of a growing text, each when it has ended."""

    __slots__ = ("rest", "start")

    def __init__(self) -> None:
        self.rest, self.start = "", 0

    def push(self, text: str, *, end: bool = False) -> Iterator[Line]:
        """Take more of the text; the lines that have ended."""
        rest, place = self.rest + text, 0
        while place < len(rest):
            match = END.search(rest, place, place + LONGEST)
            if match:
                stop, after = match.span()
            elif len(rest) - place >= LONGEST or end:
                stop = after = min(len(rest), place + LONGEST)
            else:
                break
            read, ways = folded(rest[place:stop], stop - place)
            yield Line(self.start + place, self.start + stop, read, ways)
            place = after
        self.rest, self.start = rest[place:], self.start + place


@dataclass(frozen=True, slots=True)
class Pair:
    """Two lines as one, with a space between: `second` from `skipped` on stands at `at`."""

    first: Line
    second: Line
    text: str
    at: int
    skipped: int

    @classmethod
    def of(cls, first: Line, second: Line) -> Pair:
        """Both, without the signs of a comment before the first word of the second."""
        signs = SIGNS.match(second.text)
        skipped = signs.end() if signs else 0
        return cls(first, second, f"{first.text} {second.text[skipped:]}", len(first.text) + 1, skipped)

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Where a part of how they read stands in the text."""
        shift = self.at - self.skipped
        begin = self.first.place(start, end)[0] if start < self.at else self.second.place(start - shift, end - shift)[0]
        stop = self.first.place(start, end)[1] if end < self.at else self.second.place(end - 1 - shift, end - shift)[1]
        return begin, stop


class Joined:
    """Lines, each with the next one put behind it where what it says is not complete: `going_on` matches its end."""

    __slots__ = ("going_on", "held", "lines")

    def __init__(self, going_on: re.Pattern[str]) -> None:
        self.lines, self.going_on = Lines(), going_on
        self.held: Line | None = None

    @property
    def start(self) -> int:
        """Where the line begins that comes next."""
        return self.lines.start if self.held is None else self.held.start

    def push(self, text: str, *, end: bool = False) -> Iterator[Line | Pair]:
        """Take more of the text; the lines that are complete."""
        for line in self.lines.push(text, end=end):
            before, blank = self.held, not line.text.strip()
            near = before is not None and line.start - before.stop <= APART
            if near and blank:
                continue
            self.held = None
            if before is not None:
                yield Pair.of(before, line) if near else before
            if not near and self.going_on.search(line.text[-LOOKED:]):
                self.held = line
            elif not near:
                yield line
        if end and self.held is not None:
            line, self.held = self.held, None
            yield line
