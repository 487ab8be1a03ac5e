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
from proxy.corpus.index import Index, Shelf
from proxy.corpus.passages import AGAIN, CROWD, KEPT, NEAR, Trace
from proxy.corpus.prospects import QUERY, STEP, Prospects, Stretch, prospects
from proxy.corpus.table import Tokens
from proxy.corpus.words import Reader, Words, read

PLACES = (1 << QUERY) - 1  # the bits of a mark that are its place
LOWER = np.uint64(PLACES)


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
        following, blocks = Following(self), iter(blocks or read(text, self.folding))
        block = next(blocks, None)
        while block is not None:
            after = next(blocks, None)
            following.block(block, text, last=after is None)
            block = after
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


class Marks:
    """The hits in a block: word and place of each as one number, in order, to be asked for by the word."""

    __slots__ = ("bounds", "count", "marks", "places")

    def __init__(self, marks: NDArray[np.uint64], count: int) -> None:
        self.marks, self.count = marks, count
        self.bounds: list[int] = []  # laid out when the first word is asked for: few texts need it
        self.places: list[int] = []

    def at(self, query: int) -> list[int]:
        """The hits of the n-gram with this number, in order."""
        self.lay_out()
        return self.places[self.bounds[query] : self.bounds[query + 1]]

    def crowd(self, query: int) -> bool:
        """Whether the n-gram with this number is in many places."""
        self.lay_out()
        return self.bounds[query + 1] - self.bounds[query] > CROWD

    def lay_out(self) -> None:
        """Make lists of the arrays, once."""
        if not self.bounds:
            self.bounds = self.marks.searchsorted(np.arange(self.count + 1, dtype=np.uint64) << np.uint64(QUERY)).tolist()
            self.places = (self.marks & LOWER).tolist()


class Following:
    """One growing text in the eyes of a matcher."""

    def __init__(self, owner: Matcher) -> None:
        self.owner = owner
        self.reader = Reader(owner.folding)
        self.latest: list[tuple[int, int, int, bool]] = []  # the words of the last push, as the reader gives them
        self.n = owner.shelves[0].n
        self.placed = [shelf for shelf in owner.shelves if shelf.segment.form != "hashes"]
        self.numbered = tuple(enumerate(self.placed))
        self.trace = Trace(self.placed, self.n, owner.limits, self.judge)
        self.bare = [shelf for shelf in owner.shelves if shelf.segment.form == "hashes"]
        self.counting = Counting(self.n, owner.limits)
        self.before: set[int] = set()  # the hits at the last word
        self.first = 0  # the word at which the first n-gram of the block at hand ends
        self.marks = Marks(np.zeros(0, np.uint64), 0)  # of the block at hand
        self.repeated: list[int] = []  # of its last words

    def push(self, text: str, *, end: bool = False) -> list[Passage]:
        """Take more of the text; the passages, or what has been added to them, that have become certain."""
        trace, n, shelves = self.trace, self.n, self.numbered
        trace.text = trace.text[-2 * NEAR :] + text
        trace.text_base = self.reader.length + len(text) - len(trace.text)
        prints, base = trace.prints, grams.hash_of
        self.latest = self.reader.push(text, end=end)
        for print_, start, stop, glued in self.latest:
            prints.append(print_)
            trace.glued.append(glued)
            trace.starts.append(start)
            trace.ends.append(stop)
            hits, crowd = list[int](), False
            if len(prints) >= n:
                gram = prints[-n:]
                made = base(gram)
                for number, shelf in shelves:
                    hits += [number << 32 | place for place in shelf.find(made, gram)]
                if hits or self.before:
                    crowd = len(hits) > CROWD
                    hits = self.fresh_hits(hits)
                if self.bare:
                    self.count(made)
            if hits or trace.chains or trace.rejected:
                trace.step(trace.base + len(prints) - 1, hits, crowd=crowd)
        if len(prints) > 4 * KEPT:
            trace.trim()
        return self.finished() if end else self.fresh()

    def count(self, made: int) -> None:
        """Look for the n-gram that ends at the last word in the shelves that know no places."""
        trace, word = self.trace, len(self.trace) - 1
        if any(shelf.find(made, ()) for shelf in self.bare):
            self.counting.hit(word, trace.starts[-self.n], trace.ends[-1])
        else:
            self.counting.run = 0
            self.counting.miss(word)

    def fresh_hits(self, hits: list[int]) -> list[int]:
        """The hits at a word without those that go on with one of the word before, which has a chain that has seen them."""
        before, rejected = self.before, self.trace.rejected
        self.before = set(hits)
        return [hit for hit in hits if hit - 1 not in before or hit - 1 in rejected] if before else hits

    def block(self, block: Words, text: str, *, last: bool = False) -> None:
        """Take many words at once; `last`: no more come."""
        trace, n = self.trace, self.n
        trace.text = text
        begins = not len(trace)
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
        found = self.found(made, Stretch(prints, len(known), begins, last)) if self.placed else {}
        self.run(len(trace) - len(block.prints), len(trace), found, block.prints)
        self.repeat()
        trace.trim()

    def found(self, made: NDArray[np.uint64], stretch: Stretch) -> dict[int, list[int]]:
        """The hits at each word of a block that are worth a look, without those that go on with one of the word before."""
        rows = [shelf.find_all(made, stretch.prints).marks(QUERY, number) for number, shelf in self.numbered]
        marks = rows[0] if len(rows) == 1 else np.sort(np.concatenate(rows))
        self.marks, found = Marks(marks, len(made)), dict[int, list[int]]()
        if marks.size:
            back = marks - STEP
            new = marks[np.minimum(marks.searchsorted(back), len(marks) - 1)] != back
            chosen = self.prospects(marks, stretch)
            for mark in marks[new & chosen.hopeful].tolist():
                query, hit = mark >> QUERY, mark & PLACES
                if query or self.is_new(hit):
                    found.setdefault(self.first + query, []).append(hit)
            latest = int(marks.searchsorted(np.uint64(max(0, len(made) - AGAIN) << QUERY)))
            self.repeated = marks[latest:][chosen.repeated[latest:]].tolist()
        if len(made):
            self.before = set(self.marks.at(len(made) - 1)) if marks.size else set()
        return found

    def prospects(self, marks: NDArray[np.uint64], stretch: Stretch) -> Prospects:
        """Which hits are worth a look: all, if a chain comes from before and is not sure to stop soon."""
        if any(self.trace.goes_far(chain, stretch.prints[stretch.known :]) for chain in self.trace.running):
            return Prospects(np.ones(len(marks), bool), np.zeros(len(marks), bool))
        return prospects(marks, self.placed, stretch, self.owner.limits)

    def repeat(self) -> None:
        """Remember the repetitions at the end of a block that were not looked at."""
        trace, repeated, self.repeated = self.trace, self.repeated, []
        for mark in repeated:
            word, hit = self.first + (mark >> QUERY), mark & PLACES
            trace.seen.pop(hit, 0)
            trace.seen[hit] = word
            if word == len(trace) - 1:
                trace.rejected[hit] = 0

    def is_new(self, hit: int) -> bool:
        """Whether a hit at the first word of a block goes on with none at the word before that has a chain."""
        return hit - 1 not in self.before or hit - 1 in self.trace.rejected

    def run(self, word: int, stop: int, found: dict[int, list[int]], prints: NDArray[np.uint16]) -> None:
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
            hits = again
            if word == following:
                hits = sorted(found[word] + again) if again else found[word]
                following = next(order, stop)
            trace.step(word, hits, crowd=len(hits) > 0 and self.marks.crowd(word - self.first))
            word += 1

    def again(self, word: int) -> list[int]:
        """The hits at a word that go on with those that got no chain at the word before."""
        query, rejected = word - self.first, self.trace.rejected
        if query <= 0:  # those at the first word are in the block's hits
            return []
        return [hit for hit in self.marks.at(query) if hit - 1 in rejected]

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
        waiting = 1 + max(trace.rejected.values()) if trace.rejected else 0  # words that may belong to a chain yet to begin
        kept = min(self.n - 1 + waiting, len(trace.starts))
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
