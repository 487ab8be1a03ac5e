"""Prompts that ask for a work of the catalogue as it stands, or for the style of an artist: judged line by line, by pattern.

A request names a work by one of its titles, as the index knows them, and says beside it that its text is wanted: word for word,
in full, or a part of it. To ask about a work, or for a summary, a review or a translation of it, is no request for it. What is
said may go over two lines: a line that ends no sentence is read together with the next one.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from proxy.checks import asking
from proxy.checks.lines import Line, Lines
from proxy.core import Finding
from proxy.corpus import Index, Shelf, Titled, Work, prose, titles_in, unelided
from proxy.corpus.words import Words, block_words

AROUND = 200  # characters around a title in which the request has to be
BETWEEN = 3  # words between `recite` and a title
APART = 4  # characters, line ends and spaces, between two lines that are read together
SHORT = 600  # characters of a text in which to look for a wish is cheaper than to look for titles
SCORES = {"literal": 0.9, "part": 0.7}
ENDED = re.compile(r"[.!?…。！？][\s\"'”’»)\]*_]*$")
STYLE = (
    r"\b(?:in|with|using|imitat\w+|mimic\w*|copy\w*|replicat\w+|emulat\w+)\s+(?:the\s+|a\s+|an\s+)?(?:\w+\s+){{0,3}}?"
    r"(?:style|manner|vein|aesthetic|look|technique|spirit|fashion)\s+(?:\w+\s+){{0,3}}?(?:of|by|from|like)\s+(?:\w+\s+){{0,3}}?(?:{names})\b"
    r"|\b(?:{names})(?:['’]s?)?[\s-]+(?:\w+\s+){{0,2}}?(?:style|styled|esque|inspired|like|aesthetic|look)\b"
    r"|\b(?:as|like|if)\s+(?:it\s+was\s+|it\s+were\s+|though\s+)?(?:painted|drawn|illustrated|photographed|designed|made|animated|rendered|done)"
    r"\s+by\s+(?:{names})\b"
    r"|\b(?:imitat\w+|mimic\w*|emulat\w+)\s+(?:{names})\b"
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a stretch of text says of its wishes: where each kind of words stands, in order."""

    text: str
    words: Words
    literal: list[tuple[int, int]]
    strict: list[tuple[int, int]]
    part: list[tuple[int, int]]
    bare: list[tuple[int, int]]
    about: list[tuple[int, int]]

    @classmethod
    def of(cls, text: str, words: Words) -> Said:
        """Look for all of them."""
        kinds = (asking.LITERAL, asking.VERBATIM, asking.PART, asking.BARE, asking.ABOUT)
        return cls(text, words, *([match.span() for match in kind.finditer(text)] for kind in kinds))

    def wanted(self, titled: Titled, start: int, end: int, low: int, high: int) -> str:
        """How the text of the work with this title is wanted, by what is said from `low` to `high`; empty if it is not."""
        low, high = max(low, start - AROUND), min(high, end + AROUND)
        sides = ((low, start), (end, high))
        if any(within(self.about, *side) for side in sides) and not any(within(self.strict, *side) for side in sides):
            return ""
        if any(within(self.literal, *side) for side in sides):
            return "literal"
        starts = self.words.starts
        verbs = (stop for first, stop in self.bare if low <= first and stop <= start)
        if any(titled.first - int(starts.searchsorted(stop)) <= BETWEEN for stop in verbs):
            return "literal"
        return "part" if within(self.part, low, start) else ""


def asks(text: str) -> bool:
    """Whether a text says that some text is wanted."""
    return any(kind.search(text) is not None for kind in (asking.LITERAL, asking.PART, asking.BARE))


def within(spans: Sequence[tuple[int, int]], low: int, high: int) -> bool:
    """Whether one of some spans, that are in order, lies between two places."""
    place = bisect_left(spans, (low, 0))
    return place < len(spans) and spans[place][1] <= high


class Requests:
    """Requests for works of the catalogue."""

    def __init__(self, indexes: Sequence[Index], variant: str, welcome: Callable[[Shelf, int], bool]) -> None:
        self.shelves = [shelf for index in indexes for shelf in index.shelves]
        self.variant, self.welcome = variant, welcome

    def follow(self) -> RequestWatch:
        """A watch over one growing text."""
        return RequestWatch(self)

    def whole(self, text: str) -> list[Finding]:
        """The findings in a text that is all there."""
        return self.follow().push(text, end=True)

    def judged(self, before: Line | None, line: Line, known: Sequence[Finding]) -> list[Finding]:
        """The works that a line asks for, alone or with the one before; no title within another, and none that is `known`."""
        begin = before.start if before else line.start
        split = line.start - begin
        text = (before.text.ljust(split) if before else "") + line.text
        if len(text) < SHORT and not asks(text):
            return []
        words = block_words(unelided(text), prose())
        titles = titles_in(self.shelves, words.prints.tolist())
        if not titles:
            return []
        said = Said.of(text, words)
        found: list[Finding] = []
        for titled in titles:
            start, end = int(words.starts[titled.first]), int(words.ends[titled.stop - 1])
            if any(each.start < begin + end and begin + start < each.end for each in (*known, *found[-1:])):
                continue
            kind = said.wanted(titled, start, end, split, len(text)) if start >= split else ""
            kind = kind or (said.wanted(titled, start, end, 0, len(text)) if split else "")
            if kind and (finding := self.named(text, titled, kind, begin, (start, end))):
                found.append(finding)
        return found

    def named(self, text: str, titled: Titled, kind: str, begin: int, place: tuple[int, int]) -> Finding | None:
        """The finding for a title that is asked for; None if all works that have it are welcome, or if it is hardly one.

        A title of one word may be any word: it has to be written as a name, behind `of`, in quotation marks or with its author.
        """
        start, end = place
        around = text[max(0, start - AROUND) : start] + " " + text[end : end + AROUND]
        named = titled.stop - titled.first > 1 or (
            text[start].isupper() and asking.NAMED.search(text[max(0, start - 20) : start]) is not None
        )
        for shelf, number in titled.works:
            if self.welcome(shelf, number):
                continue
            work = shelf.work(number)
            authored = stands_in(work.author, around)
            if named or authored:
                return self.finding(begin + start, begin + end, min(1.0, SCORES[kind] + 0.1 * authored), work)
        return None

    def finding(self, start: int, end: int, score: float, work: Work) -> Finding:
        facts = (("work", work.title), ("author", work.author), ("holder", work.holder), ("rights", work.rights), ("id", work.id))
        detail = tuple((name, value) for name, value in facts if value)
        return Finding("copyright", "copyright", "request_for_work", score, start, end, self.variant, detail)


@dataclass(slots=True)
class RequestWatch:
    """One growing text: each line is judged alone, and with the one before if that ends no sentence."""

    owner: Requests
    lines: Lines = field(default_factory=Lines)
    before: Line | None = None
    known: list[Finding] = field(default_factory=list)  # the findings in the line before

    def push(self, text: str, *, end: bool = False) -> list[Finding]:
        """Take more of the text."""
        found: list[Finding] = []
        for line in self.lines.push(text, end=end):
            if not line.text.strip():
                continue
            before = self.joining(line.start)
            new = self.owner.judged(before, line, self.known if before else ())
            found += new
            self.known = [each for each in (*self.known, *new) if each.end > line.start]
            self.before = None if ENDED.search(line.text[-20:]) else line
        return found

    def joining(self, start: int) -> Line | None:
        """The line before, if one that begins at `start` is read together with it."""
        line = self.before
        return line if line is not None and start - line.start - len(line.text) <= APART else None

    @property
    def settled(self) -> int:
        line = self.joining(self.lines.start)
        return self.lines.start if line is None else line.start


def stands_in(author: str, text: str) -> bool:
    """Whether an author is named, by the surname at least."""
    surname = (author.split(",", maxsplit=1)[0] if "," in author else author.rpartition(" ")[2]).casefold()
    text = text.casefold() if surname else ""
    place = text.find(surname) if surname else -1
    while place >= 0:
        if not (text[place - 1 : place].isalnum() or text[place + len(surname) : place + len(surname) + 1].isalnum()):
            return True
        place = text.find(surname, place + 1)
    return False


class Styles:
    """Requests for something in the style of an artist on a list."""

    def __init__(self, artists: Iterable[str], variant: str) -> None:
        self.variant = variant
        self.names = {name.casefold(): name for name in artists}
        names = "|".join(r"\s+".join(map(re.escape, name.split())) for name in sorted(self.names.values(), key=len, reverse=True))
        self.pattern = re.compile(STYLE.format(names=names), re.IGNORECASE)
        self.name = re.compile(names, re.IGNORECASE)

    def follow(self) -> StyleWatch:
        """A watch over one growing text."""
        return StyleWatch(self)

    def whole(self, text: str) -> list[Finding]:
        """The findings in a text that is all there."""
        return self.follow().push(text, end=True)

    def judge(self, line: Line) -> list[Finding]:
        """The styles that a line asks for."""
        return [self.finding(line, match) for match in self.pattern.finditer(line.text)]

    def finding(self, line: Line, match: re.Match[str]) -> Finding:
        named = self.name.search(match[0])
        artist = self.names.get(" ".join(named[0].split()).casefold(), "") if named else ""
        place = line.start + match.start(), line.start + match.end()
        return Finding("copyright", "copyright", "artist_style", 0.9, *place, self.variant, (("artist", artist),))


@dataclass(slots=True)
class StyleWatch:
    """One growing text, judged line by line."""

    owner: Styles
    lines: Lines = field(default_factory=Lines)

    def push(self, text: str, *, end: bool = False) -> list[Finding]:
        """Take more of the text."""
        return [finding for line in self.lines.push(text, end=end) for finding in self.owner.judge(line)]

    @property
    def settled(self) -> int:
        return self.lines.start
