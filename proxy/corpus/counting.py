"""Passages in an index of hashes alone: runs of n-grams that some work has, it is not known which, nor where.

Chance n-grams cannot be told from copied ones by their place, so only runs of SOLID words count, and little may be between.
"""

from __future__ import annotations

from proxy.corpus.chains import Limits, Passage
from proxy.corpus.index import Work

SOLID = 8  # words of a run that counts
GAP = 12  # words between two runs of a passage
UNKNOWN = Work(title="a work of the catalogue")


class Counting:
    """The runs of one text."""

    def __init__(self, n: int, limits: Limits) -> None:
        self.n, self.limits = n, limits
        self.run, self.run_begin = 0, 0  # words of the run at hand, and its first character
        self.last = -2  # the word at which the last n-gram ended
        self.begin, self.end, self.told = -1, 0, -1  # of the passage at hand, in characters; -1 without one
        self.matched = self.longest = self.stop = self.first = 0
        self.found: list[Passage] = []

    def hit(self, word: int, start: int, end: int) -> None:
        """An n-gram of the index ends at this word; its first word begins at `start`."""
        if word == self.last + 1:
            self.run += 1
        else:
            self.run, self.run_begin = self.n, start
        self.last = word
        if self.run < SOLID:
            return
        new = 1 if self.run > SOLID else self.run
        if self.begin >= 0 and word + 1 - new - self.stop > GAP:
            self.close()
        if self.begin < 0:
            self.begin, self.first, self.matched, self.longest = self.run_begin, word + 1 - new, 0, 0
        self.matched += new
        self.longest = max(self.longest, self.run)
        self.stop, self.end = word + 1, end
        if self.told < 0 and self.matched >= max(self.limits.words, self.limits.share * self.stop):
            self.told = self.end
            if self.limits.early:
                self.found.append(self.passage())
        elif self.told >= 0 and self.stop - self.first >= self.limits.piece:
            self.found.append(self.passage())
            self.begin = self.told = self.end
            self.first = self.stop

    def miss(self, word: int) -> None:
        """No n-gram of the index ends at this word."""
        if self.begin >= 0 and word - self.stop > GAP + SOLID:
            self.close()

    def close(self) -> None:
        """The passage at hand has ended."""
        if self.told >= 0 and (self.told < self.end or not self.limits.early) and self.begin < self.end:
            self.found.append(self.passage())
        self.begin = self.told = -1

    def passage(self) -> Passage:
        return Passage(
            start=self.begin,
            end=self.end,
            work=UNKNOWN,
            offset=0,
            words=self.matched,
            longest=self.longest,
            share_of_text=min(1.0, self.matched / self.stop),
            share_of_work=0.0,
            span=self.stop - self.first,
        )

    @property
    def settled(self) -> int | None:
        """No passage that is yet to come begins before this character; None when that depends on words to come alone."""
        open_run = [self.run_begin] if self.run else []
        return min([self.begin, *open_run]) if self.begin >= 0 else min(open_run, default=None)
