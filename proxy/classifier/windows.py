"""A text cut into windows of so many word pieces, from its beginning on, so that they are the same however the text comes.

A word is a run without spaces, cut after LONGEST characters. A window takes words while they fit; the next begins with the last
words of the one before, as many as fit into the overlap.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

LONGEST = 100  # characters of a word: of longer ones WordPiece makes a single unknown piece, and nobody would have read them
WORD = re.compile(rf"\S{{1,{LONGEST}}}")
KNOWN = 65536  # words whose pieces are remembered
SPAN = 4096  # characters of a window at most, unless its pieces allow more: of some words a hundred characters are one piece
EACH = 32  # characters of a window for each of its pieces; running text has fewer than 20 in any script
SHORT = 24  # characters of a word worth remembering


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a text; offsets are in characters of the whole."""

    start: int
    end: int
    text: str


@dataclass(slots=True)  # not frozen: there is one for each word of a text, and freezing doubles its cost
class Word:
    """A word of the window at hand, and how many pieces it has."""

    start: int
    end: int
    pieces: int


class Counter:
    """How many pieces words have. Most words of a text are frequent ones, so looking them up beats cutting them up again."""

    def __init__(self, count: Callable[[Sequence[str]], Sequence[int]]) -> None:
        self.count = count
        self.known: dict[str, int] = {}

    def __call__(self, words: Sequence[str]) -> list[int]:
        """The pieces of each word."""
        known = self.known
        found = [known.get(word, -1) for word in words]
        if -1 in found:
            new = [i for i, pieces in enumerate(found) if pieces < 0]
            for i, pieces in zip(new, self.count([words[i] for i in new]), strict=True):
                found[i] = pieces
                if len(words[i]) <= SHORT:
                    known[words[i]] = pieces
            if len(known) > KNOWN:
                self.known = {}
        return found


class Cutter:
    """The windows of one growing text."""

    __slots__ = ("base", "buffer", "count", "fresh", "overlap", "room", "scanned", "span", "taken", "words")

    def __init__(self, count: Counter, room: int, overlap: int) -> None:
        """`room`: the pieces of a window; `overlap`: those that neighbours share."""
        self.count, self.room, self.overlap = count, room, overlap
        self.span = max(SPAN, EACH * room)
        self.buffer, self.base = "", 0  # the text from where the window at hand begins; that place in the whole
        self.scanned = 0  # of the buffer
        self.words: list[Word] = []  # of the window at hand
        self.taken = 0  # the pieces that they have
        self.fresh = False  # it has words that no window before it had

    @property
    def start(self) -> int:
        """No window that is still to come begins before this offset."""
        return self.words[0].start if self.words else self.base + self.scanned

    def push(self, text: str, *, end: bool = False) -> Iterator[Window]:
        """Take more of the text; the windows that are full, and at the end the last one."""
        self.buffer += text
        yield from self.full(self.read(end=end))
        if end and self.fresh:
            yield self.closed()
            self.words, self.taken, self.fresh = [], 0, False

    def read(self, *, end: bool) -> list[Word]:
        """The words that are complete."""
        spans = []
        for match in WORD.finditer(self.buffer, self.scanned):
            first, last = match.span()
            if last == len(self.buffer) and last - first < LONGEST and not end:
                self.scanned = first
                break
            spans.append((first, last))
            self.scanned = last
        else:
            self.scanned = len(self.buffer)
        pieces = self.count([self.buffer[first:last] for first, last in spans])
        return [Word(self.base + first, self.base + last, n) for (first, last), n in zip(spans, pieces, strict=True)]

    def full(self, words: Sequence[Word]) -> Iterator[Window]:
        """Take words; the windows that they fill."""
        for whole in words:
            for word in self.fitting(whole) if whole.pieces > self.room else (whole,):
                far = bool(self.words) and word.end - self.words[0].start > self.span
                if (far or self.taken + word.pieces > self.room) and self.fresh:
                    yield self.closed()
                    self.carry(self.room - word.pieces, word.end - self.span)
                self.words.append(word)
                self.fresh = True
                self.taken += word.pieces

    def fitting(self, word: Word) -> Iterator[Word]:
        """The parts of a word that has more pieces than a window."""
        if word.pieces <= self.room or word.end - word.start == 1:
            yield Word(word.start, word.end, min(word.pieces, self.room))
            return
        middle = (word.start + word.end) // 2
        for start, end in ((word.start, middle), (middle, word.end)):
            [pieces] = self.count([self.buffer[start - self.base : end - self.base]])
            yield from self.fitting(Word(start, end, pieces))

    def closed(self) -> Window:
        """The window at hand."""
        start, end = self.words[0].start, self.words[-1].end
        return Window(start, end, self.buffer[start - self.base : end - self.base])

    def carry(self, room: int, least: int) -> None:
        """Begin a window with the last words of the one before, none before the offset `least`."""
        first, taken = len(self.words), 0
        while first > 1 and taken + self.words[first - 1].pieces <= min(self.overlap, room):
            if self.words[first - 1].start < least:
                break
            first -= 1
            taken += self.words[first].pieces
        kept = self.words[first:]
        cut = (kept[0].start if kept else self.words[-1].end) - self.base
        self.buffer, self.base, self.scanned = self.buffer[cut:], self.base + cut, self.scanned - cut
        self.words, self.taken, self.fresh = kept, taken, False
