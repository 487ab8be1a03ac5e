"""Prompts that ask for a work of the catalogue as it stands: judged line by line.

A request names a work by one of its titles, as the index knows them, and says beside it that its text is wanted: word for word,
in full, or a part of it. To ask about a work, or for a summary, a review or a translation of it, is no request for it. What is
said may go over two lines: a line that ends no sentence is read together with the next one.

Patterns decide where they can. Where they say nothing, or one thing and its opposite, the encoder does, if a rule wants it.
"""

from __future__ import annotations

import math
import re
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import lru_cache

from proxy.checks import asking
from proxy.checks.lines import APART, LONGEST, Line, Lines
from proxy.classifier import Intent, Logits
from proxy.core import DEADLINE, Finding
from proxy.corpus import Index, Shelf, Titled, Work, prose, titles_in, unelided
from proxy.corpus.words import block_words
from proxy.errors import CheckTimeout

AROUND = 200  # characters around a title in which the request has to be
BETWEEN = 3  # words between `recite` and a title
SHORT = 600  # characters of a text in which to look for a wish is cheaper than to look for titles
BATCH = 30_000  # characters of lines that are judged in one pass
KNOWN = 4096  # works that are remembered
SCORES = {"literal": 0.9, "part": 0.7, "open": 0.6}
ASKED = 32  # places in a text about which the encoder is asked
BEYOND = "beyond_windows"  # the reason that is counted when there are more
ENDED = re.compile(r"[.!?…。！？][\s\"'”’»)\]*_]*$")


@dataclass(frozen=True, slots=True)
class Said:
    """What a stretch of text says of its wishes: where each kind of words stands, in order."""

    literal: list[tuple[int, int]]
    strict: list[tuple[int, int]]
    part: list[tuple[int, int]]
    bare: list[tuple[int, int]]
    about: list[tuple[int, int]]

    @classmethod
    def of(cls, text: str) -> Said:
        """Look for all of them."""
        kinds = (asking.LITERAL, asking.VERBATIM, asking.PART, asking.BARE, asking.ABOUT)
        return cls(*([match.span() for match in kind.finditer(text)] for kind in kinds))

    def wanted(self, start: int, end: int, near: int, low: int, high: int) -> str:
        """How the text of the work whose title goes from `start` to `end` is wanted; empty if it is not, `open` if nobody says.

        What counts is what is said from `low` to `high`, and a verb alone from `near` on, few words before the title.
        """
        low, high = max(low, start - AROUND), min(high, end + AROUND)
        sides = ((low, start), (end, high))
        verb = bisect_left(self.bare, (start, 0))
        bare = any(first >= low and near <= stop <= start for first, stop in self.bare[max(0, verb - 2) : verb])
        literal, part = bare or any(within(self.literal, *side) for side in sides), within(self.part, low, start)
        if any(within(self.about, *side) for side in sides) and not any(within(self.strict, *side) for side in sides):
            return "open" if literal or part else ""
        return "literal" if literal else "part" if part else "open"


def asks(text: str) -> bool:
    """Whether a text says that some text is wanted."""
    return any(kind.search(text) is not None for kind in (asking.LITERAL, asking.PART, asking.BARE))


def within(spans: Sequence[tuple[int, int]], low: int, high: int) -> bool:
    """Whether one of some spans, that are in order, lies between two places."""
    place = bisect_left(spans, (low, 0))
    return place < len(spans) and spans[place][1] <= high


class Requests:
    """Requests for works of the catalogue. `intent` is asked where patterns do not decide; without it that is no request."""

    def __init__(
        self, indexes: Sequence[Index], variant: str, welcome: Callable[[Shelf, int], bool], intent: Intent | None = None
    ) -> None:
        self.intent = intent
        self.shelves = [shelf for index in indexes for shelf in index.shelves]
        self.variant, self.welcome = variant, welcome
        self.work = lru_cache(KNOWN)(lambda shelf, number: shelf.work(number))

    def follow(self) -> RequestWatch:
        """A watch over one growing text."""
        return RequestWatch(self)

    def whole(self, text: str) -> list[Finding]:
        """The findings in a text that is all there. Raises CheckOverloaded, CheckTimeout, and what the encoder raised."""
        return waited(self.follow(), text)

    def named(self, text: str, place: tuple[int, int], titled: Titled) -> tuple[Work, bool] | None:
        """The work with a title that is asked for, and whether its author is named, too.

        None if all works that have the title are welcome, or if it is hardly one: a title of one word may be any word, and has to
        be written as a name, behind `of`, in quotation marks or with its author.
        """
        start, end = place
        around = f"{text[max(0, start - AROUND) : start]} {text[end : end + AROUND]}".casefold()
        named = titled.stop - titled.first > 1 or (
            text[start].isupper() and asking.NAMED.search(text[max(0, start - 20) : start]) is not None
        )
        for shelf, number in titled.works:
            if self.welcome(shelf, number):
                continue
            work = self.work(shelf, number)
            authored = stands_in(work.author, around)
            if named or authored:
                return work, authored
        return None

    def finding(self, start: int, end: int, score: float, work: Work, intent: str) -> Finding:
        """A request as a finding; `intent`: what decided that it is one."""
        facts = (("work", work.title), ("author", work.author), ("holder", work.holder), ("rights", work.rights), ("id", work.id))
        detail = tuple((name, value) for name, value in (*facts, ("intent", intent)) if value)
        return Finding("copyright", "copyright", "request_for_work", score, start, end, self.variant, detail)


@dataclass(frozen=True, slots=True)
class Open:
    """A request if the encoder says so."""

    finding: Finding
    before: str
    behind: str
    answers: list[Future[Logits]] = field(default_factory=list)

    @property
    def place(self) -> tuple[int, int]:
        """Where the title stands."""
        return self.finding.start, self.finding.end


@dataclass(frozen=True, slots=True)
class Row:
    """A line in a batch: where it begins there, and the one before with its place, if they are read together."""

    line: Line
    at: int
    before: Line | None
    before_at: int  # where it begins alone if there is none

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Where a part of the batch stands in the text."""
        first, last = (self.line if place >= self.at else self.before or self.line for place in (start, end - 1))
        begin = first.place(start - (self.at if first is self.line else self.before_at), end)[0]
        base = self.at if last is self.line else self.before_at
        return begin, last.place(end - 1 - base, end - base)[1]


class Batch:
    """Lines that are judged in one pass: titles are looked for in all of them at once, wishes beside titles alone."""

    def __init__(self, owner: Requests) -> None:
        self.owner = owner
        self.parts: list[str] = []
        self.rows: list[Row] = []
        self.open: list[Open] = []
        self.size = 0

    def add(self, line: Line, before: Line | None) -> None:
        """One more line; `before` is the last one, if there is one already."""
        if before is None:
            self.put(". ")
        elif not self.rows:
            self.put(before.text)
        before_at = self.rows[-1].at if self.rows else 0
        if before is not None:
            self.put(" " * (line.start - before.stop))
        self.rows.append(Row(line, self.size, before, before_at if before else self.size))
        self.put(line.text)

    def put(self, text: str) -> None:
        """More of the text."""
        self.parts.append(text)
        self.size += len(text)

    def judged(self, known: list[Finding]) -> list[Finding]:
        """The works that the lines ask for, each alone or with the one before. `known`: what may go on into the first."""
        text = "".join(self.parts)
        if len(text) < SHORT and self.owner.intent is None and not asks(text):
            return []
        words = block_words(unelided(text), prose())
        titles = Titles(titles_in(self.owner.shelves, words.prints), words.starts.tolist(), words.ends.tolist())
        found: list[Finding] = []
        for row in self.rows if titles.titles else ():
            new = self.judge(row, text, titles, known if row.before else [])
            known = [each for each in (*known, *new) if each.end > row.line.start]
            found += new
        return found

    def judge(self, row: Row, text: str, titles: Titles, known: Sequence[Finding]) -> list[Finding]:
        """The works that a line asks for; no title within another, and none that is `known`."""
        low, split, high = row.before_at, row.at, row.at + len(row.line.text)
        inside = titles.between(low, high)
        if not inside:
            return []
        said, found, stretch = Said.of(text[low:high]), list[Finding](), text[low:high]
        for titled in inside:
            start, end, near = titles.starts[titled.first], titles.ends[titled.stop - 1], titles.near(titled) - low
            place = row.place(start, end)
            if any(
                each.start < place[1] and place[0] < each.end
                for each in (*known, *found[-1:], *(each.finding for each in self.open[-1:] if each.place != place))
            ):
                continue
            kinds = [said.wanted(start - low, end - low, near, split - low, high - low)] if start >= split else []
            kinds += [said.wanted(start - low, end - low, near, 0, high - low)] if split > low else []
            kind = next((each for each in kinds if each in ("literal", "part")), "open" if "open" in kinds else "")
            if not kind or (kind == "open" and self.owner.intent is None):
                continue
            if named := self.owner.named(stretch, (start - low, end - low), titled):
                work, authored = named
                if kind == "open":
                    before = stretch[max(0, start - low - AROUND) : start - low]
                    behind = stretch[end - low : end - low + AROUND]
                    self.open.append(Open(self.owner.finding(*place, SCORES[kind], work, "classifier"), before, behind))
                else:
                    found.append(self.owner.finding(*place, min(1.0, SCORES[kind] + 0.1 * authored), work, "pattern"))
        return found


@dataclass(frozen=True, slots=True)
class Titles:
    """The titles in a batch, in order, and where its words begin and end."""

    titles: list[Titled]
    starts: list[int]
    ends: list[int]

    def between(self, low: int, high: int) -> list[Titled]:
        """Those that lie between two places, the longest of those that begin with one word."""
        first = bisect_left(self.titles, low, key=self.start)
        last = bisect_left(self.titles, high, first, key=self.start)
        inside = (each for each in self.titles[first:last] if self.ends[each.stop - 1] <= high)
        return list({titled.first: titled for titled in inside}.values())

    def start(self, titled: Titled) -> int:
        """Where a title begins."""
        return self.starts[titled.first]

    def near(self, titled: Titled) -> int:
        """The place from which on a title has no more than BETWEEN words before it."""
        word = titled.first - BETWEEN - 1
        return self.starts[word] + 1 if word >= 0 else 0


@dataclass(slots=True)
class RequestWatch:
    """One growing text: each line is judged alone, and with the one before if that ends no sentence."""

    owner: Requests
    lines: Lines = field(default_factory=Lines)
    before: Line | None = None
    known: list[Finding] = field(default_factory=list)  # the findings in the line before
    open: list[Open] = field(default_factory=list)  # what the encoder is asked about, in order
    asked: int = 0
    skipped: bool = False  # there was more to be asked
    told: set[int] = field(default_factory=set)  # where the requests begin that have been found

    def push(self, text: str, *, end: bool = False) -> list[Finding]:
        """Take more of the text. Raises CheckOverloaded, and what the encoder raised."""
        found, batch = list[Finding](), Batch(self.owner)
        for line in self.lines.push(text, end=end):
            if not line.text.strip():
                continue
            if batch.size > BATCH or (batch.rows and (is_cut(line) or is_cut(batch.rows[-1].line))):
                found += self.judge(batch)
                batch = Batch(self.owner)
            batch.add(line, self.joining(line.start))
            self.before = None if ENDED.search(line.text[-20:]) else line
        return found + self.judge(batch) + self.answered()

    def judge(self, batch: Batch) -> list[Finding]:
        """The findings in some lines."""
        if not batch.rows:
            return []
        found = batch.judged(self.known)
        last = batch.rows[-1].line.start
        self.known = [each for each in (*self.known, *found) if each.end > last]
        self.told.update(each.start for each in found)  # what a line leaves open may be decided when the next one is there
        self.open = [each for each in self.open if each.finding.start not in self.told]
        self.ask([each for each in batch.open if each.finding.start not in self.told])
        return found

    def ask(self, new: Sequence[Open]) -> None:
        """Ask the encoder about what patterns leave open, once for each place."""
        intent, open_ = self.owner.intent, {(each.place, each.before, each.behind) for each in self.open}
        for each in new:
            if intent is None or (each.place, each.before, each.behind) in open_:
                continue
            if self.asked == ASKED:
                self.skipped = True
                return
            self.asked += 1
            each.answers.append(intent.ask(each.before, each.behind, DEADLINE.get()))
            self.open.append(each)
        self.open.sort(key=lambda each: each.finding.start)

    def answered(self) -> list[Finding]:
        """The requests among what has been answered, up to the first place that has not."""
        found, intent = list[Finding](), self.owner.intent
        while self.open and all(answer.done() for answer in self.open[0].answers):
            each = self.open.pop(0)
            wanted = intent is not None and any(intent.wanted(answer.result()) for answer in each.answers)
            if wanted and each.finding.start not in self.told:  # a line may have been judged alone, and with the next one
                found.append(each.finding)
                self.told.add(each.finding.start)
        return found

    @property
    def pending(self) -> list[Future[Logits]]:
        """What has not been answered."""
        return [answer for each in self.open for answer in each.answers]

    def joining(self, start: int) -> Line | None:
        """The line before, if one that begins at `start` is read together with it."""
        line = self.before
        return line if line is not None and start - line.stop <= APART else None

    @property
    def settled(self) -> int:
        line = self.joining(self.lines.start)
        start = self.lines.start if line is None else line.start
        return min(start, self.open[0].finding.start) if self.open else start


def waited(watch: RequestWatch, text: str) -> list[Finding]:
    """All findings in a text, when the encoder has answered. Raises CheckTimeout, and what the encoder raised."""
    found = watch.push(text, end=True)
    left = DEADLINE.get() - time.monotonic()
    if wait(watch.pending, None if left == math.inf else max(0.0, left)).not_done:
        raise CheckTimeout("the classifier was not done in time")
    return found + watch.answered()


def is_cut(line: Line) -> bool:
    """Whether a line is so long that it may have been cut within a word, so that what comes begins with the rest of it."""
    return line.stop - line.start >= LONGEST


def stands_in(author: str, text: str) -> bool:
    """Whether an author is named in a text without capitals, by the surname at least."""
    surname = (author.split(",", maxsplit=1)[0] if "," in author else author.rpartition(" ")[2]).casefold()
    place = text.find(surname) if surname else -1
    while place >= 0:
        if not (text[place - 1 : place].isalnum() or text[place + len(surname) : place + len(surname) + 1].isalnum()):
            return True
        place = text.find(surname, place + 1)
    return False
