"""An index as it is asked: memory-mapped, shared by all processes that open it, read where an answer lies and nowhere else."""

from __future__ import annotations

import json
import mmap
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from proxy.corpus.layout import WAY_OUT, Contents, contents_of, readable, verify
from proxy.corpus.sound import BUCKET, unsound
from proxy.corpus.table import Segment
from proxy.errors import IndexFileError

KINDS: Mapping[str, str] = {
    "buckets": "I",
    "keys": "H",
    "positions": "I",
    "prints": "H",
    "starts": "I",
    "counts": "I",
    "offsets": "Q",
    "titles": "Q",
    "titled": "I",
}
NUMBERS: Mapping[str, np.dtype[Any]] = {"H": np.dtype("<u2"), "I": np.dtype("<u4"), "Q": np.dtype("<u8")}
PLACE = (1 << 32) - 1  # the bits of a hit that are a place in its segment; those above are the number of its shelf
CANDIDATES = 1 << 20  # entries of buckets that are compared at once
NAMESAKES = 16  # works with one title that are told of: more say nothing new, and cost time
COMPARED = 256 << 20  # bytes of an index of which every one is compared with its checksum before a policy uses it


@dataclass(frozen=True, slots=True)
class Work:
    """What the index knows of a work. `words` is its length; in code, lexemes."""

    id: str = ""
    title: str = ""
    author: str = ""
    holder: str = ""  # of the rights
    rights: str = ""  # their status: protected, public-domain, own, …
    licence: str = ""
    path: str = ""
    words: int = 0
    aliases: tuple[str, ...] = ()  # further titles: translations, short forms

    @property
    def titles(self) -> tuple[str, ...]:
        """All of them."""
        return (self.title, *self.aliases)


FACTS = tuple(field.name for field in fields(Work) if field.name not in {"words", "aliases"})


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """N-grams of a text that are in a segment: word of the text, word of the segment; in the order of both."""

    queries: NDArray[np.int64]
    positions: NDArray[np.int64]

    def marks(self, bits: int, number: int) -> NDArray[np.uint64]:
        """Each as one number: word, the number of the shelf, place; the last two take so many bits."""
        return self.queries.astype(np.uint64) << np.uint64(bits) | np.uint64(number << 32) | self.positions.astype(np.uint64)


class Shelf:
    """One segment of an open index."""

    def __init__(self, segment: Segment, mapped: mmap.mmap, path: Path) -> None:
        self.segment, self.mapped, self.path = segment, mapped, path
        self.n, self.bits = segment.n, segment.bits
        self.width = 32 if segment.form == "hashes" else min(16, 32 - segment.bits)
        self.bucket_shift = 64 - segment.bits
        self.key_shift = self.bucket_shift - self.width
        self.key_mask = (1 << self.width) - 1
        self.views: dict[str, Any] = {name: self._view(name) for name in segment.sections if name != "records"}
        self.prints_at = segment.sections["prints"].offset if "prints" in segment.sections else 0
        self.arrays = {name: np.frombuffer(view, NUMBERS[view.format]) for name, view in self.views.items()}
        self.places = len(self.views["prints"]) - self.n + 1 if "prints" in segment.sections else 0  # where an n-gram may begin

    def _view(self, name: str) -> Any:
        section = self.segment.sections[name]
        kind = "I" if name == "keys" and self.segment.form == "hashes" else KINDS[name]
        return memoryview(self.mapped)[section.offset : section.offset + section.size].cast(kind)  # type: ignore[call-overload]  # a format of KINDS

    def damaged(self, what: str) -> NoReturn:
        """Something was looked up that cannot be. Raises IndexFileError."""
        raise IndexFileError(f"{self.path}: damaged: {what}: {WAY_OUT}")

    def find(self, made: int, prints: Sequence[int]) -> list[int]:
        """The positions of one n-gram, given its hash and its fingerprints. Raises IndexFileError."""
        bucket = made >> self.bucket_shift
        buckets = self.views["buckets"]
        low, high = buckets[bucket], buckets[bucket + 1]
        if low == high:
            return []
        if not 0 < high - low <= BUCKET or high > self.segment.grams:
            self.damaged("the buckets are not in order")
        key = (made >> self.key_shift) & self.key_mask
        keys = self.views["keys"][low:high].tolist()
        if key not in keys:
            return []
        if self.segment.form == "hashes":
            return [0]
        positions, mapped, found = self.views["positions"], self.mapped, list[int]()
        raw = b"".join([each.to_bytes(2, "little") for each in prints])
        for place in range(low + keys.index(key), high):
            if keys[place - low] == key:
                position = positions[place]
                at = self.prints_at + 2 * position
                if mapped[at : at + len(raw)] == raw and position < self.places:
                    found.append(position)
        return found

    def find_all(self, made: NDArray[np.uint64], prints: NDArray[np.uint16]) -> Hits:
        """The same for all n-grams of a text at once. Raises IndexFileError."""
        buckets = self.arrays["buckets"]
        chosen = (made >> np.uint64(self.bucket_shift)).astype(np.int64)
        low = buckets[chosen].astype(np.int64)
        sizes = buckets[chosen + 1].astype(np.int64) - low
        if len(made) and (sizes.min() < 0 or sizes.max() > BUCKET or (low + sizes).max() > self.segment.grams):
            self.damaged("the buckets are not in order")
        keys = ((made >> np.uint64(self.key_shift)) & np.uint64(self.key_mask)).astype(self.arrays["keys"].dtype)
        upto = np.cumsum(sizes)
        queries, entries = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        begin = 0
        while begin < len(made):
            base = int(upto[begin - 1]) if begin else 0
            end = max(begin + 1, int(np.searchsorted(upto, base + CANDIDATES, side="right")))
            rows = np.repeat(np.arange(begin, end), sizes[begin:end])
            places = np.arange(base, int(upto[end - 1])) - (upto[rows] - sizes[rows]) + low[rows]
            equal = self.arrays["keys"][places] == keys[rows]
            queries.append(rows[equal])
            entries.append(places[equal])
            begin = end
        return self._proven(np.concatenate(queries), np.concatenate(entries), prints)

    def _proven(self, queries: NDArray[np.int64], entries: NDArray[np.int64], prints: NDArray[np.uint16]) -> Hits:
        if self.segment.form == "hashes":
            first = np.ones(len(queries), bool)
            first[1:] = queries[1:] != queries[:-1]
            return Hits(queries[first], np.zeros(int(first.sum()), np.int64))
        positions = self.arrays["positions"][entries].astype(np.int64)
        real = positions < self.places
        positions[~real] = 0
        for place in range(self.n):
            real &= self.arrays["prints"][positions + place] == prints[queries + place]
        return Hits(queries[real], positions[real])

    def number(self, position: int) -> int:
        """The work that a position lies in, by its number."""
        return bisect_right(self.views["starts"], position) - 1

    def start(self, number: int) -> int:
        """The position of a work's first word."""
        return int(self.views["starts"][number])

    def work(self, number: int) -> Work:
        """What is known of a work. Raises IndexFileError."""
        base, offsets = self.segment.sections["records"].offset, self.views["offsets"]
        try:
            record = json.loads(self.mapped[base + offsets[number] : base + offsets[number + 1]])
            aliases = record.pop("aliases", [])
            known = set(record) <= set(FACTS) and isinstance(aliases, list)
            "".join([*record.values(), *aliases]).encode()
        except (ValueError, TypeError, AttributeError, RecursionError):
            known = False
        if not known:
            self.damaged(f"the record of work {number} is none")
        return Work(**record, words=int(self.views["counts"][number]), aliases=tuple(aliases))

    def titled(self, title: int, most: int = NAMESAKES) -> list[int]:
        """The numbers of the works with a title, by the hash of its words; no more than `most`."""
        titles = self.views["titles"]
        low = bisect_left(titles, title)
        high = bisect_right(titles, title, low, min(low + most, len(titles)))
        return [int(number) for number in self.views["titled"][low:high]]


class Index:
    """An open index. It stays readable when its file is replaced; it is closed when nothing refers to it any more."""

    def __init__(self, path: Path, table: Contents, mapped: mmap.mmap) -> None:
        self.path, self.contents = path, table
        self.shelves = tuple(Shelf(segment, mapped, path) for segment in table.segments)


def opened(path: Path) -> Index:
    """Open an index: its header and tables are read, and a few places of the rest. Raises IndexFileError."""
    with readable(path) as file:
        table = contents_of(path, file)
        mapped = mmap.mmap(file.fileno(), table.size, access=mmap.ACCESS_READ)
    index = Index(path, table, mapped)
    for number, shelf in enumerate(index.shelves):
        if problem := unsound(shelf):
            raise IndexFileError(f"{path}: damaged: segment {number}: {problem}: {WAY_OUT}")
    return index


def trusted(path: Path) -> Index:
    """Open an index after every byte was compared with its checksum, if it is not very large. Raises IndexFileError."""
    index = opened(path)
    if index.contents.size <= COMPARED:
        stat = path.stat()
        if damaged := _damaged(path, stat.st_size, stat.st_mtime_ns, stat.st_ino):
            raise IndexFileError(f"{path}: damaged: {', '.join(damaged)} does not fit its checksum: {WAY_OUT}")
    return index


@lru_cache(64)
def _damaged(path: Path, *_: int) -> tuple[str, ...]:
    """The sections of a file that do not fit their checksums; a file that has not changed since is not read again."""
    return tuple(verify(path))
