"""Passages: chains of n-grams that a text shares with a work, in the order of both, over small gaps.

A chain begins with an n-gram of an index, grows word by word where text and work agree, and lives on over words that were
changed, left out or put in. What it has matched decides how long it waits for more: a chance n-gram is soon forgotten.
The work for each word of a text is bounded, whatever the text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from proxy.corpus.chains import Chain, Limits, Passage
from proxy.corpus.folding import FILLERS
from proxy.corpus.index import Shelf

DROP = 4  # words in which text and work differ, beyond those that agree since, before a chain stops to compare
BACK = 40  # words before its first n-gram in which a chain looks for words that agree
OPEN = 32  # chains at a time; the weakest give way
AGAIN = 64  # words within which a place of the index is not taken twice
REMEMBERED = 2048  # places
BEGUN = 2  # chains at one word: a common n-gram leads to many places, and goes on with a chain at any of them
TIED = 120  # words in which those without a space before them are counted
KEPT = 160  # words that are remembered
NEAR = 512  # characters around the word at hand that are remembered
SHORT = 4  # words that are compared one by one
NAMED = 60  # words before a quotation in which its work or author may be named
VEILED = 64  # characters before a quotation among which its mark is looked for, if all the others are not seen
QUOTES = frozenset("\"“„«»‹›‟”「『>*_'‘‚")


def unseen(char: str) -> bool:
    """Whether nobody sees a character, or only as a mark on another."""
    return not char.isascii() and (char in FILLERS or unicodedata.category(char) in {"Cf", "Mn", "Me"})


class Trace:
    """The chains of one text. `judge` says what must have matched before a work may be named, None for never."""

    def __init__(self, n: int, limits: Limits, judge: Callable[[Chain], int | None]) -> None:
        self.n, self.limits, self.judge = n, limits, judge
        self.prints: list[int] = []  # of the words since `base`, with their places in the text
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.glued: list[bool] = []
        self.base = 0
        self.chains: list[Chain] = []
        self.running: list[Chain] = []
        self.grown: list[Chain] = []  # those that the word at hand has been added to
        self.expiry = -1  # of the chain that is given up first
        self.rejected: set[tuple[Shelf, int]] = set()  # the places at the last word that have no chain: the next ones may get one
        self.seen: dict[tuple[Shelf, int], int] = {}  # places of the index, and the word of the text that last led there
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

    def step(self, word: int, hits: Iterable[tuple[Shelf, int]]) -> None:
        """Read on by the word with this number, at which n-grams end that are in the index."""
        if self.running:
            self.advance(word)
        if hits:
            self.take(word, hits)
        elif self.rejected:
            self.rejected = set()
        if self.grown:
            self.report(word)
        if 0 <= self.expiry < word:
            self.expire(word)

    def take(self, word: int, hits: Iterable[tuple[Shelf, int]]) -> None:
        """N-grams of the index end at this word. A place that has come a moment ago says nothing new: the text repeats itself."""
        begun, seen, rejected = 0, self.seen, set[tuple[Shelf, int]]()
        for hit in hits:
            last = seen.pop(hit, -AGAIN)
            seen[hit] = word
            shelf, position = hit
            if word - last >= AGAIN and self.goes_on(shelf, word, position):
                continue
            if word - last < AGAIN or begun == BEGUN:
                rejected.add(hit)
                continue
            self.begin(shelf, word, position)
            begun += 1
        self.rejected = rejected
        while len(seen) > REMEMBERED:
            del seen[next(iter(seen))]

    def advance(self, word: int) -> None:
        """Compare the word in every chain that has not met too many differences."""
        print_, stopped = self.prints[word - self.base], False
        for chain in self.running:
            p = chain.p + word - chain.q
            if chain.shelf.views["prints"][p] == print_:
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

    def leap(self, word: int, stop: int, prints: NDArray[np.uint16], first: int) -> int:
        """Pass over the words before `stop` that the only chain agrees with and that decide nothing; how many they are.

        `prints` are the words of the text from `first` on.
        """
        [chain] = self.running
        if chain.q != word or chain.shadow is not None:
            return 0
        left = chain.piece + self.limits.piece if chain.reported else chain.q + self.limits.words - chain.matched
        room = min(left, stop) - 1 - word
        if 0 <= self.expiry < word + room:
            room = self.expiry - word
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
        chain.longest = max(chain.longest, chain.run)
        chain.q, chain.p, chain.end = word + 1, p, self.ends[word - self.base]
        chain.surplus = chain.tried = 0
        self.grown.append(chain)

    def rest(self, chain: Chain) -> None:
        """Compare no more, and wait for an n-gram to go on with."""
        chain.expires = chain.q + min(self.limits.text_gap, 2 * chain.matched) + self.n - 1
        chain.surplus = chain.tried = 0
        self.expiry = chain.expires if self.expiry < 0 else min(self.expiry, chain.expires)

    def goes_on(self, shelf: Shelf, word: int, position: int) -> bool:
        """Whether a chain goes on with the n-gram that ends at this word, or has compared its words already."""
        q, best, bound = word - self.n + 1, None, self.limits.work_gap
        for chain in self.chains:
            along = position - chain.p
            if along > bound or along < -self.n or chain.shelf is not shelf:
                continue
            across = q - chain.q
            if across == along and chain.q == word + 1:
                return True
            if self.joins(chain, across, along) and (best is None or chain.matched > best.matched):
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
        self.grow(chain, word, position + self.n, new + self.filled(chain, across, along, q, position))

    def filled(self, chain: Chain, across: int, along: int, q: int, position: int) -> int:
        """How many words of a gap agree, on the diagonal before it up to some place and on the one behind it from there."""
        size = min(across, along)
        if size <= 0:
            return 0
        prints, source, base = self.prints, chain.shelf.views["prints"], self.base
        before = [prints[chain.q + j - base] == source[chain.p + j] for j in range(size)]
        behind = [prints[q - size + j - base] == source[position - size + j] for j in range(size)]
        best = here = int(sum(behind))
        for j in range(size):
            here += before[j] - behind[j]
            best = max(best, here)
        return best

    def begin(self, shelf: Shelf, word: int, position: int) -> None:
        """A new chain, with the words before it that agree, which count but are not part of its span: they may be gone."""
        q = word - self.n + 1
        chain = Chain(shelf, q, position, self.starts[q - self.base])
        prints, source = self.prints, shelf.views["prints"]
        surplus = tried = counted = straight = 0
        for back in range(1, min(BACK, q - self.base) + 1):
            if prints[q - back - self.base] == source[position - back]:
                surplus += 1
                tried += 1
                straight += back == straight + 1
                if surplus > 0:
                    counted, surplus, tried = counted + tried, 0, 0
            else:
                surplus -= 1
                if surplus <= -DROP:
                    break
        chain.run = self.n + straight
        self.grow(chain, word, position + self.n, self.n + counted)
        if len(self.chains) >= OPEN:
            self.close(min(self.chains, key=lambda each: (each.expires < 0, each.matched, each.first)))
        chain.quoted = self.marked(chain.begin, chain.end)
        if chain.quoted and self.limits.quoted >= self.limits.words:
            chain.before = prints[max(0, q - self.base - NAMED) : q - self.base]
        self.chains.append(chain)
        self.running.append(chain)

    def marked(self, begin: int, end: int) -> bool:
        """Whether a quotation mark stands before the first n-gram of a chain, which goes from `begin` to `end`."""
        place = max(0, begin - self.text_base)
        before = self.text[max(0, place - 2) : place]
        if not before.isascii() and any(char not in QUOTES and unseen(char) for char in before):
            near = self.text[max(0, place - VEILED) : place]
            before = "".join(char for char in near if char in QUOTES or not unseen(char))[-2:]
        return end - begin <= NEAR and not QUOTES.isdisjoint(before)

    def report(self, word: int) -> None:
        """Report chains that have just become long enough, the longest first, and long ones piece by piece."""
        words, grown, self.grown = self.limits.words, self.grown, []
        if len(grown) > 1:
            grown = sorted(dict.fromkeys(grown), key=lambda each: (-each.matched, each.first))
        for chain in grown:
            if chain.shadow is not None or chain.q != word + 1 or chain not in self.chains:
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
        for chain in [each for each in self.chains if 0 <= each.expires < word]:
            self.close(chain)
        waiting = [chain.expires for chain in self.chains if chain.expires >= 0]
        self.expiry = min(waiting) if waiting else -1

    def close(self, chain: Chain) -> None:
        """A chain has ended: report all of its passage, in the name of the work that has most of it."""
        if chain not in self.chains:
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
        if chain.expires < 0:
            self.running.remove(chain)
        for each in self.chains:
            if each.shadow is chain:
                each.shadow = None

    def finish(self) -> None:
        """The text has ended, and so has every chain."""
        for chain in sorted(self.chains, key=lambda each: (not each.reported, each.first)):
            self.close(chain)
