"""What a passage is, what makes one, and a chain: a passage in the making."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.corpus.index import PLACE, Shelf, Work


@dataclass(frozen=True, slots=True)
class Limits:
    """What makes a passage. The gaps were measured: 40 words put in, 16 left out (see docs/copyright.md)."""

    words: int = 25  # of the work, at least
    share: float = 0.0  # of the text up to the passage's end, at least
    quoted: int = 0  # words up to which a passage passes that is quoted and attributed
    text_gap: int = 40
    work_gap: int = 16
    piece: int = 1000  # words after which a long passage is reported so far, so that no more of a stream has to wait
    early: bool = True  # report a passage as soon as it is long enough, too; else at its end alone, as what it resembles most
    glued: float = 0.25  # of the words that may go uncounted because dashes tie them to others: a quotation is measured in spaces


@dataclass(frozen=True, slots=True)
class Passage:
    """What a text has of a work: the span is in characters of the text."""

    start: int
    end: int
    work: Work
    offset: int  # of its first word in the work
    words: int  # of the work in the text
    longest: int  # of them in one verbatim run
    share_of_text: float  # words of the text up to the passage's end
    share_of_work: float
    span: int  # words of the text from its first to its last

    @property
    def resemblance(self) -> float:
        """Dice's coefficient of the span and the whole work, by the words that they share."""
        return 2 * self.words / (self.span + max(1, self.work.words))


class Chain:
    """A passage in the making. `q` and `p`: the words of text and index that come next."""

    __slots__ = (
        "base", "before", "begin", "cell", "end", "expires", "first", "longest", "matched", "named", "origin", "p", "piece", "q",
        "quoted", "reported", "rivals", "run", "serial", "shadow", "shelf", "shelf_bits", "source", "surplus", "told", "tried",
    )  # fmt: skip  # rows

    def __init__(self, shelf: Shelf, hit: int, first: int, begin: int, serial: int) -> None:
        self.shelf, self.first, self.origin, self.begin, self.end = shelf, first, hit & PLACE, begin, begin
        self.shelf_bits, self.source, self.serial = hit & ~PLACE, shelf.views["prints"], serial
        self.cell = -1  # where it is found by its place; -1 when it has ended
        self.q, self.p = first, self.origin
        self.matched = self.longest = 0
        self.run = 0  # words that agree without a difference, up to here
        self.told = -1  # the end that has been reported last
        self.rivals: Sequence[Passage] = ()  # of works that had the same text, and have ended
        self.quoted = False  # a quotation mark stands before it
        self.before: Sequence[int] = ()  # the words before it, if they may name its work
        self.named: bool | None = None  # whether they do; None until that has been asked
        self.surplus = self.tried = 0  # since `q`: words that agree less those that differ; words that agree
        self.expires = -1  # the word of the text at which it is given up; -1 while it compares
        self.reported = False
        self.shadow: Chain | None = None  # the chain that stands for it: the same text lies in two works
        self.base = 0  # words that another chain has been reported for
        self.piece = first  # the word of the text at which the present piece begins
