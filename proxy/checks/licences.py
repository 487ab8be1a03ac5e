"""Licences in texts and code: SPDX tags and notices by pattern, full texts by comparison with those that are indexed.

A text is named by what it resembles most: Dice's coefficient of its words and those of each licence, along the passage that both
share. Notices are compared as words, so that line breaks, comment signs and capitals do not matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from proxy.checks.lines import Joined, Line, Pair
from proxy.checks.notices import is_copyleft, phrases
from proxy.core import Finding
from proxy.corpus import Following, Limits, Matcher, Passage, matching, opened, prints_of, prose
from proxy.corpus.words import read
from proxy.settings import shipped_policies

INDEX = "licences.pidx"
Detail = tuple[tuple[str, str | int | float], ...]

LEAST = 30  # words of a licence that are recognised as its text
LONGEST = 16  # words of an SPDX expression
WITH = re.compile(r" WITH [^\s()]+")
REFERENCE = re.compile(r"LicenseRef-[\w.-]+")
SPDX = r"((?!licen[cs]es?\b)[A-Za-z][A-Za-z0-9.+\-]{1,60}(?:\s+(?:OR|AND|WITH)\s+[A-Za-z][A-Za-z0-9.+\-]{1,60}){0,4})"
NAMED = re.compile(
    r"\b(licen[cs]ed|released|distributed|available|provided|published)\s+under\s+(?:the\s+)?(?:terms\s+of\s+(?:the\s+)?)?"
    rf"{SPDX}"
    rf"|\blicen[cs]es?[\"']?\s*[:=]\s*[\"']?{SPDX}",
    re.IGNORECASE,
)
# Ids of the list that are words and mean a licence nevertheless; others, such as Fair, need a number or a hyphen.
PLAIN = frozenset("MIT ISC ZLIB UNLICENSE WTFPL BEERWARE POSTGRESQL NCSA X11 LIBPNG SLEEPYCAT".split())
FAMILIES = frozenset(("GPL", "LGPL", "AGPL"))  # that are named without a version, too
VERSION = re.compile(r"[\s,(]*(?:v|version)?\.?\s*([1-3])(?:\.(\d))?(?![\d.]*\d)", re.IGNORECASE)
NOTICE = re.compile(  # with `licensed under` before it, a notice of the table
    r"[\s,(]*v\.?\s*\d", re.IGNORECASE
)
GLUED = re.compile(r"GPLV?([1-3])\+?")
LOOKED = 20  # characters behind a licence's name in which its version is looked for
NOTICED = frozenset(("MIT", "ISC", "APACHE-2.0"))  # with `license` behind them they are notices of the table
LICENCE = re.compile(r"\s+licen[cs]e", re.IGNORECASE)
# The end of a line whose licence stands on the next one, or goes on there.
GOING_ON = re.compile(
    r"(?:licen[cs]es?|SPDX-License-Identifier)[\"']?\s*[:=]\s*[\"']?$"
    r"|\b(?:licen[cs]ed|released|distributed|available|provided|published)\s+under(?:\s+(?:the|terms|of)){0,5}\s*$"
    r"|licen[cs]e.{0,150}\b(?:OR|AND|WITH)\s*$",
    re.IGNORECASE,
)
TAG = re.compile(r"SPDX-License-Identifier\s*[:=]\s*([A-Za-z0-9.+\-() :/]{2,200})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice as fingerprints of its words."""

    prints: tuple[int, ...]
    spdx: str


@cache
def notices() -> dict[tuple[int, int], tuple[Notice, ...]]:
    """The notices by their last two words, the longest first."""
    table: dict[tuple[int, int], list[Notice]] = {}
    for spdx, words in phrases():
        prints = tuple(prints_of(words, prose()))
        table.setdefault((prints[-2], prints[-1]), []).append(Notice(prints, spdx))
    return {key: tuple(sorted(rows, key=lambda row: -len(row.prints))) for key, rows in table.items()}


@cache
def longest() -> int:
    """Words of the longest notice."""
    return max(len(each.prints) for rows in notices().values() for each in rows)


def expression(tag: str) -> str:
    """The licences of a tag, by the SPDX list, as alternatives of ids; what is on no list is `unknown`, so that no text goes on.

    The expression ends where what stands there is none any more: a tag may be followed by prose.
    """
    words = tag.replace("(", " ( ").replace(")", " ) ").split()[:LONGEST]
    for count in range(len(words), 0, -1):
        try:
            parsed = canonicalize_license_expression(" ".join(words[:count]))
        except InvalidLicenseExpression:
            continue
        bare = REFERENCE.sub("LicenseRef", WITH.sub("", parsed))
        groups = either(bare.replace("(", " ( ").replace(")", " ) ").split())
        return " OR ".join(dict.fromkeys(" AND ".join(dict.fromkeys(group)) for group in groups))
    return "unknown"


def either(words: list[str]) -> list[tuple[str, ...]]:
    """The alternatives of an expression without brackets, each the licences that hold together; takes its words from the list."""
    groups = together(words)
    while words and words[0] == "OR":
        del words[0]
        groups += together(words)
    return groups


def together(words: list[str]) -> list[tuple[str, ...]]:
    """The same for what stands between `OR`."""
    groups: list[tuple[str, ...]] = [()]
    while True:
        word = words.pop(0)
        more = either(words) if word == "(" else [(word,)]
        del words[: word == "("]  # the bracket that closes
        groups = [(*group, *each) for group in groups for each in more]
        if not words or words[0] != "AND":
            return groups
        del words[0]


def named(tag: str, behind: str = "") -> str:
    """The licences of an expression in prose; empty if it is none, or only a word that is on the list too.

    A family alone, such as GPL, is named as it is, or by the version that is `behind` it.
    """
    spdx = expression(tag)
    family = tag.split(maxsplit=1)[0].upper()
    if spdx == "unknown" and (written := GLUED.fullmatch(family)):
        return f"GPL-{written[1]}.0"
    if spdx == "unknown" and family in FAMILIES:
        version = VERSION.match(behind) if " " not in tag else None
        return f"{family}-{version[1]}.{version[2] or 0}" if version else family
    sure = spdx != "unknown" and all(
        each.upper() in PLAIN or any(char.isdigit() or char == "-" for char in each) for each in re.split(r" OR | AND ", spdx)
    )
    return spdx if sure else ""


class Licences:
    """Finds licences that are not welcome."""

    def __init__(self, welcome: Sequence[str], variant: str) -> None:
        self.welcome, self.variant = tuple(pattern.upper() for pattern in welcome), variant
        limits = Limits(words=LEAST, early=False, piece=8000, glued=0.0)
        index = opened(shipped_policies() / INDEX)
        found = matching([index], "words", limits, lambda *_: False)
        assert found is not None, "the index of licences has words"  # noqa: S101 - it ships with this module
        self.texts: Matcher = found
        longest()  # the notices are read now, not in a call

    def follow(self) -> LicenceWatch:
        """A watch over one growing text."""
        return LicenceWatch(self)

    def whole(self, text: str) -> list[Finding]:
        """The findings in a text that is all there."""
        found = [finding for line in Joined(GOING_ON).push(text, end=True) for finding in self.tags(line)]
        seen, blocks = Noticed(self), list(read(text, prose()))
        for block in blocks:
            rows = zip(block.prints.tolist(), block.starts.tolist(), block.ends.tolist(), strict=True)
            found += seen.push(rows)
        return found + [each for passage in self.texts.whole(text, blocks) for each in self.text(passage)]

    def tags(self, line: Line | Pair) -> list[Finding]:
        """SPDX tags, and ids behind `licensed under` or `license:`; of alternatives, one that is welcome is enough."""
        found = []
        for match in TAG.finditer(line.text):
            place = match.start(), match.start(1) + len(match[1].rstrip())
            found += self.unwelcome(line, expression(match[1]), "tag", 1.0, place)
        for match in NAMED.finditer(line.text):
            tag = (match[2] or match[3]).rstrip(".-+" if match[0].endswith(".") else ".-")
            spdx = named(tag, line.text[match.end() : match.end() + LOOKED])
            noticed = match[1] and (
                (spdx.upper() in NOTICED and LICENCE.match(line.text, match.end()))
                or (tag.upper() in FAMILIES and NOTICE.match(line.text, match.end()))
                or GLUED.fullmatch(tag.upper())
            )
            if spdx and not noticed:
                found += self.unwelcome(line, spdx, "notice", 0.8, (match.start(), match.start(match.lastindex or 0) + len(tag)))
        return found

    def unwelcome(self, line: Line | Pair, spdx: str, kind: str, score: float, place: tuple[int, int]) -> list[Finding]:
        """The licences of an expression that are not welcome; none if an alternative is."""
        groups = [[each for each in group.split(" AND ") if not self.is_welcome(each)] for group in spdx.split(" OR ")]
        if not all(groups):
            return []
        start, end = line.place(*place)
        return [self.finding(each, kind, score, start, end) for each in dict.fromkeys(each for group in groups for each in group)]

    def text(self, passage: Passage) -> list[Finding]:
        """The text of a licence, or a part of it."""
        spdx = passage.work.licence
        if self.is_welcome(spdx):
            return []
        score = round(max(0.5, min(1.0, passage.resemblance)), 4)
        more: Detail = (
            ("words", passage.words),
            ("resemblance", round(passage.resemblance, 4)),
            ("share_of_work", round(passage.share_of_work, 4)),
        )
        return [self.finding(spdx, "text", score, passage.start, passage.end, more)]

    def is_welcome(self, spdx: str) -> bool:
        """Whether a policy says that a licence is no news; GPL-2.0 stands for its -only and -or-later forms, too."""
        forms = {spdx.upper(), spdx.upper().removesuffix("-ONLY").removesuffix("-OR-LATER").removesuffix("+")}
        return any(fnmatchcase(form, pattern) for form in forms for pattern in self.welcome)

    def finding(self, spdx: str, kind: str, score: float, start: int, end: int, more: Detail = ()) -> Finding:
        detail: Detail = (("spdx", spdx[:64]), ("kind", kind), ("copyleft", int(is_copyleft(spdx))), *more)
        return Finding("copyright", "copyright", "licence", score, start, end, self.variant, detail)


class Noticed:
    """The notices in a growing row of words."""

    def __init__(self, owner: Licences) -> None:
        self.owner = owner
        self.prints: list[int] = []
        self.starts: list[int] = []

    def push(self, words: Iterable[tuple[int, int, int]]) -> list[Finding]:
        """Take more words."""
        found, table, size = [], notices(), longest()
        for print_, start, end in words:
            before = self.prints[-1] if self.prints else 0
            self.prints.append(print_)
            self.starts.append(start)
            for notice in table.get((before, print_), ()):
                count = len(notice.prints)
                if tuple(self.prints[-count:]) == notice.prints:
                    if not self.owner.is_welcome(notice.spdx):
                        found.append(self.owner.finding(notice.spdx, "notice", 0.9, self.starts[-count], end))
                    break
            if len(self.prints) > 4 * size:
                del self.prints[:-size], self.starts[:-size]
        return found

    def settled(self, upto: int) -> int:
        """Where the first notice may begin that is yet to end; `upto` where there is none."""
        kept = min(longest() - 1, len(self.starts))
        return self.starts[-kept] if kept else upto


class LicenceWatch:
    """One growing text."""

    def __init__(self, owner: Licences) -> None:
        self.owner = owner
        self.lines, self.noticed = Joined(GOING_ON), Noticed(owner)
        self.texts: Following = owner.texts.follow()

    def push(self, text: str, *, end: bool = False) -> list[Finding]:
        """Take more of the text."""
        found = [finding for line in self.lines.push(text, end=end) for finding in self.owner.tags(line)]
        found += [each for passage in self.texts.push(text, end=end) for each in self.owner.text(passage)]
        return found + self.noticed.push(word[:3] for word in self.texts.latest)

    @property
    def settled(self) -> int:
        reader = self.texts.reader
        upto = reader.start if reader.start >= 0 else reader.length
        return min(self.lines.start, self.noticed.settled(upto), self.texts.settled)
