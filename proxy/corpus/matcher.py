"""Finds passages of indexed works in texts: in whole ones many words at a time, in growing ones word by word, with one result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from proxy.corpus import grams
from proxy.corpus.chains import Chain, Limits, Passage
from proxy.corpus.counting import Counting
from proxy.corpus.folding import Folding, code, prose
from proxy.corpus.index import Hits, Index, Shelf
from proxy.corpus.passages import KEPT, NEAR, Trace
from proxy.corpus.table import Tokens
from proxy.corpus.words import Reader, Words, read


@dataclass(frozen=True, slots=True)
class Matcher:
    """The works of some indexes that are compared alike. `welcome` says whether a work may be reproduced."""

    shelves: tuple[Shelf, ...]
    folding: Folding
    limits: Limits
    welcome: Callable[[Shelf, int], bool]
    names: Callable[[Shelf, int], Sequence[Sequence[int]]]  # the fingerprints of the names by which a work is attributed

    def whole(self, text: str, blocks: Iterable[Words] = ()) -> list[Passage]:
        """The passages of a text that is all there; `blocks` are its words, if they have been read."""
        following = Following(self)
        for block in blocks or read(text, self.folding):
            following.block(block, text)
        return following.finished()

    def follow(self) -> Following:
        """The passages of a text that grows."""
        return Following(self)


def matching(
    indexes: Sequence[Index],
    tokens: Tokens,
    limits: Limits,
    welcome: Callable[[Shelf, int], bool],
    names: Callable[[Shelf, int], Sequence[Sequence[int]]] = lambda *_: (),
) -> Matcher | None:
    """The matcher of one kind of tokens; None when no index has any."""
    shelves = tuple(shelf for index in indexes for shelf in index.shelves if shelf.segment.tokens == tokens)
    return Matcher(shelves, prose() if tokens == "words" else code(), limits, welcome, names) if shelves else None


class Placed:
    """The hits of a block in one segment, to be asked for by the word."""

    __slots__ = ("bounds", "count", "hits", "places")

    def __init__(self, hits: Hits, count: int) -> None:
        self.hits, self.count = hits, count
        self.bounds: list[int] = []  # laid out when the first word is asked for: few texts need it
        self.places: list[int] = []

    def at(self, query: int) -> list[int]:
        """The places of the n-gram with this number, in order."""
        if not self.bounds:
            self.bounds = self.hits.queries.searchsorted(np.arange(self.count + 1)).tolist()
            self.places = self.hits.positions.tolist()
        return self.places[self.bounds[query] : self.bounds[query + 1]]


class Following:
    """One growing text in the eyes of a matcher."""

    def __init__(self, owner: Matcher) -> None:
        self.owner = owner
        self.reader = Reader(owner.folding)
        self.latest: list[tuple[int, int, int, bool]] = []  # the words of the last push, as the reader gives them
        self.n = owner.shelves[0].n
        self.trace = Trace(self.n, owner.limits, self.judge)
        self.placed = [shelf for shelf in owner.shelves if shelf.segment.form != "hashes"]
        self.bare = [shelf for shelf in owner.shelves if shelf.segment.form == "hashes"]
        self.counting = Counting(self.n, owner.limits)
        self.before: set[tuple[Shelf, int]] = set()  # the hits at the last word
        self.first = 0  # the word at which the first n-gram of the block at hand ends
        self.hits: dict[Shelf, Placed] = {}  # of the block at hand

    def push(self, text: str, *, end: bool = False) -> list[Passage]:
        """Take more of the text; the passages, or what has been added to them, that have become certain."""
        trace, n = self.trace, self.n
        trace.text = trace.text[-2 * NEAR :] + text
        trace.text_base = self.reader.length + len(text) - len(trace.text)
        prints, base = trace.prints, grams.hash_of
        self.latest = self.reader.push(text, end=end)
        for print_, start, stop, glued in self.latest:
            prints.append(print_)
            trace.glued.append(glued)
            trace.starts.append(start)
            trace.ends.append(stop)
            hits: Sequence[tuple[Shelf, int]] = ()
            if len(prints) >= n:
                gram = prints[-n:]
                made, raw = base(gram), b"".join([each.to_bytes(2, "little") for each in gram])
                hits = self.fresh_hits([(shelf, position) for shelf in self.placed for position in shelf.find(made, raw)])
                if self.bare:
                    self.count(made)
            if hits or trace.chains or trace.rejected:
                trace.step(trace.base + len(prints) - 1, hits)
        if len(prints) > 4 * KEPT:
            trace.trim()
        return self.finished() if end else self.fresh()

    def count(self, made: int) -> None:
        """Look for the n-gram that ends at the last word in the shelves that know no places."""
        trace, word = self.trace, len(self.trace) - 1
        if any(shelf.find(made, b"") for shelf in self.bare):
            self.counting.hit(word, trace.starts[-self.n], trace.ends[-1])
        else:
            self.counting.run = 0
            self.counting.miss(word)

    def fresh_hits(self, hits: list[tuple[Shelf, int]]) -> list[tuple[Shelf, int]]:
        """The hits at a word without those that go on with one of the word before, which has a chain that has seen them."""
        before, rejected = self.before, self.trace.rejected
        if not before:
            self.before = set(hits) if hits else before
            return hits
        self.before = set(hits)
        return [hit for hit in hits if (back := (hit[0], hit[1] - 1)) not in before or back in rejected]

    def block(self, block: Words, text: str) -> None:
        """Take many words at once."""
        trace, n = self.trace, self.n
        trace.text = text
        known = trace.prints[1 - n :] if n > 1 else []
        prints = np.concatenate([np.array(known, np.uint16), block.prints])
        made = grams.hashes(prints, n)
        first = len(trace) - len(known)  # the word of the text at which `prints` begins
        trace.prints += block.prints.tolist()
        trace.starts += block.starts.tolist()
        trace.ends += block.ends.tolist()
        trace.glued += block.glued.tolist()
        for shelf in self.bare[:1]:
            every = [each.find_all(made, prints).queries for each in self.bare]
            for query in np.unique(np.concatenate(every)).tolist():
                word = first + query + shelf.n - 1
                self.counting.hit(word, trace.starts[word - shelf.n + 1 - trace.base], trace.ends[word - trace.base])
        self.first = first + n - 1
        self.run(len(trace) - len(block.prints), len(trace), self.found(made, prints), block.prints)
        trace.trim()

    def found(self, made: NDArray[np.uint64], prints: NDArray[np.uint16]) -> dict[int, list[tuple[Shelf, int]]]:
        """The hits at each word of a block, without those that go on with one of the word before."""
        found: dict[int, list[tuple[Shelf, int]]] = {}
        last: set[tuple[Shelf, int]] = set()
        for shelf in self.placed:
            hits = shelf.find_all(made, prints)
            self.hits[shelf] = Placed(hits, len(made))
            if not hits.queries.size:
                continue
            marks = hits.queries << 32 | hits.positions
            back = marks - (1 << 32 | 1)
            new = marks[np.minimum(marks.searchsorted(back), len(marks) - 1)] != back
            queries = hits.queries[new]
            ends = np.append(np.flatnonzero(queries[1:] != queries[:-1]) + 1, len(queries)).tolist()
            begin, places = 0, hits.positions[new].tolist()
            for query, end in zip(queries[np.subtract(ends, 1)].tolist(), ends, strict=True):
                rows = [(shelf, place) for place in places[begin:end] if query or self.is_new(shelf, place)]
                if rows:
                    found.setdefault(self.first + query, []).extend(rows)
                begin = end
            last |= {(shelf, place) for place in hits.positions[hits.queries == len(made) - 1].tolist()}
        if len(made):
            self.before = last
        return dict(sorted(found.items())) if len(self.placed) > 1 else found

    def is_new(self, shelf: Shelf, place: int) -> bool:
        """Whether a hit at the first word of a block goes on with none at the word before that has a chain."""
        back = shelf, place - 1
        return back not in self.before or back in self.trace.rejected

    def run(self, word: int, stop: int, found: dict[int, list[tuple[Shelf, int]]], prints: NDArray[np.uint16]) -> None:
        """Step through words; those of which nothing new can be said are passed over."""
        trace, order, first = self.trace, iter(found), word
        following = next(order, stop)
        while word < stop:
            again = self.again(word) if trace.rejected else []
            if not (trace.chains or trace.rejected):
                word = following
                if word >= stop:
                    return
            elif word < following and len(trace.running) == 1 and not trace.rejected:
                word += trace.leap(word, following, prints, first)
            if word == following:
                trace.step(word, sorted(found[word] + again, key=self.order) if again else found[word])
                following = next(order, stop)
            else:
                trace.step(word, again)
            word += 1

    def again(self, word: int) -> list[tuple[Shelf, int]]:
        """The hits at a word that go on with those that got no chain at the word before."""
        query, rejected = word - self.first, self.trace.rejected
        if query <= 0:  # those at the first word are in the block's hits
            return []
        return [(shelf, at) for shelf in self.placed for at in self.hits[shelf].at(query) if (shelf, at - 1) in rejected]

    def order(self, hit: tuple[Shelf, int]) -> tuple[int, int]:
        """How hits are ordered at one word."""
        return self.placed.index(hit[0]), hit[1]

    def fresh(self) -> list[Passage]:
        """The passages since the last time."""
        found = self.trace.found
        if found:
            self.trace.found = []
        if self.counting.found:
            found, self.counting.found = found + self.counting.found, []
        return found

    def finished(self) -> list[Passage]:
        """The last passages."""
        self.trace.finish()
        self.counting.close()
        return self.fresh()

    @property
    def settled(self) -> int:
        """No passage that is yet to come begins before this character."""
        trace, reader = self.trace, self.reader
        settled = reader.start if reader.start >= 0 else reader.length
        kept = min(self.n - 1, len(trace.starts))
        if kept:
            settled = trace.starts[-kept]
        if self.bare and self.counting.settled is not None:
            settled = min(settled, self.counting.settled)
        return min(settled, *(chain.begin for chain in trace.chains)) if trace.chains else settled

    def judge(self, chain: Chain) -> int | None:
        """How many words of a chain's work may be named as its passage; None when all of it may stand."""
        number = chain.shelf.number(chain.origin)
        if self.owner.welcome(chain.shelf, number):
            return None
        limits = self.owner.limits
        if chain.quoted and limits.quoted >= limits.words and self.attributed(chain, number):
            return limits.quoted + 1
        return limits.words

    def attributed(self, chain: Chain, number: int) -> bool:
        """Whether the work's title or author is named shortly before a chain."""
        if chain.named is None:
            chain.named = any(stands(name, chain.before) for name in self.owner.names(chain.shelf, number))
        return chain.named


def stands(name: Sequence[int], words: Sequence[int]) -> bool:
    """Whether some words stand in others, in their order."""
    size = len(name)
    return size > 0 and any(list(words[i : i + size]) == list(name) for i in range(len(words) - size + 1))
