"""A text changed in places, and the way back from a span of the changed text to the span of the original."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple


class Edit(NamedTuple):
    """The part of a text from `start` to `end` (exclusive) becomes `new`. A tuple, since a hostile text has a million of them."""

    start: int
    end: int
    new: str


class Alignment:
    """Where each part of a changed text came from: between edits character by character, within an edit as a whole."""

    __slots__ = ("ends", "length", "new_ends", "new_starts", "starts")

    def __init__(self, length: int) -> None:
        self.length = length  # of the original
        self.starts = array("q")
        self.ends = array("q")
        self.new_starts = array("q")
        self.new_ends = array("q")

    def add(self, edit: Edit, new_start: int) -> int:
        """One more edit, after the ones before; gives where it ends in the changed text."""
        self.starts.append(edit.start)
        self.ends.append(edit.end)
        self.new_starts.append(new_start)
        new_end = new_start + len(edit.new)
        self.new_ends.append(new_end)
        return new_end

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The smallest span of the original that covers where the span came from; an empty span gives an empty one."""
        first = self.before(start)
        if end <= start:
            return first, first
        last = bisect_right(self.new_starts, end - 1) - 1
        if last < 0:
            return first, end
        over = end - self.new_ends[last]
        return first, self.ends[last] + max(over, 0)

    def before(self, place: int) -> int:
        """Where the character at `place` came from begins."""
        at = bisect_right(self.new_starts, place) - 1
        if at < 0:
            return min(place, self.length)
        over = place - self.new_ends[at]
        return min(self.ends[at] + over, self.length) if over >= 0 else self.starts[at]


def edited(text: str, edits: Iterable[Edit]) -> tuple[str, Alignment | None]:
    """The text with the edits made, which are in order and apart, and the way back; None where there is no edit."""
    alignment, parts, done, length = Alignment(len(text)), [], 0, 0
    for edit in edits:
        kept = text[done : edit.start]
        parts.append(kept)
        parts.append(edit.new)
        length = alignment.add(edit, length + len(kept))
        done = edit.end
    if not parts:
        return text, None
    parts.append(text[done:])
    return "".join(parts), alignment
