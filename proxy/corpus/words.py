"""Texts as words with a fingerprint each: at once for a text that is all there, a character at a time for one that grows.

A fingerprint has 16 bits and is never 0. A single hyphen within a word, at the end of a line too, joins what stands around it.
Both readers give the same words for any text, however it is cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from proxy.corpus.folding import (
    BASE,
    HYPHEN,
    IGNORED,
    LETTER,
    MASK,
    NEWLINE,
    SEPARATOR,
    SINGLE,
    SIZE,
    SPACE,
    UNSEEN,
    UNSEEN_PLANE,
    Folding,
)

BLOCK = 1 << 16  # characters that are read at once
LONG = 256  # characters after which a word ends, whatever comes: work and memory stay bounded
WRAP = 16  # the most white space between a hyphen and the rest of its word on the next line
INVERSE = pow(BASE, -1, 1 << 64)
LAST = 0xD6E8FEB86659FD93  # what spreads a polynomial over the bits of its fingerprint


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """Words in order: fingerprints, where each begins and ends in the characters of its text, whether no space is before it."""

    prints: NDArray[np.uint16]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    glued: NDArray[np.bool_]
    tied: bool = False  # no space has come since the last word began: one that follows is glued to it


def read(text: str, folding: Folding) -> Iterator[Words]:
    """The words of a text, block by block; offsets count from its beginning."""
    start, tied = 0, False
    while start < len(text):
        stop = start + BLOCK
        block = block_words(text[start:stop], folding, tied=tied)
        kept, tied = len(block.prints), block.tied
        if (
            stop < len(text) and kept and (kept > 1 or block.starts[0] > 0)
        ):  # the last word may go on: the next block begins with it
            kept -= 1
            stop, tied = start + int(block.starts[kept]), bool(block.glued[kept])
        yield Words(block.prints[:kept], block.starts[:kept] + start, block.ends[:kept] + start, block.glued[:kept], tied)
        start = stop


def block_words(text: str, folding: Folding, *, tied: bool = False) -> Words:
    """The words of one block. `tied`: the first one is glued to one before, if no space comes."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    if codes.max(initial=0) > SIZE:
        codes = np.where(codes >> 12 == UNSEEN_PLANE, np.uint32(UNSEEN), np.minimum(codes, np.uint32(SIZE)))
    kinds = folding.kinds[codes]
    parts = (kinds == SEPARATOR) | (kinds >= HYPHEN)
    join(kinds, parts)
    places = np.flatnonzero((kinds == LETTER) | (kinds == SINGLE))
    if not places.size:
        none = np.zeros(0, np.int64)
        return Words(np.zeros(0, np.uint16), none, none, np.zeros(0, bool), tied and not (kinds >= SPACE).any())
    apart = np.cumsum(parts, dtype=np.int32)[places]
    single = kinds[places] == SINGLE
    first = np.ones(places.size, bool)
    first[1:] = (apart[1:] != apart[:-1]) | single[1:] | single[:-1]
    begins = split(np.flatnonzero(first), places)
    finishes = np.append(begins[1:], places.size)
    kept, heads = codes[places], places[begins]
    spaced = np.cumsum(kinds >= SPACE, dtype=np.int32)
    spaces = spaced[heads]
    glued = np.zeros(begins.size, bool)
    glued[0] = tied and spaces[0] == 0 and kinds[heads[0]] == LETTER
    glued[1:] = (spaces[1:] == spaces[:-1]) & (kinds[heads[1:]] == LETTER) & (kinds[heads[:-1]] == LETTER)
    steps = np.cumsum(folding.lengths[kept], dtype=np.int64)
    steps -= folding.lengths[kept]
    powers, inverses = powers_of(int(steps[-1]) + 1)
    sums = np.cumsum(folding.values[kept] * powers[steps], dtype=np.uint64)
    before = np.where(begins > 0, sums[begins - 1], np.uint64(0))
    totals = (sums[finishes - 1] - before) * inverses[steps[begins]]
    after = bool(spaced[-1] == spaces[-1] and kinds[heads[-1]] == LETTER)
    return Words(fingerprints(totals), heads, places[finishes - 1] + 1, glued, after)


def split(begins: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The beginnings of words, and of the parts of those that are longer than words are."""
    finishes = np.append(begins[1:], places.size)
    parts = []
    for number in np.flatnonzero(places[finishes - 1] - places[begins] >= LONG):
        begin, finish = int(begins[number]), int(finishes[number])
        while (begin := int(np.searchsorted(places, places[begin] + LONG))) < finish:
            parts.append(begin)
    return np.sort(np.append(begins, parts)) if parts else begins


def join(kinds: NDArray[np.uint8], parts: NDArray[np.bool_]) -> None:
    """Take back the parting by hyphens that stand within a word, and by the line break after them."""
    hyphens = np.flatnonzero(kinds == HYPHEN)
    if not hyphens.size:
        return
    hyphens = hyphens[(hyphens > 0) & (hyphens < kinds.size - 1)]
    hyphens = hyphens[kinds[hyphens - 1] == LETTER]
    parts[hyphens[(kinds[hyphens + 1] == LETTER)]] = False
    waiting = hyphens[kinds[hyphens + 1] >= SPACE]
    broken = np.zeros(waiting.size, bool)
    for distance in range(1, WRAP + 2):
        places = waiting + distance
        inside = places < kinds.size
        waiting, broken, places = waiting[inside], broken[inside], places[inside]
        seen = kinds[places]
        for hyphen, place in zip(waiting[broken & (seen == LETTER)], places[broken & (seen == LETTER)], strict=True):
            parts[hyphen:place] = False
        going = seen >= SPACE
        waiting, broken = waiting[going], broken[going] | (seen[going] == NEWLINE)
        if not waiting.size:
            return


@cache
def _powers(size: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    made = []
    for base in (BASE, INVERSE):
        column = np.full(size, base, np.uint64)
        column[0] = 1
        made.append(np.cumprod(column, dtype=np.uint64))
    return made[0], made[1]


def powers_of(size: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """At least `size` powers of the base and of its inverse; the table for a usual block is kept."""
    if size <= BLOCK:
        return _powers(BLOCK)
    return _powers.__wrapped__(size)


def fingerprints(totals: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """16 bits of each polynomial, never 0."""
    mixed = totals ^ (totals >> np.uint64(32))
    mixed = mixed * np.uint64(LAST)
    made = (mixed >> np.uint64(48)).astype(np.uint16)
    made[made == 0] = 1
    return made


def fingerprint(total: int) -> int:
    """The same for one polynomial."""
    return (((total ^ (total >> 32)) * LAST) & MASK) >> 48 or 1


def prints_of(text: str, folding: Folding) -> list[int]:
    """The fingerprints alone, of a short text such as a title."""
    return [int(each) for block in read(text, folding) for each in block.prints]


@dataclass(slots=True)
class Reader:
    """The words of a growing text, each as soon as it is certain that it has ended."""

    folding: Folding
    length: int = 0  # of the text read so far
    start: int = -1  # of the word at hand; -1 between words
    end: int = 0
    total: int = 0
    power: int = 1
    last: int = SEPARATOR  # the class of the last character
    wrap: int = -1  # the white space since a hyphen that may join; -1 without one
    broken: bool = False  # a line has ended since that hyphen
    alone: bool = True  # there has been a space since the last word began, or that was no word of letters
    glued: bool = False  # there had not, when the word at hand began
    words: list[tuple[int, int, int, bool]] = field(default_factory=list)

    def push(self, text: str, *, end: bool = False) -> list[tuple[int, int, int, bool]]:
        """The fingerprint, start and end of each word that ended in `text`, and whether no space is before it."""
        words: list[tuple[int, int, int, bool]] = []
        self.words = words
        place, rows, row = self.length, self.folding.rows, self.folding.row
        for char in text:
            kind, value, length = rows.get(char) or row(char)
            if kind == LETTER and length == 1 and self.wrap < 0 <= self.start and place - self.start < LONG:
                self.total = (self.total + value * self.power) & MASK  # as letter() would: nearly all characters are such
                self.power = (self.power * BASE) & MASK
                self.end = place + 1
            elif kind == LETTER:
                self.letter(place, value, length)
            elif kind != IGNORED:
                self.other(kind, place, value)
            elif self.wrap >= 0 or (self.start >= 0 and place - self.start >= LONG):
                self.close()  # however many characters come that nobody sees
            self.last = kind
            place += 1
        self.length = place
        if end:
            self.close()
        return words

    def letter(self, place: int, value: int, length: int) -> None:
        """One more letter of the word at hand, or the first of a new one."""
        if self.wrap >= 0:
            if self.wrap == 0 or self.broken:
                self.wrap, self.broken = -1, False
            else:
                self.close()
        if self.start >= 0 and place - self.start >= LONG:
            self.close()
        if self.start < 0:
            self.start, self.total, self.power = place, value, BASE
            self.glued, self.alone = not self.alone, False
        else:
            self.total = (self.total + value * self.power) & MASK
            self.power = (self.power * BASE) & MASK
        for _ in range(length - 1):
            self.power = (self.power * BASE) & MASK
        self.end = place + 1

    def other(self, kind: int, place: int, value: int) -> None:
        """What is no letter: it ends the word at hand, unless it may join it to what comes."""
        if kind == HYPHEN and self.last == LETTER and self.wrap < 0:
            self.wrap, self.broken = 0, False
            return
        if kind >= SPACE:
            self.alone = True
        if kind >= SPACE and 0 <= self.wrap < WRAP:
            self.wrap += 1
            self.broken = self.broken or kind == NEWLINE
            return
        self.close()
        if kind == SINGLE:
            self.words.append((fingerprint(value), place, place + 1, False))
            self.alone = True

    def close(self) -> None:
        """The word at hand has ended."""
        if self.start >= 0:
            self.words.append((fingerprint(self.total), self.start, self.end, self.glued))
        self.start, self.wrap, self.broken = -1, -1, False
