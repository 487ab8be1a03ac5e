"""A growing text line by line, for checks that judge one line at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 1000  # characters after which a line ends, so that no more of a stream has to wait
END = re.compile(r"[\n\r\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Line:
    """A line, without its end, and where it begins in the text."""

    start: int
    text: str


class Lines:
    """The lines of a growing text, each when it has ended."""

    __slots__ = ("rest", "start")

    def __init__(self) -> None:
        self.rest, self.start = "", 0

    def push(self, text: str, *, end: bool = False) -> Iterator[Line]:
        """Take more of the text; the lines that have ended."""
        self.rest += text
        while self.rest:
            match = END.search(self.rest, 0, LONGEST)
            if match:
                size, taken = match.start(), match.end()
            elif len(self.rest) >= LONGEST or end:
                size = taken = min(len(self.rest), LONGEST)
            else:
                return
            line = Line(self.start, self.rest[:size])
            self.rest, self.start = self.rest[taken:], self.start + taken
            yield line
