"""Passages: chains of n-grams that a text shares with a work, in the order of both, over small gaps.

A chain begins with an n-gram of an index, grows word by word where text and work agree, and lives on over words that were
changed, left out or put in. What it has matched decides how long it waits for more: a chance n-gram is soon forgotten.
The work for each word of a text is bounded, whatever the text.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from proxy.corpus.agreement import DROP, compared_back, filled
from proxy.corpus.chains import Chain, Limits, Passage
from proxy.corpus.index import PLACE, Shelf
from proxy.corpus.quotes import marked

FAR = 16  # words of the next block within which a chain has to stop, if not all of that is to be looked at
OPEN = 128  # chains at a time; the weakest give way
AGAIN = 64  # words within which a place of the index is not taken twice
CROWD = 2  # places of an n-gram; if it is in more, those alone begin a chain that go on for PATIENCE words
PATIENCE = 3
CELL = 6  # bits of a place: chains are looked for among those whose next word lies in the same 64 words of the index
TIED = 120  # words in which those without a space before them are counted
KEPT = 160  # words that are remembered
NEAR = 512  # characters around the word at hand that are remembered: a quotation mark is looked for no farther
SHORT = 4  # words that are compared one by one
NAMED = 60  # words before a quotation in which its work or author may be named


class Trace:
    """The chains of one text. `judge` says what must have matched before a work may be named, None for never.

    Hits are places of the index, with the number of their shelf above 32 bits.
    """

    def __init__(self, shelves: Sequence[Shelf], n: int, limits: Limits, judge: Callable[[Chain], int | None]) -> None:
        self.shelves, self.n, self.limits, self.judge = shelves, n, limits, judge
        self.prints: list[int] = []  # of the words since `base`, with their places in the text
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.glued: list[bool] = []
        self.base = 0
        self.chains: list[Chain] = []
        self.running: list[Chain] = []
        self.grown: list[Chain] = []  # those that the word at hand has been added to
        self.cells: dict[int, list[Chain]] = {}  # the chains by where their next word is in the index
        self.waiting: list[tuple[int, int, Chain]] = []  # a heap of chains that rest, by when they are given up
        self.begun = 0  # chains so far
        # the places at the last word that have no chain: the next ones may get one; and for how many words before that was so
        self.rejected: dict[int, int] = {}
        self.seen: dict[int, int] = {}  # places of the index, and the word of the text that last led there
        self.found: list[Passage] = []
        self.text, self.text_base = "", 0  # the characters around the word at hand, and where they begin

    def __len__(self) -> int:
        return self.base + len(self.prints)

    def trim(self) -> None:
        """Forget the words that nothing looks back to."""
        cut = len(self.prints) - KEPT
        if cut > 0:
            del self.prints[:cut], self.starts[:cut], self.ends[:cut], self.glued[:cut]
            self.base += cut

    def step(self, word: int, hits: Sequence[int], *, crowd: bool) -> None:
        """Read on by the word with this number, at which n-grams of the index end; `crowd`: in more than CROWD places."""
        if self.running:
            self.advance(word)
        if hits:
            self.take(word, hits, self.beside(hits) if crowd else hits, patience=PATIENCE if crowd else 0)
        elif self.rejected:
            self.rejected = {}
        if self.grown:
            self.report(word)
        if self.waiting and self.waiting[0][0] < word:
            self.expire(word)

    def take(self, word: int, hits: Sequence[int], near: Container[int], patience: int) -> None:
        """N-grams of the index end at this word. A place that has come a moment ago says nothing new: the text repeats itself."""
        seen, before, rejected = self.seen, self.rejected, dict[int, int]()
        for hit in hits:
            age = min(before[hit - 1] + 1, PATIENCE) if hit - 1 in before else 0
            if age < patience and hit not in near:
                rejected[hit] = age
                continue
            last = seen.pop(hit, -AGAIN)
            seen[hit] = word
            if word - last < AGAIN:
                rejected[hit] = age
            elif not self.goes_on(word, hit):
                if age < patience:
                    rejected[hit] = age
                else:
                    self.begin(word, hit, age)
        self.rejected = rejected
        while seen and word - seen[first := next(iter(seen))] >= AGAIN:
            del seen[first]

    def beside(self, hits: Sequence[int]) -> set[int]:
        """Which of some hits, that are in order, a chain may go on with."""
        found = set[int]()
        for chain in self.chains:
            place = chain.shelf_bits | chain.p
            low = bisect_left(hits, place - self.n)
            found.update(hits[low : bisect_right(hits, place + self.limits.work_gap, low)])
        return found

    def advance(self, word: int) -> None:
        """Compare the word in every chain that has not met too many differences."""
        print_, stopped = self.prints[word - self.base], False
        for chain in self.running:
            p = chain.p + word - chain.q
            if chain.source[p] == print_:
                chain.surplus += 1
                chain.tried += 1
                chain.run += 1
                if chain.surplus > 0:
                    self.grow(chain, word, p + 1, chain.tried)
            else:
                chain.surplus -= 1
                chain.run = 0
                if chain.surplus <= -DROP:
                    self.rest(chain)
                    stopped = True
        if stopped:
            self.running = [chain for chain in self.running if chain.expires < 0]

    def goes_far(self, chain: Chain, prints: NDArray[np.uint16]) -> bool:
        """Whether a chain that comes from before may compare all of some words that follow."""
        p, surplus = chain.p + len(self) - len(prints) - chain.q, 0
        for agrees in (chain.shelf.arrays["prints"][p : p + FAR] == prints[:FAR]).tolist() if len(prints) >= FAR else ():
            surplus = min(0, surplus + (1 if agrees else -1))
            if surplus <= -DROP:
                return False
        return len(prints) >= FAR

    def leap(self, word: int, stop: int, prints: NDArray[np.uint16], first: int) -> int:
        """Pass over the words before `stop` that the only chain agrees with and that decide nothing; how many they are.

        `prints` are the words of the text from `first` on.
        """
        [chain] = self.running
        if chain.q != word or chain.shadow is not None:
            return 0
        left = chain.piece + self.limits.piece if chain.reported else chain.q + self.limits.words - chain.matched
        room = min(left, stop) - 1 - word
        if self.waiting:
            room = min(room, self.waiting[0][0] - word)
        if room < SHORT:
            return 0
        source = chain.shelf.arrays["prints"][chain.p : chain.p + room]  # nothing agrees with the empty words at its end
        differ = source != prints[word - first : word - first + len(source)]
        size = int(differ.argmax())
        if not size and not differ[0]:
            size = room
        if size:
            chain.run += size
            self.grow(chain, word + size - 1, chain.p + size, size)
            self.grown.clear()
        return size

    def grow(self, chain: Chain, word: int, p: int, more: int) -> None:
        """The text up to this word belongs to the chain."""
        chain.matched += more
        if chain.run > chain.longest:
            chain.longest = chain.run
        chain.q, chain.p, chain.end = word + 1, p, self.ends[word - self.base]
        chain.surplus = chain.tried = 0
        cell = (chain.shelf_bits | p) >> CELL
        if cell != chain.cell:
            self.leave(chain)
            chain.cell = cell
            self.cells.setdefault(cell, []).append(chain)
        self.grown.append(chain)

    def leave(self, chain: Chain) -> None:
        """The chain is not in its cell any more."""
        if chain.cell >= 0:
            cell = self.cells[chain.cell]
            cell.remove(chain)
            if not cell:
                del self.cells[chain.cell]
            chain.cell = -1

    def rest(self, chain: Chain) -> None:
        """Compare no more, and wait for an n-gram to go on with."""
        chain.expires = chain.q + min(self.limits.text_gap, 2 * chain.matched) + self.n - 1
        chain.surplus = chain.tried = 0
        heappush(self.waiting, (chain.expires, chain.serial, chain))

    def goes_on(self, word: int, hit: int) -> bool:
        """Whether a chain goes on with the n-gram that ends at this word, or has compared its words already."""
        n, cells = self.n, self.cells
        low, high = (hit - self.limits.work_gap) >> CELL, (hit + n) >> CELL
        near = cells.get(low, ()) if low == high else [chain for cell in range(low, high + 1) for chain in cells.get(cell, ())]
        if not near:
            return False
        q, position, best = word - n + 1, hit & PLACE, None
        for chain in near:
            across, along = q - chain.q, position - chain.p
            if across == along and chain.q == word + 1:
                return True
            if self.joins(chain, across, along) and (
                best is None or (chain.matched, -chain.serial) > (best.matched, -best.serial)
            ):
                best = chain
        if best is not None:
            self.link(best, word, position)
        return best is not None

    def joins(self, chain: Chain, across: int, along: int) -> bool:
        """Whether what is so far behind a chain goes on with it."""
        return -self.n < across <= min(self.limits.text_gap, 2 * chain.matched) and -self.n < along <= min(
            self.limits.work_gap, chain.matched
        )

    def link(self, chain: Chain, word: int, position: int) -> None:
        """Go on with a chain behind a gap; words of the gap that agree count."""
        q = word - self.n + 1
        across, along = q - chain.q, position - chain.p
        new = self.n - max(0, -across, -along)
        chain.run = self.n if across or along else chain.run + self.n
        if chain.expires >= 0:
            chain.expires = -1
            self.running.append(chain)
        self.grow(chain, word, position + self.n, new + filled(self.prints, q - self.base, chain.source, position, across, along))

    def begin(self, word: int, hit: int, age: int) -> None:
        """A new chain, with the words before it that agree, which count but are not part of its span: they may be gone.

        It begins at the n-gram `age` words before the one that ends at this word, since all of these follow each other.
        """
        size, at = self.n + age, word + 1 - self.n - age - self.base
        chain = Chain(self.shelves[hit >> 32], hit - age, at + self.base, self.starts[at], self.begun)
        self.begun += 1
        counted, straight = compared_back(self.prints, at, chain.source, chain.origin)
        chain.run = size + straight
        self.grow(chain, word, chain.origin + size, size + counted)
        if len(self.chains) >= OPEN:
            self.close(min(self.chains, key=lambda each: (each.expires < 0, each.matched, each.first)))
        chain.quoted = chain.end - chain.begin <= NEAR and marked(self.text, chain.begin - self.text_base)
        if chain.quoted and self.limits.quoted >= self.limits.words:
            chain.before = self.prints[max(0, at - NAMED) : at]
        self.chains.append(chain)
        self.running.append(chain)

    def report(self, word: int) -> None:
        """Report chains that have just become long enough, the longest first, and long ones piece by piece."""
        words, grown, self.grown = self.limits.words, self.grown, []
        if len(grown) > 1:
            grown = sorted(dict.fromkeys(grown), key=lambda each: (-each.matched, each.first))
        for chain in grown:
            if chain.shadow is not None or chain.q != word + 1 or chain.cell < 0:
                continue
            if chain.reported:
                if chain.q - chain.piece >= self.limits.piece:
                    self.emit(chain)
            elif chain.matched - chain.base < words:
                continue
            elif self.counted(chain) >= self.limits.words and chain.matched >= self.limits.share * chain.q:
                self.alarm(chain)

    def counted(self, chain: Chain) -> float:
        """The words of a chain that count for its length."""
        new = chain.matched - chain.base
        if new < self.limits.words or not self.limits.glued:
            return new
        glued = sum(self.glued[max(chain.first, chain.q - TIED) - self.base : chain.q - self.base])
        return new - min(glued, new * self.limits.glued)

    def alarm(self, chain: Chain) -> None:
        """The chain is long enough, if no other stands for it and its work is one to be named."""
        for other in self.chains:
            leader = other if other.reported else other.shadow
            if leader is not None and other is not chain and chain.begin < other.end:
                chain.shadow = leader
                return
        needed = self.judge(chain)
        if needed is None:
            self.drop(chain)
        elif self.counted(chain) >= needed:
            chain.reported = True
            if self.limits.early:
                chain.told = chain.end
                self.found.append(self.passage(chain))

    def emit(self, chain: Chain) -> None:
        """Report a piece of a passage as it has become."""
        self.found.append(self.passage(chain))
        chain.begin = chain.told = chain.end
        chain.piece = chain.q

    def passage(self, chain: Chain) -> Passage:
        shelf = chain.shelf
        number = shelf.number(chain.origin)
        work = shelf.work(number)
        return Passage(
            start=chain.begin,
            end=chain.end,
            work=work,
            offset=chain.origin - shelf.start(number),
            words=chain.matched,
            longest=chain.longest,
            share_of_text=min(1.0, chain.matched / chain.q),
            share_of_work=min(1.0, chain.matched / max(1, work.words)),
            span=chain.q - chain.first,
        )

    def expire(self, word: int) -> None:
        """Give up the chains that have waited long enough."""
        waiting = self.waiting
        while waiting and waiting[0][0] < word:
            expires, _, chain = heappop(waiting)
            if chain.expires == expires:  # or it has gone on since, or ended
                self.close(chain)

    def close(self, chain: Chain) -> None:
        """A chain has ended: report all of its passage, in the name of the work that has most of it."""
        if chain.cell < 0:
            return
        if chain.reported:
            shadows = [each for each in self.chains if each.shadow is chain and self.judge(each) is not None]
            longer = [each for each in shadows if each.q > chain.q]
            if longer and not self.limits.early:
                self.hand_over(chain, max(longer, key=lambda each: each.q))
            else:
                self.settle(chain, shadows)
        self.drop(chain)

    def hand_over(self, chain: Chain, heir: Chain) -> None:
        """Another work goes on with the same text: judge when that has ended."""
        heir.rivals = [*chain.rivals, self.passage(chain)]
        heir.reported, heir.shadow, heir.begin = True, None, min(chain.begin, heir.begin)
        for each in self.chains:
            if each.shadow is chain:
                each.shadow = heir

    def settle(self, chain: Chain, shadows: Sequence[Chain]) -> None:
        """Report a passage that has ended; what other works had of it is no passage of theirs."""
        passages = [(each, self.passage(each)) for each in (chain, *shadows)]
        passages += [(chain, rival) for rival in chain.rivals]
        weigh = (lambda row: row[1].words) if self.limits.early else (lambda row: row[1].resemblance)
        owner, best = max(passages, key=weigh)
        end = max(best.end, chain.end)
        if owner is not chain or chain.told < end:
            self.found.append(replace(best, start=chain.begin, end=end))
        for each in shadows:
            each.shadow, each.base, each.reported = None, each.matched, each is owner
            each.begin, each.piece, each.told = max(each.begin, end), each.q, max(end, each.end if each is owner else -1)

    def drop(self, chain: Chain) -> None:
        """Forget a chain."""
        self.chains.remove(chain)
        self.leave(chain)
        if chain.expires < 0:
            self.running.remove(chain)
        for each in self.chains:
            if each.shadow is chain:
                each.shadow = None

    def finish(self) -> None:
        """The text has ended, and so has every chain."""
        for chain in sorted(self.chains, key=lambda each: (not each.reported, each.first)):
            self.close(chain)
