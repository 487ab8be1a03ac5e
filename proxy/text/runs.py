"""Runs of a text that can be read another way, and what one pass over a text tells about where they may be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from proxy.text.alignment import Edit
from proxy.text.common_words import COMMON

VOWELS = frozenset("aeiouy")
UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff\U000e0000-\U0010ffff]")
WORDLIKE = re.compile(r"[\w\s]+")
ENDINGS = ("s", "ed", "er", "ly", "ing")
LETTERS = re.compile("(?<![A-Za-z0-9])[A-Za-z]{3,}+(?![0-9])")
FURTHER = re.compile(r"\s*[A-Za-z0-9+/_-]{16,}={0,2}\s*\Z|[^%&\\]*(?:%[0-9a-fA-F]{2}|\\[xu][0-9a-fA-F]{2}|&#)")
SHORT = 24  # characters of decoded text in which chance may look like a text


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a text, and the edits that make it read the way that `kind` says."""

    kind: str
    start: int
    end: int
    edits: tuple[Edit, ...]


def whole(kind: str, start: int, end: int, new: str) -> Run:
    """A run that is read as one piece."""
    return Run(kind, start, end, (Edit(start, end, new),))


@dataclass(frozen=True, slots=True)
class Source:
    """A text to look for runs in, and the same as bytes: one for each character, `?` where it is not ASCII."""

    text: str
    raw: bytes

    def shape(self, table: bytes) -> bytes:
        """The text with each character as its class: the cheapest way to see that a kind of run is not there."""
        return self.raw.translate(table)


def source(text: str) -> Source:
    """A text to look for runs in."""
    return Source(text, text.encode("ascii", "replace"))


def classes(*groups: tuple[str, str], other: str = "x") -> bytes:
    """A table for `shape`: the class of each group of characters."""
    table = bytearray(other.encode() * 256)
    for chars, name in groups:
        for char in chars.encode("ascii"):
            table[char] = ord(name)
    return bytes(table)


def apart(found: Iterable[Sequence[Run]], length: int) -> list[Run]:
    """The runs that share no character with one found before them, in order."""
    taken, kept = bytearray(length), list[Run]()
    for runs in found:
        for run in runs:
            if taken.find(1, run.start, run.end) < 0:
                taken[run.start : run.end] = b"\x01" * (run.end - run.start)
                kept.append(run)
    return sorted(kept, key=lambda run: run.start)


def readable(text: str) -> bool:
    """Whether decoded bytes are a text: nearly all printable, most of it words; stricter where chance might do it."""
    length = len(text)
    if not text.strip() or len(UNREADABLE.findall(text)) * 20 > length:
        return False
    wordlike = sum(map(len, WORDLIKE.findall(text)))
    if length > SHORT:
        return wordlike * 10 >= length * 6
    foreign = sum(not char.isascii() for char in text)
    return wordlike * 10 >= length * 7 and (foreign == 0 or foreign * 2 >= length)


def telling(text: str) -> bool:
    """Whether a text has words, or a further code, in it: identifiers are encoded as well ("010:Repository12")."""
    start = text[:1000]
    if FURTHER.match(start) or sum(char.isalpha() and not char.isascii() for char in start) > 1:
        return True
    words = [word.lower() for word in LETTERS.findall(start)]
    return any(map(known, words)) or (len(text.split(None, 2)) > 2 and any(map(pronounceable, words)))


def known(word: str) -> bool:
    """Whether a word in lower case is a common one, or one with an ending."""
    if word in COMMON:
        return True
    return any(len(word) > len(end) + 2 and word.endswith(end) and word[: -len(end)] in COMMON for end in ENDINGS)


def pronounceable(word: str) -> bool:
    """Whether a word in lower case might be one: vowels and consonants take turns."""
    vowels = sum(char in VOWELS for char in word)
    if not len(word) <= vowels * 5 <= len(word) * 4 or len(set(word)) * 2 < min(len(word), 12):
        return False
    return all(len(run) <= 4 for run in re.split("[aeiouy]", word)) and word.isascii()


def neighbours(starts_ends: Sequence[tuple[int, int]], gap: int) -> Iterator[list[int]]:
    """The indices of spans in order, grouped where at most `gap` characters lie between one and the next."""
    group: list[int] = []
    for index, (start, _) in enumerate(starts_ends):
        if group and start - starts_ends[group[-1]][1] > gap:
            yield group
            group = []
        group.append(index)
    if group:
        yield group
