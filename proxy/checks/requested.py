"""Prompts that ask for a work of the catalogue as it stands, or for the style of an artist: judged line by line, by pattern.

A request names a work by its title, as the index knows it, and says in the same line that its text is wanted: word for word, in
full, or a part of it. To ask about a work, or for a summary, a review or a translation of it, is no request for it.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from proxy.checks.lines import Line, Lines
from proxy.core import Finding
from proxy.corpus import Index, Shelf, Work, prose, titles_in
from proxy.corpus.words import block_words

PARTS = (
    "chapters?|pages?|paragraphs?|stanzas?|verses?|cantos?|acts?|scenes?|opening|beginning|ending|first|last|next|texts?|passages?|"
    "excerpts?|extracts?|sections?|books?|novels?|poems?|story|stories|lyrics|lines?|words|sentences?|prologue|epilogue|preface|article|"
    "script|screenplay|transcript|source|volume|part"
)
ASKS = (
    "give|gimme|show|print|write|type|output|display|provide|send|share|paste|copy|post|read|quote|continue|finish|complete|repeat|dump|"
    "spell|list|retrieve|fetch|recall|generate|produce|return|need|want|have|see|get|reproduce|recite|"
    "transcribe|what (?:is|are|does)"
)
# That the text itself is wanted, whatever the words around.
LITERAL = re.compile(
    r"\b(?:verbatim|word[- ]for[- ]word|(?:in )?(?:its|their|the) entirety|letter by letter|line by line|reproduce|recite|"
    r"transcribe|"
    r"(?:full|entire|complete|whole|exact|original|actual|unabridged) (?:text|texts|lyrics|words|wording|book|novel|story|poem|"
    r"chapter|chapters|script|article|passage|version|contents?)|from (?:start|beginning) to (?:end|finish)|from memory)\b",
    re.IGNORECASE,
)
PART = re.compile(rf"\b(?:{ASKS})\b(?:\W+\w+){{0,8}}?\W+(?:{PARTS})\b", re.IGNORECASE)
BARE = re.compile(
    r"\b(?:recite|reproduce|transcribe|type out|write out|print out|read me|read out)\b(?:\W+\w+){0,3}\W*$", re.IGNORECASE
)
# What is done with a work without its text.
ABOUT = re.compile(
    r"\b(?:summar\w+|synops\w+|review\w*|analys\w+|analyz\w+|explain\w*|discuss\w*|essays?|compar\w+|interpret\w*|critique\w*|themes?|"
    r"characters?|plot|who (?:wrote|is|was)|when was|why|how (?:does|did|is|long|many)|translat\w+|paraphras\w+|similar to|"
    r"inspired by|parod\w+|outline|describe|description|recommend\w*|quiz\w*|questions?|meaning|in the style|buy|order|price|"
    r"isbn|copies|film|movie)\b",
    re.IGNORECASE,
)
AROUND = 200  # characters around a title in which the request has to be
SCORES = {"literal": 0.9, "part": 0.7}
STYLE = (
    r"\b(?:in|with|using|imitat\w+|mimic\w*|copy\w*|replicat\w+|emulat\w+)\s+(?:the\s+|a\s+|an\s+)?(?:\w+\s+){{0,3}}?"
    r"(?:style|manner|vein|aesthetic|look|technique|spirit|fashion)\s+(?:\w+\s+){{0,3}}?(?:of|by|from|like)\s+(?:\w+\s+){{0,3}}?(?:{names})\b"
    r"|\b(?:{names})(?:['’]s?)?[\s-]+(?:\w+\s+){{0,2}}?(?:style|styled|esque|inspired|like|aesthetic|look)\b"
    r"|\b(?:as|like|if)\s+(?:it\s+was\s+|it\s+were\s+|though\s+)?(?:painted|drawn|illustrated|photographed|designed|made|animated|rendered|done)"
    r"\s+by\s+(?:{names})\b"
    r"|\b(?:imitat\w+|mimic\w*|emulat\w+)\s+(?:{names})\b"
)


@dataclass(frozen=True, slots=True)
class LineWatch:
    """One growing text, judged line by line."""

    lines: Lines
    judge: Callable[[Line], list[Finding]]

    def push(self, text: str, *, end: bool = False) -> list[Finding]:
        """Take more of the text."""
        return [finding for line in self.lines.push(text, end=end) for finding in self.judge(line)]

    @property
    def settled(self) -> int:
        return self.lines.start


class ByLine(ABC):
    """A part of the check that judges one line at a time."""

    @abstractmethod
    def judge(self, line: Line) -> list[Finding]:
        """The findings in a line."""

    def follow(self) -> LineWatch:
        """A watch over one growing text."""
        return LineWatch(Lines(), self.judge)

    def whole(self, text: str) -> list[Finding]:
        """The findings in a text that is all there."""
        return self.follow().push(text, end=True)


class Requests(ByLine):
    """Requests for works of the catalogue."""

    def __init__(self, indexes: Sequence[Index], variant: str, welcome: Callable[[Shelf, int], bool]) -> None:
        self.shelves = [shelf for index in indexes for shelf in index.shelves]
        self.variant, self.welcome = variant, welcome

    def judge(self, line: Line) -> list[Finding]:
        """The works that a line asks for; a title within another is not one of its own."""
        if not (LITERAL.search(line.text) or PART.search(line.text) or BARE.search(line.text)):
            return []
        words = block_words(line.text, prose())
        found: list[Finding] = []
        taken = 0
        for titled in titles_in(self.shelves, words.prints.tolist()):
            start, end = int(words.starts[titled.first]), int(words.ends[titled.stop - 1])
            if start < taken or self.welcome(titled.shelf, titled.number):
                continue
            work = titled.shelf.work(titled.number)
            score = wanted(line.text, start, end, work, alone=titled.stop - titled.first == 1)
            if score:
                taken = end
                found.append(self.finding(line, start, end, score, work))
        return found

    def finding(self, line: Line, start: int, end: int, score: float, work: Work) -> Finding:
        facts = (("work", work.title), ("author", work.author), ("holder", work.holder), ("rights", work.rights), ("id", work.id))
        detail = tuple((name, value) for name, value in facts if value)
        return Finding(
            "copyright", "copyright", "request_for_work", score, line.start + start, line.start + end, self.variant, detail
        )


def wanted(line: str, start: int, end: int, work: Work, *, alone: bool) -> float:
    """How certain it is that a line asks for the text of the work whose title stands there; 0 when it does not.

    A title of one word may be any word: it has to be written as a name, behind `of`, in quotation marks or with its author.
    """
    before, after = line[max(0, start - AROUND) : start], line[end : end + AROUND]
    authored = bool(work.author) and stands_in(work.author, before + " " + after)
    if alone and not (
        authored or (line[start].isupper() and re.search(r"(?:\b(?:of|from|novel|book|poem|song)|[\"'“‘*_«])\s*$", before))
    ):
        return 0.0
    literal = LITERAL.search(before) or LITERAL.search(after)
    about = ABOUT.search(before) or ABOUT.search(after)
    if about and not (literal and re.search(r"verbatim|word[- ]for[- ]word|recite|reproduce", literal[0], re.IGNORECASE)):
        return 0.0
    kind = "literal" if literal or BARE.search(before) else "part" if PART.search(before) else ""
    return min(1.0, SCORES[kind] + 0.1 * authored) if kind else 0.0


def stands_in(author: str, text: str) -> bool:
    """Whether an author is named, by the surname at least."""
    surname = author.split(",", maxsplit=1)[0] if "," in author else author.rpartition(" ")[2]
    return bool(surname) and re.search(rf"\b{re.escape(surname)}\b", text, re.IGNORECASE) is not None


class Styles(ByLine):
    """Requests for something in the style of an artist on a list."""

    def __init__(self, artists: Iterable[str], variant: str) -> None:
        self.variant = variant
        self.names = {name.casefold(): name for name in artists}
        names = "|".join(r"\s+".join(map(re.escape, name.split())) for name in sorted(self.names.values(), key=len, reverse=True))
        self.pattern = re.compile(STYLE.format(names=names), re.IGNORECASE)
        self.name = re.compile(names, re.IGNORECASE)

    def judge(self, line: Line) -> list[Finding]:
        """The styles that a line asks for."""
        return [self.finding(line, match) for match in self.pattern.finditer(line.text)]

    def finding(self, line: Line, match: re.Match[str]) -> Finding:
        named = self.name.search(match[0])
        artist = self.names.get(" ".join(named[0].split()).casefold(), "") if named else ""
        place = line.start + match.start(), line.start + match.end()
        return Finding("copyright", "copyright", "artist_style", 0.9, *place, self.variant, (("artist", artist),))
